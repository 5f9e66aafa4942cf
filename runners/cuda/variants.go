//go:build cuda

package cuda

import "github.com/yocobench/yocobench/runners"

// wideHead is the head dimension above which HeadNorm takes the tile of one head.
const wideHead = 256

func (o *ops) Copy(rows int, dst, x runners.Mat) {
	if o.err != nil || rows < 1 || !(dst.Cols == x.Cols || o.failf("Copy: [%d] to [%d]: the sizes do not fit", x.Cols, dst.Cols)) || !o.aligned("Copy", x.Cols) {
		return
	}
	d, ok1 := o.inner(dst, rows, "Copy")
	s, ok2 := o.float(x, rows, "Copy")
	if ok1 && ok2 {
		o.k.Copy(&o.c, d.ptr, s.ptr, rows, x.Cols, d.ld, s.ld)
		o.enqueue()
	}
}

func (o *ops) AddNorm(rows int, dst, x runners.Mat, rw runners.Weight, eps float32) {
	w, ok := o.vector(rw, x.Cols, "AddNorm")
	if !ok || rows < 1 || !(dst.Cols == x.Cols || o.failf("AddNorm: [%d] to [%d]: the sizes do not fit", x.Cols, dst.Cols)) {
		return
	}
	d, ok1 := o.float(dst, rows, "AddNorm")
	s, ok2 := o.inner(x, rows, "AddNorm")
	if ok1 && ok2 {
		o.k.AddNorm(&o.c, d.ptr, s.ptr, w.blk.at(0), rows, x.Cols, d.ld, s.ld, eps)
		o.enqueue()
	}
}

func (o *ops) HeadNorm(rows int, x runners.Mat, heads int, rw runners.Weight, eps float32) {
	if o.err != nil || rows < 1 || !(heads > 0 && x.Cols%heads == 0 || o.failf("HeadNorm: [%d] of %d heads", x.Cols, heads)) {
		return
	}
	hd := x.Cols / heads
	w, ok := o.vector(rw, hd, "HeadNorm")
	if !ok {
		return
	}
	if a, ok := o.inner(x, rows, "HeadNorm"); ok {
		tile := 0
		if hd > wideHead {
			tile = 1
		}
		o.k.HeadNorm(&o.c, tile, a.ptr, w.blk.at(0), rows, heads, hd, a.ld, eps)
		o.enqueue()
	}
}

func (o *ops) AddBias(rows int, x runners.Mat, b runners.Weight) {
	w, ok := o.vector(b, x.Cols, "AddBias")
	if !ok || rows < 1 {
		return
	}
	if a, ok := o.inner(x, rows, "AddBias"); ok {
		o.k.AddBias(&o.c, a.ptr, w.blk.at(0), rows, x.Cols, a.ld)
		o.enqueue()
	}
}

func (o *ops) SoftCap(rows int, x runners.Mat, cap float32) {
	if o.err != nil || rows < 1 || !(cap > 0 || o.failf("SoftCap: a bound of %g", cap)) {
		return
	}
	if a, ok := o.float(x, rows, "SoftCap"); ok {
		o.k.SoftCap(&o.c, a.ptr, rows, x.Cols, a.ld, cap)
		o.enqueue()
	}
}

// vector is a vector of n values.
func (o *ops) vector(rw runners.Weight, n int, op string) (*weight, bool) {
	w, ok := rw.(*weight)
	return w, o.err == nil && (ok && w.vector && w.out == n || o.failf("%s: the vector is not one of %d", op, n)) && o.aligned(op, n)
}
