//go:build cuda

package cuda

import "github.com/yocobench/yocobench/runners"

func (o *ops) LogProbs(x runners.Mat, rw runners.Weight, targets []int, out []float32) error {
	w, ok := rw.(*weight)
	if o.err == nil && (ok && !w.vector && w.in == x.Cols && len(out) == len(targets) || o.failf("LogProbs: the sizes do not fit")) && len(targets) > 0 {
		o.logProbs(x, w, targets, out)
	}
	return o.wait()
}

func (o *ops) logProbs(x runners.Mat, w *weight, targets []int, out []float32) {
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
	parts, ok := o.scratch(scratchParts, product(4, rows, splits, 3))
	if !ok {
		return
	}
	res, ok := o.scratch(scratchStats, product(4, rows))
	if !ok {
		return
	}
	*o.flops += 2 * int64(rows) * int64(w.in) * int64(w.out)
	o.k.Logprobs(&o.c, parts, a.ptr, w.blk.at(0), at, rows, w.out, w.in, a.ld, w.in, splits)
	if !o.enqueue() {
		return
	}
	o.k.LogprobsReduce(&o.c, res, parts, rows, splits)
	if !o.enqueue() || !o.check(o.flush(true)) {
		return
	}
	o.check(o.st.download(o.d, res, 4*int64(rows), func(b []byte, at int64) { widen(out[at/4:][:len(b)/4], b, runners.F32) }))
}
