package cpu

import (
	"math"
	"unsafe"
)

// The vector kernels in plain Go: the definition of what each computes. All
// are linear in their arguments; none needs alignment, none may be given n < 0,
// and a count of rows must be at least 1.

// SumSquares is Σ x².
func goSumSquares(x *float32, n int) float32 {
	var s [4]float32
	for i, v := range unsafe.Slice(x, n) {
		s[i&3] += v * v
	}
	return (s[0] + s[1]) + (s[2] + s[3])
}

// MaxRow is the largest of x, -Inf where n is 0. NaN may be passed over.
func goMaxRow(x *float32, n int) float32 {
	m := float32(math.Inf(-1))
	for _, v := range unsafe.Slice(x, n) {
		m = max(m, v)
	}
	return m
}

// ExpRow replaces x by exp(x-m) and returns the sum.
func goExpRow(x *float32, n int, m float32) float32 {
	var s [4]float32
	xs := unsafe.Slice(x, n)
	for i, v := range xs {
		e := Exp(v - m)
		xs[i] = e
		s[i&3] += e
	}
	return (s[0] + s[1]) + (s[2] + s[3])
}

// NormScale: dst = x s w.
func goNormScale(dst, x, w *float32, n int, s float32) {
	d, xs, ws := unsafe.Slice(dst, n), unsafe.Slice(x, n), unsafe.Slice(w, n)
	for i := range d {
		d[i] = xs[i] * s * ws[i]
	}
}

// Scale: dst = x s.
func goScale(dst, x *float32, n int, s float32) {
	d, xs := unsafe.Slice(dst, n), unsafe.Slice(x, n)
	for i := range d {
		d[i] = xs[i] * s
	}
}

// Axpy: dst += x s.
func goAxpy(dst, x *float32, n int, s float32) {
	d, xs := unsafe.Slice(dst, n), unsafe.Slice(x, n)
	for i := range d {
		d[i] += xs[i] * s
	}
}

// SiluMul: dst = g/(1+exp(-g)) x s. dst may be g or x.
func goSiluMul(dst, g, x *float32, n int, s float32) {
	d, gs, xs := unsafe.Slice(dst, n), unsafe.Slice(g, n), unsafe.Slice(x, n)
	for i := range d {
		d[i] = gs[i] / (1 + Exp(-gs[i])) * (xs[i] * s)
	}
}

// DecayRow: p *= exp(x0 - x), where each x is given as a sum hi + lo, so that
// the difference of two large neighbours keeps its digits.
func goDecayRow(p, hi, lo *float32, n int, hi0, lo0 float32) {
	ps, hs, ls := unsafe.Slice(p, n), unsafe.Slice(hi, n), unsafe.Slice(lo, n)
	for i := range ps {
		ps[i] *= Exp((hi0 - hs[i]) + (lo0 - ls[i]))
	}
}

// ScaleRows: dst[i] = src[i] f[i] for rows of n values; fstep is the stride of
// f in bytes, 0 for one factor. dst may be src.
func goScaleRows(dst *float32, ldd int, src *float32, lds, rows, n int, f *float32, fstep int) {
	for i := range rows {
		goScale((*float32)(unsafe.Add(unsafe.Pointer(dst), i*ldd)), (*float32)(unsafe.Add(unsafe.Pointer(src), i*lds)),
			n, *(*float32)(unsafe.Add(unsafe.Pointer(f), i*fstep)))
	}
}

// RopeInterleaved rotates the pairs (2i, 2i+1) of x: x' = x c + swapped(x) s,
// with each cosine twice in c and -sin, +sin in s. n is even.
func goRopeInterleaved(x, c, s *float32, n int) {
	xs, cs, ss := unsafe.Slice(x, n), unsafe.Slice(c, n), unsafe.Slice(s, n)
	for i := 0; i < n; i += 2 {
		a, b := xs[i], xs[i+1]
		xs[i], xs[i+1] = a*cs[i]+b*ss[i], b*cs[i+1]+a*ss[i+1]
	}
}

// RopeHalf rotates the pairs (i, i+n) of the 2n values at x by the n cosines and sines.
func goRopeHalf(x, c, s *float32, n int) {
	as, bs := unsafe.Slice(x, n), unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(x), 4*n)), n)
	cs, ss := unsafe.Slice(c, n), unsafe.Slice(s, n)
	for i := range as {
		a, b := as[i], bs[i]
		as[i], bs[i] = a*cs[i]-b*ss[i], b*cs[i]+a*ss[i]
	}
}

// SoftmaxCols is one step of the online softmax over n rows of NR scores, each
// lane a query: with m' = max(m, the rows), alpha = exp(m - m'), the rows
// become exp(row - m') and l becomes l alpha + their sum. m must be finite at
// first (use MaskedMax). It returns 0 where every alpha is 1.
func goSoftmaxCols(s *float32, n int, m, l, alpha *float32) int {
	rows := unsafe.Slice(s, n*goNR)
	ms, ls, as := unsafe.Slice(m, goNR), unsafe.Slice(l, goNR), unsafe.Slice(alpha, goNR)
	changed := 0
	for j := range goNR {
		best := ms[j]
		for i := j; i < len(rows); i += goNR {
			best = max(best, rows[i])
		}
		as[j] = Exp(ms[j] - best)
		if as[j] != 1 {
			changed = 1
		}
		ms[j] = best
		ls[j] *= as[j]
	}
	for i := range rows {
		j := i % goNR
		rows[i] = Exp(rows[i] - ms[j])
		ls[j] += rows[i]
	}
	return changed
}

