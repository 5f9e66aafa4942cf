//go:build cuda

package cudasim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
)

const (
	realF32, realBF16    = 0, 14 // cudaDataType
	compute32F, noChoice = 68, -1
	mathMode             = 16 // CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION
	statusInvalid        = Status(7)
	statusNotSupported   = Status(15)
)

// blas makes a handle with a workspace.
func blas(t *testing.T, s *Sim, workspace, mode int) *CUBLAS {
	t.Helper()
	at, err := s.Alloc(8192)
	if err != nil {
		t.Fatal(err)
	}
	path, err := filepath.Abs(filepath.Join("..", "..", "bin", "cudasim", "libcublas.so.12"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.CUBLAS(path, nil, at, workspace, mode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if n := CUBLASHandles(); n != 0 {
			t.Errorf("%d handles are left", n)
		}
	})
	return b
}

// matrix uploads values [rows, cols] in column-major order, columns ld apart. The gaps between
// columns are not written.
func matrix(t *testing.T, s *Sim, kind, rows, cols, ld int, value func(i, j int) float32) CUBLASMatrix {
	t.Helper()
	size := 4
	if kind == realBF16 {
		size = 2
	}
	at, err := s.Alloc(size * ((cols-1)*ld + rows))
	if err != nil {
		t.Fatal(err)
	}
	for j := 0; value != nil && j < cols; j++ {
		var b []byte
		for i := range rows {
			bits := math.Float32bits(value(i, j))
			if b = binary.LittleEndian.AppendUint32(b, bits); kind == realBF16 {
				b = append(b[:len(b)-4], b[len(b)-2:]...)
			}
		}
		if err := s.Write(at+uint64(size*j*ld), b); err != nil {
			t.Fatal(err)
		}
	}
	return CUBLASMatrix{at, kind, ld}
}

// element reads one value.
func element(t *testing.T, s *Sim, m CUBLASMatrix, i, j int) float64 {
	t.Helper()
	b := make([]byte, 4)
	if m.Type == realBF16 {
		if err := s.Read(b[2:], m.At+uint64(2*(j*m.LD+i))); err != nil {
			t.Fatal(err)
		}
	} else if err := s.Read(b, m.At+uint64(4*(j*m.LD+i))); err != nil {
		t.Fatal(err)
	}
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
}

// eighth returns random multiples of 1/8 between -2 and 2, whose products and sums are exact in
// float32 here.
func eighth(r *rand.Rand) func(int, int) float32 {
	return func(int, int) float32 { return float32(r.IntN(33)-16) / 8 }
}

// TestCUBLASProducts compares products of every combination of types, with leading dimensions
// larger than necessary, with a plain loop.
func TestCUBLASProducts(t *testing.T) {
	for _, c := range []struct{ in, out int }{{realF32, realF32}, {realBF16, realBF16}, {realBF16, realF32}} {
		for _, beta := range []float32{0, 1} {
			t.Run(fmt.Sprintf("%d to %d, beta %g", c.in, c.out, beta), func(t *testing.T) {
				s := use(t)
				b, r := blas(t, s, 8192, mathMode), rand.New(rand.NewPCG(1, 2))
				const m, n, k = 7, 5, 11
				var base func(int, int) float32
				if beta == 1 { // c need not be initialized if it is overwritten
					base = eighth(r)
				}
				a, x, out := matrix(t, s, c.in, k, m, 13, eighth(r)), matrix(t, s, c.in, k, n, 17, eighth(r)), matrix(t, s, c.out, m, n, 9, base)
				var want [m][n]float64
				for i := range m {
					for j := range n {
						if base != nil {
							want[i][j] = element(t, s, out, i, j)
						}
						for l := range k {
							want[i][j] += element(t, s, a, l, i) * element(t, s, x, l, j)
						}
					}
				}
				if err := b.Gemm(Gemm{TransA: true, M: m, N: n, K: k, Alpha: 1, Beta: beta, A: a, X: x, C: out, Compute: compute32F, Algorithm: noChoice}); err != nil {
					t.Fatal(err)
				}
				if err := s.Sync(); err != nil {
					t.Fatal(err, s.Findings())
				}
				for i := range m {
					for j := range n {
						got, tol := element(t, s, out, i, j), 0.0
						if c.out == realBF16 {
							tol = 0x1p-8 * math.Abs(want[i][j])
						}
						if !(math.Abs(got-want[i][j]) <= tol) {
							t.Errorf("row %d, column %d is %g, want %g", i, j, got, want[i][j])
						}
					}
				}
				// Nothing was written between the columns of c.
				size := map[int]int{realF32: 4, realBF16: 2}[c.out]
				if err := launch(t, s, kernel("sm_80", 1, 1, fmt.Sprintf("ld.global.b16 %%h0, [%%p0+%d];", size*m)), 1, 1, 0, out.At); err == nil {
					t.Error("a gap between the columns of c was written")
				}
				s.Reset()
			})
		}
	}
}

// TestCUBLASRefusals: unsupported requests are rejected, and invalid ones are detected.
func TestCUBLASRefusals(t *testing.T) {
	const m, n, k = 4, 3, 8
	for name, c := range map[string]struct {
		change          func(g *Gemm)
		workspace, mode int
		want            error
	}{
		"as the runner does":    {func(*Gemm) {}, 8192, mathMode, nil},
		"a not transposed":      {func(g *Gemm) { g.TransA = false }, 8192, mathMode, statusNotSupported},
		"b transposed":          {func(g *Gemm) { g.TransB = true }, 8192, mathMode, statusNotSupported},
		"alpha 2":               {func(g *Gemm) { g.Alpha = 2 }, 8192, mathMode, statusNotSupported},
		"beta a half":           {func(g *Gemm) { g.Beta = 0.5 }, 8192, mathMode, statusNotSupported},
		"sums in float16":       {func(g *Gemm) { g.Compute = 64 }, 8192, mathMode, statusNotSupported},
		"an algorithm":          {func(g *Gemm) { g.Algorithm = 3 }, 8192, mathMode, statusNotSupported},
		"types that differ":     {func(g *Gemm) { g.A.Type = realBF16 }, 8192, mathMode, statusNotSupported},
		"float64":               {func(g *Gemm) { g.A.Type, g.X.Type, g.C.Type = 1, 1, 1 }, 8192, mathMode, statusNotSupported},
		"bfloat16 from float32": {func(g *Gemm) { g.C.Type = realBF16 }, 8192, mathMode, statusNotSupported},
		"no workspace":          {func(*Gemm) {}, 0, mathMode, statusNotSupported},
		"the default math mode": {func(*Gemm) {}, 8192, 0, statusNotSupported},
		"a's columns too close": {func(g *Gemm) { g.A.LD = k - 1 }, 8192, mathMode, statusInvalid},
		"b's columns too close": {func(g *Gemm) { g.X.LD = k - 1 }, 8192, mathMode, statusInvalid},
		"c's columns too close": {func(g *Gemm) { g.C.LD = m - 1 }, 8192, mathMode, statusInvalid},
		"a negative number":     {func(g *Gemm) { g.N = -1 }, 8192, mathMode, statusInvalid},
		"a read after a":        {func(g *Gemm) { g.A.LD++ }, 8192, mathMode, Result(illegalAddress)},
		"a read after b":        {func(g *Gemm) { g.X.LD++ }, 8192, mathMode, Result(illegalAddress)},
		"a write after c":       {func(g *Gemm) { g.C.LD++ }, 8192, mathMode, Result(illegalAddress)},
		"a sum with no c":       {func(g *Gemm) { g.Beta = 1 }, 8192, mathMode, Result(illegalAddress)},
		"a workspace too large": {func(*Gemm) {}, 16384, mathMode, Result(illegalAddress)},
	} {
		t.Run(name, func(t *testing.T) {
			s, r := use(t), rand.New(rand.NewPCG(1, 3))
			b := blas(t, s, c.workspace, c.mode)
			g := Gemm{TransA: true, M: m, N: n, K: k, Alpha: 1, Compute: compute32F, Algorithm: noChoice,
				A: matrix(t, s, realF32, k, m, k, eighth(r)), X: matrix(t, s, realF32, k, n, k, eighth(r)), C: matrix(t, s, realF32, m, n, m, nil)}
			c.change(&g)
			err := errors.Join(b.Gemm(g), s.Sync())
			if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v, want %v; %q", err, c.want, s.Findings())
			}
			if _, fault := c.want.(Result); fault && (len(s.Findings()) != 1 || !strings.Contains(s.Findings()[0], "cublasGemmEx")) {
				t.Errorf("findings: %q", s.Findings())
			}
			s.Reset()
		})
	}
}
