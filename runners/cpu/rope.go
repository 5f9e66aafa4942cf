package cpu

import (
	"math"
	"slices"
	"unsafe"

	"github.com/yocobench/yocobench/runners"
)

// ropeTable holds the cosines and sines of the current pass's positions.
//
// An angle is position x freq[j]. In float32 that product loses its fraction long before position
// 1,000,000, so it is computed in float64. To make that cheap, write pos = 256 hi + lo: cos and sin
// of lo x freq are in a table, those of 256 hi x freq are computed once per run of 256 positions,
// and a complex product combines them.
//
// A row of the result is c, then s, each of width values: for interleaved pairs each cosine twice
// and -sin, +sin (width headDim); for half-split pairs cosines and sines (width headDim/2).
type ropeTable struct {
	spec runners.Rope
	freq []float64
	// magnitude multiplies the cosines and sines of each frequency.
	magnitude []float64
	table     *block // of complex128, [256][headDim/2]
	blk       *block // of float32, [rows][2 width]
	width     int
	pass      int
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
	r.freq = spec.Frequencies(spec.HeadDim)
	r.magnitude = slices.Repeat([]float64{1}, half)
	if spec.Magnitude != 0 {
		for j := range spec.Pairs(spec.HeadDim) {
			r.magnitude[j] = spec.Magnitude
		}
	}
	var err error
	if r.table, err = o.pool.take(runners.MemoryWorkspace, runners.MulBytes(16, 256, half), 0); err != nil {
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

// angles returns the table of cosines and sines, pair after pair.
func (r *ropeTable) angles() []float64 {
	return unsafe.Slice((*float64)(unsafe.Pointer(&r.table.data[0])), 2*256*len(r.freq))
}

// rope returns the table prepared for the current pass.
func (o *ops) rope(t runners.RopeTable) (*ropeTable, bool) {
	r, ok := t.(*ropeTable)
	if !((ok && o.batch != nil && r.table != nil) || o.failf("rotary positions without Rope or Begin")) {
		return nil, false
	}
	if r.pass == o.pass {
		return r, true
	}
	need := runners.MulBytes(4, o.batch.Rows, 2, r.width)
	if r.blk == nil || int64(len(r.blk.data)) < need {
		r.blk.free()
		var err error
		if r.blk, err = o.pool.take(runners.MemoryWorkspace, need, 0); err != nil {
			o.fail(err)
			return nil, false
		}
	}
	j := &o.turn
	j.table, j.units = r, j.units[:0]
	for _, s := range o.batch.Spans {
		for i := 0; i < s.Len; {
			n := min(s.Len-i, fillRows-(s.Pos+i)%fillRows)
			j.units = append(j.units, fillUnit{s.Row + i, s.Pos + i, n})
			i += n
		}
	}
	o.workers.run(len(j.units), fillTask)
	r.pass = o.pass
	return r, true
}

// fillJob is the current filling of a table.
type fillJob struct {
	table *ropeTable
	units []fillUnit
}

// fillUnit is n rows for positions from pos on, which have the same pos/fillRows.
type fillUnit struct{ row, pos, n int }

// fillRows must divide 256.
const fillRows = 64

func fillTask(o *ops, _ *worker, i int) {
	r, u := o.turn.table, o.turn.units[i]
	row, pos, n := u.row, u.pos, u.n
	half, t, out := len(r.freq), r.angles(), r.blk.floats()
	for j, f := range r.freq {
		hs, hc := math.Sincos(float64(pos&^255) * f)
		hs, hc = hs*r.magnitude[j], hc*r.magnitude[j]
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

// rotate rotates and scales one head of n rows of the pass, from row on, in place.
func (o *ops) rotate(r *ropeTable, row, n int, x *float32, ldx int, scale float32) {
	o.turnRows(r, row, 8*r.width, n, x, ldx, scale)
}

// rotateHeads rotates and scales n adjacent heads of one row of the pass in place.
func (o *ops) rotateHeads(r *ropeTable, row, n int, x *float32, scale float32) {
	o.turnRows(r, row, 0, n, x, 4*r.spec.HeadDim, scale)
}

func (o *ops) turnRows(r *ropeTable, row, ldt, n int, x *float32, ldx int, scale float32) {
	t := &r.blk.floats()[row*2*r.width]
	if r.spec.Interleaved {
		o.k.RopeInterleaved(x, ldx, t, ldt, n, r.width, scale)
	} else {
		o.k.RopeHalf(x, ldx, t, ldt, n, r.width, scale)
	}
}
