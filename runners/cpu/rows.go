package cpu

import (
	"unsafe"

	"github.com/yocobench/yocobench/runners"
)

// rowJob is an operation other than a product that works on each row separately.
type rowJob struct {
	// run processes rows r0..r0+n-1; f is scratch.
	run    func(o *ops, j *rowJob, r0, n int, f []float32)
	dst, x mat
	w      []float32
	eps    float32 // the epsilon of a norm, or the bound of SoftCap
	heads  int
}

// rows adds an operation to the chain. It needs perRow floats of scratch for each row, and at least
// fixed.
func (o *ops) rows(rows int, j rowJob, perRow, fixed int) {
	l := o.enqueue(rows)
	l.row = j
	o.chain.scratch = max(o.chain.scratch, o.chain.group*perRow, fixed)
	if rows <= o.k.MR {
		o.flush()
	}
}

// rowsOf checks the operands of an operation on rows: dst and x have the same width, which is n
// times that of the vector w. If the operation has no vector, w is nil and n is 0.
func (o *ops) rowsOf(op string, rows int, dst, x runners.Mat, rw runners.Weight, n int) (j rowJob, ok bool) {
	if o.err != nil || rows < 1 {
		return j, false
	}
	if n > 0 {
		w, isWeight := rw.(*weight)
		if !((isWeight && len(w.vec) > 0 && len(w.vec)*n == x.Cols) || o.failf("%s: [%d] with a vector of another size", op, x.Cols)) {
			return j, false
		}
		j.w = w.vec
	}
	if !(dst.Cols == x.Cols || o.failf("%s: [%d] to [%d]: the sizes do not fit", op, x.Cols, dst.Cols)) {
		return j, false
	}
	var ok1, ok2 bool
	j.dst, ok1 = o.mat(dst, rows, op)
	j.x, ok2 = o.mat(x, rows, op)
	return j, ok1 && ok2
}

func (o *ops) RMSNorm(rows int, dst, x runners.Mat, w runners.Weight, eps float32) {
	if j, ok := o.rowsOf("RMSNorm", rows, dst, x, w, 1); ok {
		j.run, j.eps = normRows, eps
		o.rows(rows, j, 1, 0)
	}
}

func normRows(o *ops, j *rowJob, r0, n int, f []float32) {
	o.k.RMSRows(&f[0], j.x.row(r0), j.x.ld, n, j.x.cols, j.eps)
	o.k.NormRows(j.dst.row(r0), j.dst.ld, j.x.row(r0), j.x.ld, &j.w[0], n, j.x.cols, &f[0])
}

// AddNorm leaves the normed rows in x.
func (o *ops) AddNorm(rows int, dst, x runners.Mat, w runners.Weight, eps float32) {
	if j, ok := o.rowsOf("AddNorm", rows, dst, x, w, 1); ok {
		j.run, j.eps = addNormRows, eps
		o.rows(rows, j, 1, 0)
	}
}

func addNormRows(o *ops, j *rowJob, r0, n int, f []float32) {
	inPlace := *j
	inPlace.dst = j.x
	normRows(o, &inPlace, r0, n, f)
	for r := r0; r < r0+n; r++ {
		o.k.Axpy(j.dst.row(r), j.x.row(r), j.x.cols, 1)
	}
}

func (o *ops) HeadNorm(rows int, x runners.Mat, heads int, w runners.Weight, eps float32) {
	if o.err != nil || !(heads > 0 || o.failf("HeadNorm of %d heads", heads)) {
		return
	}
	if j, ok := o.rowsOf("HeadNorm", rows, x, x, w, heads); ok {
		j.run, j.eps, j.heads = headNormRows, eps, heads
		o.rows(rows, j, 0, heads)
	}
}

func headNormRows(o *ops, j *rowJob, r0, n int, f []float32) {
	hd := len(j.w)
	for r := r0; r < r0+n; r++ {
		x := j.x.row(r)
		o.k.RMSRows(&f[0], x, 4*hd, j.heads, hd, j.eps)
		o.k.NormRows(x, 4*hd, x, 4*hd, &j.w[0], j.heads, hd, &f[0])
	}
}

func (o *ops) AddBias(rows int, x runners.Mat, b runners.Weight) {
	if j, ok := o.rowsOf("AddBias", rows, x, x, b, 1); ok {
		j.run = biasRows
		o.rows(rows, j, 0, 0)
	}
}

func biasRows(o *ops, j *rowJob, r0, n int, _ []float32) {
	for r := r0; r < r0+n; r++ {
		o.k.Axpy(j.x.row(r), &j.w[0], len(j.w), 1)
	}
}

func (o *ops) Copy(rows int, dst, x runners.Mat) {
	if j, ok := o.rowsOf("Copy", rows, dst, x, nil, 0); ok {
		j.run = func(_ *ops, j *rowJob, r0, n int, _ []float32) {
			copyRows(unsafe.Pointer(j.dst.row(r0)), j.dst.ld, unsafe.Pointer(j.x.row(r0)), j.x.ld, n, j.x.cols)
		}
		o.rows(rows, j, 0, 0)
	}
}

func (o *ops) SoftCap(rows int, x runners.Mat, cap float32) {
	if j, ok := o.rowsOf("SoftCap", rows, x, x, nil, 0); ok {
		j.run, j.eps = softCapRows, cap
		o.rows(rows, j, 0, 0)
	}
}

func softCapRows(o *ops, j *rowJob, r0, n int, _ []float32) {
	for r := r0; r < r0+n; r++ {
		o.k.SoftCap(j.x.row(r), j.x.cols, j.eps)
	}
}

// copyRows copies n 32-bit words of each of rows rows; strides are in bytes.
func copyRows(dst unsafe.Pointer, ldd int, src unsafe.Pointer, lds, rows, n int) {
	for r := range rows {
		copy(unsafe.Slice((*uint32)(unsafe.Add(dst, r*ldd)), n), unsafe.Slice((*uint32)(unsafe.Add(src, r*lds)), n))
	}
}

// transpose writes dst[j][i] = src[i][j] of 32-bit words for i < rows, j < cols; strides are in
// bytes.
func (o *ops) transpose(dst unsafe.Pointer, ldd int, src unsafe.Pointer, lds, rows, cols int) {
	r8, c8 := rows&^7, cols&^7
	if r8 > 0 && c8 > 0 {
		o.k.Transpose8((*float32)(dst), ldd, (*float32)(src), lds, r8, c8)
	}
	for i := range rows {
		j := 0
		if i < r8 {
			j = c8
		}
		for ; j < cols; j++ {
			*(*uint32)(unsafe.Add(dst, j*ldd+4*i)) = *(*uint32)(unsafe.Add(src, i*lds+4*j))
		}
	}
}
