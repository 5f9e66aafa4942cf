package cpu

import (
	"math"
	"unsafe"

	"github.com/yocobench/yocobench/runners"
)

// ropeTable holds the cosines and sines of the present pass's positions.
//
// An angle is position x freq[j]. In float32 that product has lost its
// fraction long before a million, so it is made in float64, and cheaply: with
// pos = 256 hi + lo, cos and sin of lo x freq are a table, those of
// 256 hi x freq are computed once for a run of 256 positions, and a complex
// product joins them.
//
// A row of the result is c, then s, each of width values: for interleaved
// pairs every cosine twice and -sin, +sin (width headDim); for half-split
// pairs cosines and sines (width headDim/2).
type ropeTable struct {
	spec  runners.Rope
	freq  []float64
	table *block // of complex128, [256][headDim/2]
	blk   *block // of float32, [rows][2 width]
	width int
	pass  int
}

func (r *ropeTable) Spec() runners.Rope { return r.spec }

func (o *ops) Rope(spec runners.Rope) runners.RopeTable {
	for _, r := range o.ropes {
		if r.spec == spec {
			return r
		}
	}
	r := &ropeTable{spec: spec, width: spec.HeadDim / 2}
	if spec.Interleaved {
		r.width = spec.HeadDim
	}
	half := spec.HeadDim / 2
	for j := range half {
		e := 2 * float64(j) / float64(spec.HeadDim)
		if spec.EndPoint {
			e = float64(j) / float64(half-1)
		}
		r.freq = append(r.freq, math.Pow(spec.Theta, -e))
	}
	var err error
	if r.table, err = o.pool.take(partWorkspace, product(16, 256, half), 0); err != nil {
		o.fail(err)
		return r
	}
	t := r.angles()
	for lo := range 256 {
		for j, f := range r.freq {
			s, c := math.Sincos(float64(lo) * f)
			t[2*(lo*half+j)], t[2*(lo*half+j)+1] = c, s
		}
	}
	o.ropes = append(o.ropes, r)
	return r
}

// angles is the table of cosines and sines, pair after pair.
func (r *ropeTable) angles() []float64 {
	return unsafe.Slice((*float64)(unsafe.Pointer(&r.table.data[0])), 2*256*len(r.freq))
}

// rope returns the table prepared for the present pass.
func (o *ops) rope(t runners.RopeTable) (*ropeTable, bool) {
	r, ok := t.(*ropeTable)
	if !((ok && o.batch != nil && r.table != nil) || o.failf("rotary positions without Rope or Begin")) {
		return nil, false
	}
	if r.pass == o.pass {
		return r, true
	}
	need := product(4, o.batch.Rows, 2, r.width)
	if r.blk == nil || int64(len(r.blk.data)) < need {
		r.blk.free()
		var err error
		if r.blk, err = o.pool.take(partWorkspace, need, 0); err != nil {
			o.fail(err)
			return nil, false
		}
	}
	for _, s := range o.batch.Spans {
		for i := 0; i < s.Len; i += 256 - (s.Pos+i)%256 {
			r.fill(s.Row+i, s.Pos+i, min(s.Len-i, 256-(s.Pos+i)%256))
		}
	}
	r.pass = o.pass
	return r, true
}

// fill writes n rows for positions pos.., which have the same pos/256.
func (r *ropeTable) fill(row, pos, n int) {
	half, t, out := len(r.freq), r.angles(), r.blk.floats()
	for j, f := range r.freq {
		hs, hc := math.Sincos(float64(pos&^255) * f)
		for i := range n {
			lo := 2 * ((pos+i)&255*half + j)
			c, s := t[lo], t[lo+1]
			co, si := float32(hc*c-hs*s), float32(hs*c+hc*s)
			o := out[(row+i)*2*r.width:]
			if r.spec.Interleaved {
				o[2*j], o[2*j+1], o[r.width+2*j], o[r.width+2*j+1] = co, co, -si, si
			} else {
				o[j], o[r.width+j] = co, si
			}
		}
	}
}

// rotate turns one head of the row of the pass in place.
func (o *ops) rotate(r *ropeTable, row int, x *float32) {
	t := r.blk.floats()[row*2*r.width:]
	if r.spec.Interleaved {
		o.k.RopeInterleaved(x, &t[0], &t[r.width], r.width)
	} else {
		o.k.RopeHalf(x, &t[0], &t[r.width], r.width)
	}
}
