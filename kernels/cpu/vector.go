package cpu

import (
	"math"
	"unsafe"
)

// The vector kernels in plain Go define what each kernel computes. All take time linear in their
// arguments; none requires alignment, n must not be negative, and a number of rows must be at least
// 1.

// floatsAt returns n values of row i of rows that are ld bytes apart.
func floatsAt(p *float32, ld, i, n int) []float32 {
	return unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(p), i*ld)), n)
}

// RMSRows: f[i] = 1 / sqrt(mean of the squares of row i of x + eps), rows of n >= 1 values.
func goRMSRows(f, x *float32, ldx, rows, n int, eps float32) {
	for i, fs := 0, unsafe.Slice(f, rows); i < rows; i++ {
		var s [4]float32
		for j, v := range floatsAt(x, ldx, i, n) {
			s[j&3] += v * v
		}
		sum := (s[0] + s[1]) + (s[2] + s[3])
		fs[i] = float32(1 / math.Sqrt(float64(sum)/float64(n)+float64(eps)))
	}
}

// MaxRow returns the largest value of x, -Inf if n is 0. NaN may be ignored.
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

// NormRows: dst[i] = x[i] f[i] w for rows of n values.
func goNormRows(dst *float32, ldd int, x *float32, ldx int, w *float32, rows, n int, f *float32) {
	ws := unsafe.Slice(w, n)
	for i, v := range unsafe.Slice(f, rows) {
		d, xs := floatsAt(dst, ldd, i, n), floatsAt(x, ldx, i, n)
		for j := range d {
			d[j] = xs[j] * v * ws[j]
		}
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

// SiluRows: dst[i] = g[i]/(1+exp(-g[i])) x[i] f[i] for rows of n values. fstep is the stride of f
// in bytes, 0 for one common factor. dst may be g or x.
func goSiluRows(dst *float32, ldd int, g *float32, ldg int, x *float32, ldx, rows, n int, f *float32, fstep int) {
	for i := range rows {
		d, gs, xs, v := floatsAt(dst, ldd, i, n), floatsAt(g, ldg, i, n), floatsAt(x, ldx, i, n), floatsAt(f, fstep, i, 1)[0]
		for j := range d {
			d[j] = gs[j] / (1 + Exp(-gs[j])) * (xs[j] * v)
		}
	}
}

// The tanh approximation of GELU is g sigmoid(-g (gelu1 + gelu3 g²)).
const (
	gelu1 = float32(-2 * 0.7978845608028654) // sqrt(2/pi)
	gelu3 = float32(-2 * 0.7978845608028654 * 0.044715)
)

// GeluRows is SiluRows with the tanh approximation of GELU, g sigmoid(2 sqrt(2/pi) (g + 0.044715
// g³)), instead of g sigmoid(g).
func goGeluRows(dst *float32, ldd int, g *float32, ldg int, x *float32, ldx, rows, n int, f *float32, fstep int) {
	for i := range rows {
		d, gs, xs, v := floatsAt(dst, ldd, i, n), floatsAt(g, ldg, i, n), floatsAt(x, ldx, i, n), floatsAt(f, fstep, i, 1)[0]
		for j := range d {
			z := gs[j] * (gelu1 + gelu3*(gs[j]*gs[j]))
			d[j] = gs[j] / (1 + Exp(z)) * (xs[j] * v)
		}
	}
}

// SoftCap replaces x by cap tanh(x / cap) = cap - 2 cap / (1 + exp(2 x / cap)).
func goSoftCap(x *float32, n int, cap float32) {
	xs := unsafe.Slice(x, n)
	for i, v := range xs {
		xs[i] = cap - 2*cap/(1+Exp(v*(2/cap)))
	}
}

// LogSigmoid replaces x by log(1/(1+exp(-x))) = min(x, 0) - log1p(exp(-|x|)), where
// log1p(t) = 2 artanh(s) = 2 (s + s³/3 + s⁵/5 + ...), s = t/(2+t) <= 1/3, to s¹³/13.
func goLogSigmoid(x *float32, n int) {
	xs := unsafe.Slice(x, n)
	for i, v := range xs {
		t := Exp(-max(v, -v))
		s := t / (2 + t)
		q := s * s
		p := float32(1.0 / 13)
		for k := 11; k >= 1; k -= 2 {
			p = p*q + 1/float32(k)
		}
		xs[i] = min(v, 0) - (s+s)*p
	}
}

// LogSigmoidBound is the largest relative error of LogSigmoid in any tier, for x of at most 87;
// above that, where the exponential underflows, the result is 0. It is the sum of ExpBound for t,
// which s and the logarithm do not amplify; three roundings in s; the truncation of the series,
// 2/15 3^-14 < 3e-8; and about 4 more roundings.
const LogSigmoidBound = ExpBound + 3e-8 + 7*6e-8

// DecayRow: p *= exp(x0 - x), where each x is given as a sum hi + lo, so that the difference of two
// large neighbors keeps its precision.
func goDecayRow(p, hi, lo *float32, n int, hi0, lo0 float32) {
	ps, hs, ls := unsafe.Slice(p, n), unsafe.Slice(hi, n), unsafe.Slice(lo, n)
	for i := range ps {
		ps[i] *= Exp((hi0 - hs[i]) + (lo0 - ls[i]))
	}
}

// ScaleRows: dst[i] = src[i] f[i] for rows of n values. fstep is the stride of f in bytes, 0 for
// one common factor. dst may be src.
func goScaleRows(dst *float32, ldd int, src *float32, lds, rows, n int, f *float32, fstep int) {
	for i := range rows {
		goScale((*float32)(unsafe.Add(unsafe.Pointer(dst), i*ldd)), (*float32)(unsafe.Add(unsafe.Pointer(src), i*lds)),
			n, *(*float32)(unsafe.Add(unsafe.Pointer(f), i*fstep)))
	}
}

// RopeInterleaved rotates the pairs (2i, 2i+1) of rows of n values and scales them: x' = (x c +
// swapped(x) s) scale. A row of t is c, with each cosine twice, followed by s, with -sin, +sin; its
// stride may be 0. n is even.
func goRopeInterleaved(x *float32, ldx int, t *float32, ldt, rows, n int, scale float32) {
	for r := range rows {
		xs, ts := floatsAt(x, ldx, r, n), floatsAt(t, ldt, r, 2*n)
		for i := 0; i < n; i += 2 {
			a, b := xs[i], xs[i+1]
			xs[i], xs[i+1] = (a*ts[i]+b*ts[n+i])*scale, (b*ts[i+1]+a*ts[n+i+1])*scale
		}
	}
}

// RopeHalf is RopeInterleaved for the pairs (i, i+n) of rows of 2n values; a row
// of t is n cosines and n sines.
func goRopeHalf(x *float32, ldx int, t *float32, ldt, rows, n int, scale float32) {
	for r := range rows {
		xs, ts := floatsAt(x, ldx, r, 2*n), floatsAt(t, ldt, r, 2*n)
		for i := range n {
			a, b := xs[i], xs[i+n]
			xs[i], xs[i+n] = (a*ts[i]-b*ts[n+i])*scale, (b*ts[i]+a*ts[n+i])*scale
		}
	}
}

// SoftmaxCols is one step of the online softmax over n rows of NR scores, where each lane is a
// query: with m' = max(m, the rows), alpha = exp(m - m'), the rows become exp(row - m') and l
// becomes l alpha + their sum. The initial m must be finite (use MaskedMax). It returns 0 if every
// alpha is 1.
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

// MaskedMax is the initial value of a running maximum: below every score, but finite, so that a
// query that has seen no key gets exp(-Inf - MaskedMax) = 0 and not NaN.
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

// PairRows rounds rows of n values to bfloat16 and interleaves pairs of rows: row i of dst has row
// 2i of x in the low halves and row 2i+1 in the high halves. rows counts rows of dst. (Rounding of
// denormals: see RoundRow.)
func goPairRows(dst *uint32, ldd int, x *float32, ldx, rows, n int) {
	for i := range rows {
		d := unsafe.Slice((*uint32)(unsafe.Add(unsafe.Pointer(dst), i*ldd)), n)
		a, b := floatsAt(x, ldx, 2*i, n), floatsAt(x, ldx, 2*i+1, n)
		for j := range d {
			d[j] = uint32(BF16(a[j])) | uint32(BF16(b[j]))<<16
		}
	}
}

// WidenPairs reverses PairRows for one row: a gets the low halves, b the high halves.
func goWidenPairs(a, b *float32, src *uint32, n int) {
	as, bs, s := unsafe.Slice(a, n), unsafe.Slice(b, n), unsafe.Slice(src, n)
	for i := range s {
		as[i], bs[i] = widen(s[i])
	}
}

// RoundRow rounds x to bfloat16, to nearest, ties to even; NaN stays NaN. n is a multiple of 16. In
// a tier with Dot kernels, which treat denormals as zero, rounding may do so too.
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

// Touch reads n bytes, a multiple of 256, and returns a value that depends on them. It is used to
// measure memory bandwidth and to prefetch.
func goTouch(p unsafe.Pointer, n int) (x uint64) {
	for _, v := range unsafe.Slice((*[4]uint64)(p), n/32) {
		x |= v[0] | v[1] | v[2] | v[3]
	}
	return x
}

// BF16 returns the bfloat16 nearest to v, ties to even; NaN stays NaN.
func BF16(v float32) uint16 {
	b := math.Float32bits(v)
	if v != v {
		return 0x7fc0
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// Widen16 returns the value of a bfloat16.
func Widen16(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

func widen(w uint32) (lo, hi float32) {
	return math.Float32frombits(w << 16), math.Float32frombits(w & 0xffff0000)
}

// The bounds of Exp: below expLow the result is 0, above expHigh it is exp(expHigh).
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

// ExpBound is the largest relative error of Exp in any tier, for results that are normal numbers
// (tested over every binade and at random).
const ExpBound = 2.5e-7
