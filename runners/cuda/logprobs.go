//go:build cuda

package cuda

import (
	"encoding/binary"
	"fmt"

	"github.com/yocobench/yocobench/runners"
)

func (o *ops) LogProbs(x runners.Mat, rw runners.Weight, cap float32, targets []int, out []float32) error {
	w, ok := rw.(*weight)
	if o.err == nil && (ok && !w.vector && w.in == x.Cols && len(out) == len(targets) || o.failf("LogProbs: the sizes do not fit")) && (cap >= 0 || o.failf("LogProbs: a bound of %g", cap)) && len(targets) > 0 {
		o.logProbs(x, w, cap, targets, out)
	}
	return o.wait()
}

// argmax writes the column of the largest value of each row of x [len(out), n] (the lowest among
// equals) to out, and waits.
func (o *ops) argmax(x runners.Mat, out []int) error {
	if a, ok := o.float(x, len(out), "argmax"); ok && len(out) > 0 {
		if at, ok := o.scratch(scratchStats, runners.MulBytes(4, len(out))); ok {
			o.k.Argmax(&o.c, at, a.ptr, len(out), a.cols, a.ld)
			if o.enqueue() && o.check(o.flush(true)) {
				o.picked.out = out
				o.check(o.st.download(o.d, at, 4*int64(len(out)), o.picked.take))
			}
		}
	}
	if err := o.wait(); err != nil {
		return err
	}
	for i, id := range out {
		if id < 0 {
			return fmt.Errorf("%w: all logits of sequence %d are NaN", runners.ErrNotFinite, i)
		}
	}
	return nil
}

// idReader receives 32-bit integers from the device.
type idReader struct {
	out []int
	// take is the method value of piece, made once to avoid allocations.
	take func([]byte, int64)
}

func (r *idReader) piece(b []byte, at int64) {
	for i := range len(b) / 4 {
		r.out[int(at)/4+i] = int(int32(binary.LittleEndian.Uint32(b[4*i:])))
	}
}

func (o *ops) logProbs(x runners.Mat, w *weight, cap float32, targets []int, out []float32) {
	rows := len(targets)
	a, ok := o.inner(x, rows, "LogProbs")
	if !ok || !o.aligned("LogProbs", w.in) {
		return
	}
	at, ok := o.ids(targets, w.out, "target")
	if !ok {
		return
	}
	splits := o.k.LogprobsSplits(rows, w.out, o.d.info.Multiprocessors)
	parts, ok := o.scratch(scratchParts, runners.MulBytes(4, rows, splits, 3))
	if !ok {
		return
	}
	res, ok := o.scratch(scratchStats, runners.MulBytes(4, rows))
	if !ok {
		return
	}
	*o.flops += 2 * int64(rows) * int64(w.in) * int64(w.out)
	o.k.Logprobs(&o.c, parts, a.ptr, w.blk.at(0), at, rows, w.out, w.in, a.ld, w.in, splits, cap)
	if !o.enqueue() {
		return
	}
	o.k.LogprobsReduce(&o.c, res, parts, rows, splits)
	if !o.enqueue() || !o.check(o.flush(true)) {
		return
	}
	o.check(o.st.download(o.d, res, 4*int64(rows), func(b []byte, at int64) { widen(out[at/4:][:len(b)/4], b, runners.F32) }))
}
