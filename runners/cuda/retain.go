//go:build cuda

package cuda

import "github.com/yocobench/yocobench/runners"

func (o *ops) Retain(b *runners.Batch, w runners.Retained) {
	heads, q, st, eps := w.Heads, w.Q, w.State, w.Eps
	if o.err != nil || !((heads > 0 && q.Cols%heads == 0 && len(st) == len(b.Spans) && w.Decay.Cols == heads &&
		w.Dst.Cols == q.Cols && w.K.Cols == q.Cols && w.V.Cols == q.Cols && w.Gate.Cols == q.Cols) || o.failf("Retain: the sizes do not fit")) {
		return
	}
	hd := q.Cols / heads
	var m [6]mat
	for i, x := range [...]runners.Mat{w.Dst, q, w.K, w.V, w.Gate, w.Decay} {
		var ok bool
		if m[i], ok = o.inner(x, b.Rows, "Retain"); !ok {
			return
		}
	}
	r, ok := o.rope(w.Rope, hd)
	if !ok || !o.headDim(hd) {
		return
	}
	for i, s := range b.Spans {
		x, ok := st[i].(*state)
		if !((ok && x.blk.ptr != 0 && x.heads == heads && x.hd == hd && s.Len >= 1) || o.failf("Retain: a state of another shape")) {
			return
		}
		*o.flops += int64(heads) * int64(runners.RetentionFLOPs(s.Len, hd, o.chunk()))
	}
	if o.single {
		at, words, err := o.ar.words(len(st))
		if !o.check(err) {
			return
		}
		for i, s := range st {
			words[i] = s.(*state).blk.at(0)
		}
		if !o.check(o.ar.ready()) {
			return
		}
		o.k.RetainStep(&o.c, hd, r.spec.Interleaved, m[0].ptr, m[1].ptr, m[2].ptr, m[3].ptr, m[4].ptr, m[5].ptr, o.ar.at(at), r.lo.at(0), r.hi.at(0), o.pos(0),
			len(st), heads, hd, m[0].ld, m[1].ld, m[2].ld, m[3].ld, m[4].ld, m[5].ld, eps)
		o.enqueue()
		return
	}
	if !o.rotate(m[1], b.Rows, heads, hd, r) || !o.rotate(m[2], b.Rows, heads, hd, r) {
		return
	}
	for i, s := range b.Spans {
		for at := 0; at < s.Len; at += retainRows {
			if !o.retainChunks(m, s.Row+at, min(retainRows, s.Len-at), heads, hd, st[i].(*state), eps) {
				return
			}
		}
	}
}

// chunk returns the chunk length of the kernels.
func (o *ops) chunk() int { return o.k.RetainChunk() }

// retainChunks updates a state with n rows from row on.
func (o *ops) retainChunks(m [6]mat, row, n, heads, hd int, s *state, eps float32) bool {
	c := o.chunk()
	chunks := (n + c - 1) / c
	sums, ok := o.scratch(scratchParts, runners.MulBytes(4, chunks, heads, hd, hd))
	if !ok {
		return false
	}
	decay, ok := o.scratch(scratchStats, runners.MulBytes(4, chunks, c, heads))
	if !ok {
		return false
	}
	dst, q, k, v, g, gate := m[0], m[1], m[2], m[3], m[4], m[5]
	o.k.RetainGates(&o.c, decay, gate.row(row), n, heads, gate.ld)
	if !o.enqueue() {
		return false
	}
	o.k.RetainStates(&o.c, hd, sums, k.row(row), v.row(row), decay, n, heads, hd, k.ld, v.ld)
	if !o.enqueue() {
		return false
	}
	o.k.RetainScan(&o.c, sums, s.blk.at(0), decay, n, heads, hd)
	if !o.enqueue() {
		return false
	}
	o.k.RetainOutput(&o.c, hd, dst.row(row), q.row(row), k.row(row), v.row(row), g.row(row), sums, decay, n, heads, hd, dst.ld, q.ld, k.ld, v.ld, g.ld, eps)
	return o.enqueue()
}
