package cpu

import (
	"unsafe"

	"github.com/yocobench/yocobench/runners"
)

// rowJob is an RMSNorm of rows.
type rowJob struct {
	dst, x mat
	w      []float32
	eps    float32
}

func (o *ops) RMSNorm(rows int, dst, x runners.Mat, rw runners.Weight, eps float32) {
	w, ok := rw.(*weight)
	if o.err != nil || !((ok && len(w.vec) == x.Cols && dst.Cols == x.Cols) || o.failf("RMSNorm: [%d] to [%d]: the sizes do not fit", x.Cols, dst.Cols)) {
		return
	}
	d, ok1 := o.mat(dst, rows, "RMSNorm")
	a, ok2 := o.mat(x, rows, "RMSNorm")
	if !ok1 || !ok2 || rows < 1 {
		return
	}
	l := o.enqueue(rows)
	l.norm, l.row = true, rowJob{d, a, w.vec, eps}
	o.chain.scratch = max(o.chain.scratch, o.chain.group)
	if rows <= o.k.MR {
		o.flush()
	}
}

// normRows normalizes rows r0..r0+n-1; f is scratch of n floats.
func (o *ops) normRows(j *rowJob, r0, n int, f []float32) {
	o.k.RMSRows(&f[0], j.x.row(r0), j.x.ld, n, j.x.cols, j.eps)
	o.k.NormRows(j.dst.row(r0), j.dst.ld, j.x.row(r0), j.x.ld, &j.w[0], n, j.x.cols, &f[0])
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
