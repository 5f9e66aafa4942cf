//go:build cuda

package cuda

import "github.com/yocobench/yocobench/runners"

func (o *ops) Embed(dst runners.Mat, table runners.Weight, tokens []int, scale float32) {
	w, ok := table.(*weight)
	if o.err != nil || len(tokens) == 0 || !((ok && !w.vector && dst.Cols == w.in) || o.failf("Embed: table and destination do not fit")) {
		return
	}
	d, ok := o.float(dst, len(tokens), "Embed")
	if !ok {
		return
	}
	at, ok := o.ids(tokens, w.out, "token")
	if !ok {
		return
	}
	o.k.Embed(&o.c, d.ptr, w.blk.at(0), at, len(tokens), w.in, d.ld, scale)
	o.enqueue()
}

// ids puts numbers below limit into the arena.
func (o *ops) ids(v []int, limit int, what string) (addr uint64, ok bool) {
	at, ids, err := o.ar.ints(len(v))
	if !o.check(err) {
		return 0, false
	}
	for i, x := range v {
		if !((x >= 0 && x < limit) || o.failf("%s %d of %d", what, x, limit)) {
			return 0, false
		}
		ids[i] = int32(x)
	}
	return o.ar.at(at), o.check(o.ar.ready())
}

func (o *ops) RMSNorm(rows int, dst, x runners.Mat, rw runners.Weight, eps float32) {
	w, ok := rw.(*weight)
	if o.err != nil || rows < 1 || !((ok && w.vector && w.out == x.Cols && dst.Cols == x.Cols) || o.failf("RMSNorm: [%d] to [%d]: the sizes do not fit", x.Cols, dst.Cols)) {
		return
	}
	d, ok1 := o.inner(dst, rows, "RMSNorm")
	s, ok2 := o.float(x, rows, "RMSNorm")
	if !ok1 || !ok2 {
		return
	}
	o.k.Rmsnorm(&o.c, d.ptr, s.ptr, w.blk.at(0), rows, x.Cols, d.ld, s.ld, eps)
	o.enqueue()
}