// MaskedMax is where a running maximum begins: below every score, yet finite,
// so that a query that has seen no key gets exp(-Inf - MaskedMax) = 0 and not NaN.
const MaskedMax = -1e30

// ScaleCols multiplies n rows of NR values by the lanes of alpha.
func goScaleCols(o *float32, n int, alpha *float32) {
	rows, as := unsafe.Slice(o, n*goNR), unsafe.Slice(alpha, goNR)
	for i := range rows {
		rows[i] *= as[i%goNR]
	}
}

// RetainStep is one token of gated retention on a state S [rows, n]:
// S = gamma S + k vᵀ, o = Sᵀ q; k and q have rows values, v and o have n.
func goRetainStep(s *float32, rows, n int, k, v, q, o *float32, gamma float32) {
	ks, qs := unsafe.Slice(k, rows), unsafe.Slice(q, rows)
	vs, os := unsafe.Slice(v, n), unsafe.Slice(o, n)
	clear(os)
	for i := range ks {
		row := unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(s), 4*i*n)), n)
		for j := range row {
			row[j] = row[j]*gamma + ks[i]*vs[j]
			os[j] += row[j] * qs[i]
		}
	}
}

// PairRows rounds a and b to bfloat16 and interleaves them: dst[i] = a[i] low, b[i] high.
func goPairRows(dst *uint32, a, b *float32, n int) {
	d, as, bs := unsafe.Slice(dst, n), unsafe.Slice(a, n), unsafe.Slice(b, n)
	for i := range d {
		d[i] = uint32(BF16(as[i])) | uint32(BF16(bs[i]))<<16
	}
}

// WidenPairs undoes PairRows.
func goWidenPairs(a, b *float32, src *uint32, n int) {
	as, bs, s := unsafe.Slice(a, n), unsafe.Slice(b, n), unsafe.Slice(src, n)
	for i := range s {
		as[i], bs[i] = widen(s[i])
	}
}

// RoundRow rounds x to bfloat16. n is a multiple of 16.
func goRoundRow(dst *uint16, x *float32, n int) {
	d, xs := unsafe.Slice(dst, n), unsafe.Slice(x, n)
	for i := range d {
		d[i] = BF16(xs[i])
	}
}

// Transpose8: dst[j][i] = src[i][j] for i < rows, j < cols, both multiples of 8.
func goTranspose8(dst *float32, ldd int, src *float32, lds, rows, cols int) {
	for i := range rows {
		s := unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(src), i*lds)), cols)
		for j, v := range s {
			*(*float32)(unsafe.Add(unsafe.Pointer(dst), j*ldd+4*i)) = v
		}
	}
}

// Touch reads n bytes, a multiple of 256, and returns something of them: it measures the memory.
func goTouch(p unsafe.Pointer, n int) (x uint64) {
	for _, v := range unsafe.Slice((*[4]uint64)(p), n/32) {
		x |= v[0] | v[1] | v[2] | v[3]
	}
	return x
}

// BF16 is v rounded to the nearest bfloat16, ties to even; NaN stays NaN.
func BF16(v float32) uint16 {
	b := math.Float32bits(v)
	if v != v {
		return 0x7fc0
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// Widen16 is the value of a bfloat16.
func Widen16(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

func widen(w uint32) (lo, hi float32) {
	return math.Float32frombits(w << 16), math.Float32frombits(w & 0xffff0000)
}

// The bounds of Exp: below expLow the result is 0, above expHigh it is that of expHigh.
var (
	expLow  = math.Float32frombits(0xc2aeac50) // -87.33655
	expHigh = math.Float32frombits(0x42b0c0a5) // 88.37626
)

// Exp is the exponential that every tier computes, within ExpBound:
//
//	n = round(x log2 e), r = x - n ln 2 in two steps, exp x = 2^n (1 + r (1 + r P(r)))
//
// with P of degree 5 (the coefficients of Cephes' expf). NaN stays NaN.
func Exp(x float32) float32 {
	if x < expLow {
		return 0
	}
	if x > expHigh {
		x = expHigh
	}
	n := float32(math.RoundToEven(float64(x * 1.44269504)))
	r := float32(x - float32(n*0.693359375))
	r = float32(r - float32(n*-2.12194440e-4))
	p := float32(1.9875691500e-4)
	p = p*r + 1.3981999507e-3
	p = p*r + 8.3334519073e-3
	p = p*r + 4.1665795894e-2
	p = p*r + 1.6666665459e-1
	p = p*r + 5.0000001201e-1
	p = p*r + 1
	p = p*r + 1
	if x != x {
		return x
	}
	return p * math.Float32frombits(uint32(int32(n)+127)<<23)
}

// ExpBound is the largest relative error of Exp in any tier, for results that
// are normal numbers (tested over every binade and at random).
const ExpBound = 2.5e-7
