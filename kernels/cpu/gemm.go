package cpu

import "unsafe"

// Gemm computes a tile of C = A B, or of C += A B if add is not 0:
//
//	C[i][j] = Σ A[i][p] B[p][j]    i < rows of the kernel, j < n <= NR, p < k
//	A[i][p] at a + i*rs + p*cs,  B[p][j] at b + p*ldb + 4j,  C[i][j] at c + i*ldc + 4j
//
// The strides are arbitrary, so A can be read by rows or by columns (a value of A is broadcast, so
// the order does not matter for speed), while B and C have the vector lanes along j. Each value of
// C is a single sum over p, in the order of p, whatever the number of rows: a row's result does not
// depend on other rows.
//
// A and B are float32 in the F32 kernels. In the Wide and Dot kernels B holds pairs of bfloat16
// along p, B[2p][j] in the low half of the 32-bit word and B[2p+1][j] in the high half, and k
// counts pairs. Wide converts them to float32: its A is float32 with cs = 4 and twice as many
// values along p. The A of Dot holds the same pairs of bfloat16; products are exact and sums are
// float32, with denormals treated as zero.
//
// Cost: 2 x rows x n x k FLOP (k in values). Each value of B read serves every row.
type Gemm func(c unsafe.Pointer, ldc int, a unsafe.Pointer, rs, cs int, b unsafe.Pointer, ldb, k, n, add int)

// Tiles is a Gemm of the Dot kind for any number of rows, with cs = 4 and k at least 1. Its order
// of summation differs (amx_amd64.go), but does not depend on the number of rows either. A few rows
// cost as much as 16.
type Tiles func(c unsafe.Pointer, ldc int, a unsafe.Pointer, rs int, b unsafe.Pointer, ldb, rows, k, n, add int)

// goMR and goNR are the tile sizes of the plain Go tier.
const goMR, goNR = 4, 16

func goGemm(rows int) Gemm {
	return func(c unsafe.Pointer, ldc int, a unsafe.Pointer, rs, cs int, b unsafe.Pointer, ldb, k, n, add int) {
		for i := range rows {
			goGemmRow(unsafe.Add(c, i*ldc), unsafe.Add(a, i*rs), cs, b, ldb, k, n, add)
		}
	}
}

// goGemmRow computes one row, eight columns at a time. It recomputes addresses for each p, because
// no pointer may be past the end of an object when the garbage collector runs.
func goGemmRow(c, a unsafe.Pointer, cs int, b unsafe.Pointer, ldb, k, n, add int) {
	out := unsafe.Slice((*float32)(c), n)
	j := 0
	for ; j+8 <= n; j += 8 {
		var s0, s1, s2, s3, s4, s5, s6, s7 float32
		for p := range k {
			x, y := *(*float32)(unsafe.Add(a, p*cs)), (*[8]float32)(unsafe.Add(b, p*ldb+4*j))
			s0 += x * y[0]
			s1 += x * y[1]
			s2 += x * y[2]
			s3 += x * y[3]
			s4 += x * y[4]
			s5 += x * y[5]
			s6 += x * y[6]
			s7 += x * y[7]
		}
		s := [8]float32{s0, s1, s2, s3, s4, s5, s6, s7}
		goStore(out[j:j+8], s[:], add)
	}
	for ; j < n; j++ {
		var s [1]float32
		for p := range k {
			s[0] += *(*float32)(unsafe.Add(a, p*cs)) * *(*float32)(unsafe.Add(b, p*ldb+4*j))
		}
		goStore(out[j:j+1], s[:], add)
	}
}

func goStore(out, s []float32, add int) {
	for i, v := range s {
		if add != 0 {
			v += out[i]
		}
		out[i] = v
	}
}

func goGemmWide(rows int) Gemm {
	return func(c unsafe.Pointer, ldc int, a unsafe.Pointer, rs, cs int, b unsafe.Pointer, ldb, k, n, add int) {
		for i := range rows {
			x := unsafe.Slice((*float32)(unsafe.Add(a, i*rs)), 2*k)
			goPairs(unsafe.Add(c, i*ldc), func(p int) (lo, hi float32) { return x[2*p], x[2*p+1] }, b, ldb, k, n, add)
		}
	}
}

// goGemmDot defines what the Dot kernels compute. The plain Go tier does not use it.
func goGemmDot(rows int) Gemm {
	return func(c unsafe.Pointer, ldc int, a unsafe.Pointer, rs, cs int, b unsafe.Pointer, ldb, k, n, add int) {
		for i := range rows {
			goPairs(unsafe.Add(c, i*ldc), func(p int) (lo, hi float32) {
				return widen(*(*uint32)(unsafe.Add(a, i*rs+p*cs)))
			}, b, ldb, k, n, add)
		}
	}
}

func goPairs(c unsafe.Pointer, a func(p int) (lo, hi float32), b unsafe.Pointer, ldb, k, n, add int) {
	var s [goNR * 2]float32
	for p := range k {
		lo, hi := a(p)
		for j, w := range unsafe.Slice((*uint32)(unsafe.Add(b, p*ldb)), n) {
			u, v := widen(w)
			s[j] += lo * u
			s[j] += hi * v
		}
	}
	goStore(unsafe.Slice((*float32)(c), n), s[:n], add)
}
