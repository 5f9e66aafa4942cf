//go:build cuda

package cuda

import "github.com/yocobench/yocobench/runners"

// gemvRows bounds the rows for which reading the weights is the whole cost: the gemv kernels take that many.
const gemvRows = 16

func (o *ops) Linear(rows int, dst, x runners.Mat, rw runners.Weight) {
	w, d, a, ok := o.product(rows, dst, x, rw, dst.Cols, "Linear")
	if !ok {
		return
	}
	sms := o.d.info.Multiprocessors
	// d is of type T or float32: with the float32 build the two are the same.
	switch few := rows <= gemvRows; {
	case d.t == o.t && few:
		o.k.GemvT(&o.c, d.ptr, a.ptr, w.blk.at(0), rows, w.out, w.in, d.ld, a.ld, w.in)
	case d.t == o.t:
		o.k.GemmT(&o.c, d.ptr, a.ptr, w.blk.at(0), rows, w.out, w.in, d.ld, a.ld, w.in, sms)
	case few:
		o.k.GemvF32(&o.c, d.ptr, a.ptr, w.blk.at(0), rows, w.out, w.in, d.ld, a.ld, w.in)
	default:
		o.k.GemmF32(&o.c, d.ptr, a.ptr, w.blk.at(0), rows, w.out, w.in, d.ld, a.ld, w.in, sms)
	}
	o.enqueue()
}

func (o *ops) LinearAdd(rows int, dst, x runners.Mat, rw runners.Weight) {
	w, d, a, ok := o.product(rows, dst, x, rw, dst.Cols, "LinearAdd")
	if !ok || !(d.t == runners.F32 || o.failf("LinearAdd: onto a buffer of %s", d.t)) {
		return
	}
	if rows <= gemvRows {
		o.k.GemvAdd(&o.c, d.ptr, a.ptr, w.blk.at(0), rows, w.out, w.in, d.ld, a.ld, w.in)
	} else {
		o.k.GemmAdd(&o.c, d.ptr, a.ptr, w.blk.at(0), rows, w.out, w.in, d.ld, a.ld, w.in, o.d.info.Multiprocessors)
	}
	o.enqueue()
}

func (o *ops) SwiGLU(rows int, dst, x runners.Mat, rw runners.Weight) {
	w, d, a, ok := o.product(rows, dst, x, rw, 2*dst.Cols, "SwiGLU")
	if !ok || !((w.first == dst.Cols && d.t == o.t) || o.failf("SwiGLU: the weight is not a stack of two [%d, %d]", dst.Cols, x.Cols)) {
		return
	}
	if rows <= gemvRows {
		o.k.GemvSwiglu(&o.c, d.ptr, a.ptr, w.blk.at(0), rows, dst.Cols, w.in, d.ld, a.ld, w.in)
	} else {
		o.k.GemmSwiglu(&o.c, d.ptr, a.ptr, w.blk.at(0), rows, dst.Cols, w.in, d.ld, a.ld, w.in, o.d.info.Multiprocessors)
	}
	o.enqueue()
}

// product checks x [rows, in] times a weight [out, in], and counts it.
func (o *ops) product(rows int, dst, x runners.Mat, rw runners.Weight, out int, op string) (w *weight, d, a mat, ok bool) {
	w, ok = rw.(*weight)
	if o.err != nil || rows < 1 || !((ok && !w.vector && w.in == x.Cols && w.out == out) || o.failf("%s: [%d] times a weight into [%d]: the sizes do not fit", op, x.Cols, dst.Cols)) {
		return w, d, a, false
	}
	if d, ok = o.mat(dst, rows, op); !ok {
		return w, d, a, false
	}
	if a, ok = o.inner(x, rows, op); !ok || !o.aligned(op, w.in) {
		return w, d, a, false
	}
	*o.flops += 2 * int64(rows) * int64(w.in) * int64(w.out)
	return w, d, a, true
}

// aligned checks the sizes that the kernels for bfloat16 take in whole 16s.
func (o *ops) aligned(op string, n int) bool {
	return o.t == runners.F32 || n%16 == 0 || o.failf("%w: %s: %d is not a multiple of 16, which bfloat16 kernels need", runners.ErrUnsupported, op, n)
}
