//go:build cuda

package cuda

import (
	"encoding/binary"
	"math"

	"github.com/yocobench/yocobench/runners"
)

// ropeTable holds (cos, sin) of the angles of positions 0..1023 (lo) and of multiples of 1024 (hi),
// float32 [positions, headDim/2, 2]. They are computed in float64, because in float32 position x
// freq loses its fraction long before position 1,000,000. The kernels combine the two angles. hi
// grows to the positions in use.
type ropeTable struct {
	spec   runners.Rope
	freq   []float64
	lo, hi *block
}

func (r *ropeTable) Spec() runners.Rope { return r.spec }

func (o *ops) Rope(spec runners.Rope) runners.RopeTable {
	for _, r := range o.ropes {
		if r.spec == spec {
			return r
		}
	}
	r := &ropeTable{spec: spec}
	r.freq = spec.Frequencies(spec.HeadDim)
	var err error
	if r.lo, err = o.angles(r, ropeStep, 1); !o.check(err) {
		return r
	}
	o.ropes = append(o.ropes, r)
	return r
}

// angles makes a table of n positions that are step apart.
func (o *ops) angles(r *ropeTable, n, step int) (*block, error) {
	half := len(r.freq)
	blk, err := o.pool.take(runners.MemoryWorkspace, runners.MulBytes(8, n, half))
	if err != nil {
		return nil, err
	}
	err = o.st.upload(o.d, blk.at(0), blk.bytes, func(piece []byte, at int64) {
		for i := 0; i < len(piece); i += 8 { // pieces are multiples of 8 bytes
			x := (int(at) + i) / 8
			s, c := math.Sincos(float64(x/half*step) * r.freq[x%half])
			if m := r.spec.Magnitude; m != 0 && step > 1 && x%half < r.spec.Pairs(r.spec.HeadDim) {
				s, c = s*m, c*m // in one of the two tables; the kernels multiply them
			}
			binary.LittleEndian.PutUint32(piece[i:], math.Float32bits(float32(c)))
			binary.LittleEndian.PutUint32(piece[i+4:], math.Float32bits(float32(s)))
		}
	})
	if err != nil {
		blk.free()
		return nil, err
	}
	return blk, nil
}

// reachRopes extends every table to positions below end. Its length is a power of two, so that it
// grows rarely and does not depend on what ran before a ResetPeak.
func (o *ops) reachRopes(end int) bool {
	n := 1
	for n*ropeStep < end {
		n *= 2
	}
	for _, r := range o.ropes {
		have := r.hi
		if have != nil && have.bytes >= runners.MulBytes(8, n, len(r.freq)) {
			continue
		}
		hi, err := o.angles(r, n, ropeStep)
		if !o.check(err) {
			return false
		}
		have.free()
		r.hi = hi
	}
	return true
}

// rope returns a table that is ready for the current pass.
func (o *ops) rope(t runners.RopeTable, headDim int) (*ropeTable, bool) {
	r, ok := t.(*ropeTable)
	return r, ((ok && o.batch != nil && r.lo != nil && r.hi != nil) || o.failf("rotary positions without Rope or Begin")) &&
		(r.spec.HeadDim == headDim || o.failf("rotary positions of %d for heads of %d", r.spec.HeadDim, headDim))
}
