//go:build cuda

package cuda

import (
	"math"

	"github.com/yocobench/yocobench/runners"
)

// gemvRows is the largest number of rows for which the gemv kernels are used: reading the weights
// dominates their cost.
const gemvRows = 16

// gemm is a product c = a bᵀ: a [m, k], b [n, k], c [m, n]; strides are in elements.
type gemm struct {
	kind                   gemmKind
	c, a, b                uint64
	m, n, k, ldc, lda, ldb int
	act                    runners.Activation // of gemmGLU
}

// gemmKind selects the use of the product. The first three values are those of cublas.h.
type gemmKind int

const (
	gemmT   gemmKind = iota // c is of type T
	gemmF32                 // c is float32
	gemmAdd                 // added to c, float32
	gemmGLU                 // c is act(a b1ᵀ) * (a b2ᵀ) of type T, b1 being rows 0..n-1 of b and b2 rows n..2n-1
)

// activation is act(x) = x sigmoid(linear x + cubic x³).
type activation struct{ linear, cubic float32 }

// activations has GELU as (1 + tanh y) / 2 = sigmoid(2y).
var activations = map[runners.Activation]activation{
	runners.SiLU:     {1, 0},
	runners.GELUTanh: {gelu, gelu * 0.044715},
}

const gelu = 2 * math.Sqrt2 / math.SqrtPi

// of is act(x) in float64.
func (a activation) of(x float64) float64 {
	return x / (1 + math.Exp(-x*(float64(a.cubic)*x*x+float64(a.linear))))
}

func (k gemmKind) String() string {
	return [...]string{"gemm_t", "gemm_f32", "gemm_add", "gemm_glu"}[k]
}

func (o *ops) Linear(rows int, dst, x runners.Mat, rw runners.Weight) {
	w, d, a, ok := o.product(rows, dst, x, rw, dst.Cols, "Linear")
	if !ok {
		return
	}
	kind := gemmT
	if d.t != o.t { // in the float32 build the two are the same
		kind = gemmF32
	}
	o.multiply(gemm{kind: kind, c: d.ptr, a: a.ptr, b: w.blk.at(0), m: rows, n: w.out, k: w.in, ldc: d.ld, lda: a.ld, ldb: w.in})
}

func (o *ops) LinearAdd(rows int, dst, x runners.Mat, rw runners.Weight) {
	w, d, a, ok := o.product(rows, dst, x, rw, dst.Cols, "LinearAdd")
	if !ok || !(d.t == runners.F32 || o.failf("LinearAdd: onto a buffer of %s", d.t)) {
		return
	}
	o.multiply(gemm{kind: gemmAdd, c: d.ptr, a: a.ptr, b: w.blk.at(0), m: rows, n: w.out, k: w.in, ldc: d.ld, lda: a.ld, ldb: w.in})
}

// multiply enqueues a product, by the candidate chosen for its size.
func (o *ops) multiply(g gemm) {
	tile := 0
	if g.m > gemvRows {
		size := g.size()
		c := o.chosen[size]
		if c == nil {
			if c = o.choose(size, g); c == nil {
				return
			}
		}
		c.used = true
		tile = c.tile
	}
	if tile == byCUBLAS {
		o.viaCUBLAS(&g)
	} else {
		o.viaKernel(&g, tile)
	}
	o.enqueue()
}

// viaKernel fills o.c with a product by this project's kernels; for many rows, tile is an index of
// the kernel's tiles.
func (o *ops) viaKernel(g *gemm, tile int) {
	sms := o.d.info.Multiprocessors
	switch few := g.m <= gemvRows; {
	case g.kind == gemmT && few:
		o.k.GemvT(&o.c, g.c, g.a, g.b, g.m, g.n, g.k, g.ldc, g.lda, g.ldb)
	case g.kind == gemmT:
		o.k.GemmT(&o.c, tile, g.c, g.a, g.b, g.m, g.n, g.k, g.ldc, g.lda, g.ldb, sms)
	case g.kind == gemmF32 && few:
		o.k.GemvF32(&o.c, g.c, g.a, g.b, g.m, g.n, g.k, g.ldc, g.lda, g.ldb)
	case g.kind == gemmF32:
		o.k.GemmF32(&o.c, tile, g.c, g.a, g.b, g.m, g.n, g.k, g.ldc, g.lda, g.ldb, sms)
	case g.kind == gemmAdd && few:
		o.k.GemvAdd(&o.c, g.c, g.a, g.b, g.m, g.n, g.k, g.ldc, g.lda, g.ldb)
	case g.kind == gemmAdd:
		o.k.GemmAdd(&o.c, tile, g.c, g.a, g.b, g.m, g.n, g.k, g.ldc, g.lda, g.ldb, sms)
	case few:
		act := activations[g.act]
		o.k.GemvGlu(&o.c, g.c, g.a, g.b, g.m, g.n, g.k, g.ldc, g.lda, g.ldb, act.linear, act.cubic)
	default:
		act := activations[g.act]
		o.k.GemmGlu(&o.c, tile, g.c, g.a, g.b, g.m, g.n, g.k, g.ldc, g.lda, g.ldb, act.linear, act.cubic, sms)
	}
}

func (o *ops) GLU(rows int, dst, x runners.Mat, rw runners.Weight, act runners.Activation) {
	w, d, a, ok := o.product(rows, dst, x, rw, 2*dst.Cols, "GLU")
	if !ok || !(activations[act] != activation{} || o.failf("%w: a gate of %s", runners.ErrUnsupported, act)) || !((w.first == dst.Cols && d.t == o.t) || o.failf("GLU: the weight is not a stack of two [%d, %d]", dst.Cols, x.Cols)) {
		return
	}
	o.multiply(gemm{kind: gemmGLU, c: d.ptr, a: a.ptr, b: w.blk.at(0), m: rows, n: dst.Cols, k: w.in, ldc: d.ld, lda: a.ld, ldb: w.in, act: act})
}

// product checks x [rows, in] times a weight [out, in], and counts its FLOPs.
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

// aligned checks a size that the bfloat16 kernels need as a multiple of 16.
func (o *ops) aligned(op string, n int) bool {
	return o.t == runners.F32 || n%16 == 0 || o.failf("%w: %s: %d is not a multiple of 16, which bfloat16 kernels need", runners.ErrUnsupported, op, n)
}
