package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// eachTier runs f for every tier that this machine supports.
func eachTier(t *testing.T, f func(t *testing.T, k *Tier)) {
	for _, k := range Tiers() {
		t.Run(k.Name, func(t *testing.T) {
			if !k.Available() {
				t.Skipf("UNTESTED here: this machine lacks %s", k.Missing)
			}
			f(t, k)
		})
	}
}

var nan = float32(math.NaN())

// poisoned returns n values of NaN with n more on either side, to detect reads and writes out of
// bounds.
func poisoned(n int) []float32 {
	s := make([]float32, 3*n+64)
	for i := range s {
		s[i] = nan
	}
	return s[n+32 : 2*n+32 : 2*n+32]
}

func random(r *rand.Rand, n int) []float32 {
	s := poisoned(n)
	for i := range s {
		s[i] = float32(r.NormFloat64())
	}
	return s
}

// near fails unless |got - want| <= tol; NaN fails.
func near(t *testing.T, what string, got float32, want, tol float64) {
	t.Helper()
	if !(math.Abs(float64(got)-want) <= tol) {
		t.Fatalf("%s: got %g, want %g ± %g", what, got, want, tol)
	}
}

func TestGemm(t *testing.T) {
	eachTier(t, func(t *testing.T, k *Tier) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, depth := range []int{1, 2, 3, 15, 64, 65, 500} {
			if testing.Short() && depth != 3 && depth != 65 {
				continue
			}
			for m := 1; m <= k.MR; m++ {
				for n := 1; n <= k.NR; n++ {
					if depth > 3 && depth < 500 && n%5 != 0 && n != k.NR && n != 1 {
						continue
					}
					for kind := range 3 {
						testGemm(t, k, r, kind, m, n, depth)
					}
				}
			}
		}
	})
}

// testGemm checks one shape of the F32 (0), Wide (1) or Dot (2) kernel, with A read by rows and by
// columns.
func testGemm(t *testing.T, k *Tier, r *rand.Rand, kind, m, n, depth int) {
	t.Helper()
	table := [][]Gemm{k.F32, k.Wide, k.Dot}[kind]
	if kind == 2 && k.Name == "go" {
		table = gemms(goMR, goGemmDot) // the reference of the Dot kernels
	}
	if len(table) <= m {
		return
	}
	name := fmt.Sprintf("%s %dx%dx%d", []string{"F32", "Wide", "Dot"}[kind], m, n, depth)
	values := depth
	if kind > 0 {
		values = 2 * depth
	}
	a := make([]float64, m*values)
	b := make([]float64, values*n)
	round := func(v float32, yes bool) float32 {
		if yes {
			return Widen16(BF16(v))
		}
		return v
	}
	af, bf := make([]float32, len(a)), make([]float32, len(b))
	for i := range a {
		af[i] = round(float32(r.NormFloat64()), kind == 2)
		a[i] = float64(af[i])
	}
	for i := range b {
		bf[i] = round(float32(r.NormFloat64()), kind > 0)
		b[i] = float64(bf[i])
	}
	// B has a row stride larger than n, with NaN between the rows.
	ldb := n + r.IntN(5)
	bs := poisoned(depth * ldb)
	words := unsafe.Slice((*uint32)(unsafe.Pointer(&bs[0])), len(bs))
	for p := range depth {
		for j := range n {
			if kind == 0 {
				bs[p*ldb+j] = bf[p*n+j]
			} else {
				words[p*ldb+j] = uint32(BF16(bf[2*p*n+j])) | uint32(BF16(bf[(2*p+1)*n+j]))<<16
			}
		}
	}
	for _, byCols := range []bool{false, true} {
		rs, cs := depth+3, 1
		if kind == 1 {
			rs = values + 3
		}
		if byCols {
			if kind == 1 {
				continue
			}
			rs, cs = 1, m+2
		}
		as := poisoned(m*rs + depth*cs)
		aw := unsafe.Slice((*uint32)(unsafe.Pointer(&as[0])), len(as))
		for i := range m {
			for p := range depth {
				switch kind {
				case 0:
					as[i*rs+p*cs] = af[i*values+p]
				case 1:
					as[i*rs+2*p] = af[i*values+2*p]
					as[i*rs+2*p+1] = af[i*values+2*p+1]
				case 2:
					aw[i*rs+p*cs] = uint32(BF16(af[i*values+2*p])) | uint32(BF16(af[i*values+2*p+1]))<<16
				}
			}
		}
		for add := range 2 {
			ldc := n + 2
			c := poisoned(m * ldc)
			base := make([]float32, len(c))
			if add == 1 {
				for i := range m {
					for j := range n {
						base[i*ldc+j] = float32(r.NormFloat64())
						c[i*ldc+j] = base[i*ldc+j]
					}
				}
			}
			table[m](unsafe.Pointer(&c[0]), 4*ldc, unsafe.Pointer(&as[0]), 4*rs, 4*cs, unsafe.Pointer(&bs[0]), 4*ldb, depth, n, add)
			for i := range m {
				for j := range ldc {
					got := c[i*ldc+j]
					if j >= n {
						if got == got {
							t.Fatalf("%s: wrote column %d of row %d, outside the tile", name, j, i)
						}
						continue
					}
					want, size := float64(base[i*ldc+j]), 1.0
					for p := range values {
						want += a[i*values+p] * b[p*n+j]
						size += math.Abs(a[i*values+p] * b[p*n+j])
					}
					near(t, fmt.Sprintf("%s add %d (%d,%d)", name, add, i, j), got, want, 3e-7*size*math.Sqrt(float64(values)+1))
				}
			}
		}
	}
}

// TestTiles: ragged numbers of rows, columns and values, and denormals.
func TestTiles(t *testing.T) {
	eachTier(t, func(t *testing.T, k *Tier) {
		if k.Tiles == nil {
			t.Skip("this tier has no matrix registers")
		}
		r := rand.New(rand.NewPCG(13, 14))
		for _, rows := range []int{1, 3, 16, 17, 32, 33, 63, 64, 65, 500} {
			for _, n := range []int{1, 3, 15, 16, 17, 31, 32} {
				for _, depth := range []int{1, 3, 15, 16, 17, 63, 64, 65, 500} {
					if rows+depth < 500 && (rows < 65 || depth < 65) {
						testTiles(t, k, r, rows, n, depth)
					}
				}
			}
			testTiles(t, k, r, rows, 32, 500)
		}
		// A denormal is treated as zero, as a factor and as a sum.
		tiny := uint32(0x0040)                                               // a bfloat16
		for _, pair := range [][2]uint32{{tiny, 0x7f00}, {0x1f80, 0x1f80}} { // 2^-127 x 2^127, 2^-64 x 2^-64
			a, b, c := make([]uint32, 16), make([]uint32, 16), []float32{0}
			a[0], b[0] = pair[0], pair[1]
			k.Tiles(unsafe.Pointer(&c[0]), 4, unsafe.Pointer(&a[0]), 64, unsafe.Pointer(&b[0]), 4, 1, 16, 1, 0)
			if c[0] != 0 {
				t.Errorf("%#x x %#x is %g, want 0", pair[0], pair[1], c[0])
			}
		}
	})
}

// testTiles checks one shape; depth counts pairs. Memory outside the operands is NaN.
func testTiles(t *testing.T, k *Tier, r *rand.Rand, rows, n, depth int) {
	t.Helper()
	name := fmt.Sprintf("Tiles %dx%dx%d", rows, n, depth)
	pairs := func(rows, cols, ld int) (words []uint32, lo, hi func(i, j int) float64) {
		f := poisoned(rows * ld)
		words = unsafe.Slice((*uint32)(unsafe.Pointer(&f[0])), len(f))
		for i := range rows {
			for j := range cols {
				words[i*ld+j] = uint32(BF16(float32(r.NormFloat64()))) | uint32(BF16(float32(r.NormFloat64())))<<16
			}
		}
		return words, func(i, j int) float64 { x, _ := widen(words[i*ld+j]); return float64(x) },
			func(i, j int) float64 { _, x := widen(words[i*ld+j]); return float64(x) }
	}
	lda, ldb, ldc := depth+3, n+r.IntN(3), n+2
	a, alo, ahi := pairs(rows, depth, lda)
	b, blo, bhi := pairs(depth, n, ldb)
	for add := range 2 {
		c, base := poisoned(rows*ldc), make([]float32, rows*ldc)
		for i := range rows {
			for j := range n {
				if add == 1 {
					base[i*ldc+j] = float32(r.NormFloat64())
					c[i*ldc+j] = base[i*ldc+j]
				}
			}
		}
		k.Tiles(unsafe.Pointer(&c[0]), 4*ldc, unsafe.Pointer(&a[0]), 4*lda, unsafe.Pointer(&b[0]), 4*ldb, rows, depth, n, add)
		for i := range rows {
			for j := range ldc {
				if j >= n {
					if c[i*ldc+j] == c[i*ldc+j] {
						t.Fatalf("%s: wrote column %d of row %d, outside the tile", name, j, i)
					}
					continue
				}
				want, size := float64(base[i*ldc+j]), 1.0
				for p := range depth {
					x, y := alo(i, p)*blo(p, j), ahi(i, p)*bhi(p, j)
					want += x + y
					size += math.Abs(x) + math.Abs(y)
				}
				near(t, fmt.Sprintf("%s add %d (%d,%d)", name, add, i, j), c[i*ldc+j], want, 3e-7*size*math.Sqrt(float64(2*depth)+1))
			}
		}
		outside(t, name, c)
	}
}

// TestGemmRowsAlone: the bits of a row do not depend on how many rows are computed with it.
func TestGemmRowsAlone(t *testing.T) {
	eachTier(t, func(t *testing.T, k *Tier) {
		r := rand.New(rand.NewPCG(3, 4))
		const depth = 77
		a, b := random(r, k.MR*2*depth), random(r, depth*k.NR)
		for kind, table := range [][]Gemm{k.F32, k.Wide, k.Dot} {
			if kind == 2 && k.Tiles != nil {
				tilesRowsAlone(t, k, a, b)
			}
			for m := 1; m < len(table); m++ {
				all, one := poisoned(m*k.NR), poisoned(k.NR)
				run := func(m int, c []float32, a []float32) {
					table[m](unsafe.Pointer(&c[0]), 4*k.NR, unsafe.Pointer(&a[0]), 8*depth, 4, unsafe.Pointer(&b[0]), 4*k.NR, depth, k.NR, 0)
				}
				run(m, all, a)
				for i := range m {
					run(1, one, a[i*2*depth:])
					for j := range one {
						if math.Float32bits(one[j]) != math.Float32bits(all[i*k.NR+j]) {
							t.Fatalf("kind %d: row %d of %d rows differs from the row alone", kind, i, m)
						}
					}
				}
			}
		}
	})
}

func tilesRowsAlone(t *testing.T, k *Tier, a, b []float32) {
	t.Helper()
	const rows, depth = 9, 77
	all, one := poisoned(rows*k.NR), poisoned(k.NR)
	run := func(m int, c, a []float32) {
		k.Tiles(unsafe.Pointer(&c[0]), 4*k.NR, unsafe.Pointer(&a[0]), 8*depth, unsafe.Pointer(&b[0]), 4*k.NR, m, depth, k.NR, 0)
	}
	run(rows, all, a)
	for i := range rows {
		run(1, one, a[i*2*depth:])
		for j := range one {
			if math.Float32bits(one[j]) != math.Float32bits(all[i*k.NR+j]) {
				t.Fatalf("Tiles: row %d of %d differs from the row alone", i, rows)
			}
		}
	}
}

var lengths = []int{1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 500}

func TestExp(t *testing.T) {
	eachTier(t, func(t *testing.T, k *Tier) {
		r := rand.New(rand.NewPCG(5, 6))
		worst := 0.0
		check := func(xs []float32) {
			in := append([]float32(nil), xs...)
			k.ExpRow(&xs[0], len(xs), 0)
			for i, x := range in {
				want := math.Exp(float64(x))
				switch {
				case x != x:
					if xs[i] == xs[i] {
						t.Fatalf("exp(NaN) = %g", xs[i])
					}
				case x < expLow:
					if xs[i] != 0 {
						t.Fatalf("exp(%g) = %g, want 0", x, xs[i])
					}
				case want < 1.1754944e-38 || x > expHigh:
				default:
					e := math.Abs(float64(xs[i])-want) / want
					worst = max(worst, e)
					if !(e <= ExpBound) {
						t.Fatalf("exp(%g) = %g, want %g: relative error %.3g", x, xs[i], want, e)
					}
				}
			}
		}
		inf := float32(math.Inf(1))
		check([]float32{0, float32(math.Copysign(0, -1)), 1, -1, nan, -inf, -87.3, -87.4, -1000, -1e30, 88.3, 1e-30, -1e-30})
		for range map[bool]int{false: 2000, true: 100}[testing.Short()] {
			xs := make([]float32, 500)
			for i := range xs {
				switch r.IntN(3) {
				case 0:
					xs[i] = float32(r.Float64()*176 - 88)
				case 1:
					xs[i] = -float32(math.Exp(r.Float64()*20 - 15))
				default:
					xs[i] = float32(r.NormFloat64())
				}
			}
			check(xs)
		}
		// Every binade, and values close to each change of n.
		for n := -125; n <= 126; n++ {
			x := float32((float64(n) + 0.5) * math.Ln2)
			check([]float32{x, math.Nextafter32(x, -inf), math.Nextafter32(x, inf)})
		}
		t.Logf("largest relative error %.3g (bound %.3g)", worst, ExpBound)
		big := []float32{1e30, inf}
		k.ExpRow(&big[0], 2, 0)
		if !(big[0] > 2e38) || !(big[1] > 2e38) {
			t.Errorf("exp of large values = %v", big)
		}
	})
}

func TestVectors(t *testing.T) {
	eachTier(t, func(t *testing.T, k *Tier) {
		r := rand.New(rand.NewPCG(7, 8))
		for _, n := range lengths {
			testRows(t, k, r, n)
			testPairs(t, k, r, n)
			testRopes(t, k, r, n)
			testRetainStep(t, k, r, n)
		}
	})
}

// outside fails if the poison around s was overwritten.
func outside(t *testing.T, what string, s []float32) {
	t.Helper()
	n := len(s)
	all := unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(&s[0]), -4*(n+32))), 3*n+64)
	for i, v := range all {
		if (i < n+32 || i >= 2*n+32) && v == v {
			t.Fatalf("%s n=%d: wrote outside at %d", what, n, i-n-32)
		}
	}
}

func testRows(t *testing.T, k *Tier, r *rand.Rand, n int) {
	t.Helper()
	x, y := random(r, n), random(r, n)
	var mx, sum float64
	mx = math.Inf(-1)
	for _, v := range x {
		mx = max(mx, float64(v))
	}
	near(t, "MaxRow", k.MaxRow(&x[0], n), mx, 0)
	e := append(poisoned(n)[:0], x...)
	for _, v := range x {
		sum += math.Exp(float64(v) - 0.5)
	}
	near(t, "ExpRow", k.ExpRow(&e[0], n, 0.5), sum, 1e-6*sum)
	outside(t, "ExpRow", e)
	d := poisoned(n)
	type op struct {
		name string
		run  func()
		want func(i int) float64
	}
	X := func(i int) float64 { return float64(x[i]) }
	Y := func(i int) float64 { return float64(y[i]) }
	for _, o := range []op{
		{"Scale", func() { k.Scale(&d[0], &x[0], n, 1.5) }, func(i int) float64 { return 1.5 * X(i) }},
		{"Axpy", func() { copy(d, y); k.Axpy(&d[0], &x[0], n, 1.5) }, func(i int) float64 { return Y(i) + 1.5*X(i) }},
		{"SoftCap", func() { copy(d, x); k.SoftCap(&d[0], n, 1.5) }, func(i int) float64 { return 1.5 * math.Tanh(X(i)/1.5) }},
		{"LogSigmoid", func() { copy(d, x); k.LogSigmoid(&d[0], n) }, func(i int) float64 { return -math.Log1p(math.Exp(-X(i))) }},
		{"DecayRow", func() { copy(d, y); k.DecayRow(&d[0], &x[0], &y[0], n, -2, -1) }, func(i int) float64 { return Y(i) * math.Exp(-2-X(i)-1-Y(i)) }},
	} {
		for i := range d {
			d[i] = nan
		}
		o.run()
		for i := range d {
			near(t, fmt.Sprintf("%s n=%d [%d]", o.name, n, i), d[i], o.want(i), 1e-6*(1+math.Abs(o.want(i))))
		}
		outside(t, o.name, d)
	}
	for _, rows := range []int{1, 3, 10} {
		testRowsOf(t, k, r, rows, n)
	}
	// Extreme gates.
	g := []float32{-1000, -100, -88, 0, 88, 1000}
	one := []float32{1, 1, 1, 1, 1, 1}
	k.SiluRows(&g[0], 0, &g[0], 0, &one[0], 0, 1, len(g), &one[0], 0)
	for i, want := range []float64{0, 0, 0, 0, 88, 1000} {
		near(t, "SiluRows of extreme values", g[i], want, 1e-5)
	}
	g = []float32{-1e20, -1000, -10, 0, 1000, 1e20}
	k.GeluRows(&g[0], 0, &g[0], 0, &one[0], 0, 1, len(g), &one[0], 0)
	for i, want := range []float64{0, 0, 0, 0, 1000, 1e20} {
		near(t, "GeluRows of extreme values", g[i], want, 1e-5+1e-6*want)
	}
	g = []float32{float32(math.Inf(-1)), -1e20, -0.001, 0, 0.001, 1e20, float32(math.Inf(1))}
	k.SoftCap(&g[0], len(g), 30)
	for i, want := range []float64{-30, -30, -0.001, 0, 0.001, 30, 30} {
		near(t, "SoftCap of extreme values", g[i], want, 4e-6)
	}
}

// gelu is the tanh approximation of GELU.
func gelu(x float64) float64 {
	return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
}

// testRowsOf checks the kernels that process several rows, with a different stride for each
// operand.
func testRowsOf(t *testing.T, k *Tier, r *rand.Rand, rows, n int) {
	t.Helper()
	ldx, ldy, ldd := n+1, n+3, n+2
	x, y, w, f := random(r, rows*ldx), random(r, rows*ldy), random(r, n), random(r, 2*rows)
	at := func(s []float32, i int) float64 { return float64(s[i]) }
	for _, o := range []struct {
		name string
		run  func(dst *float32)
		want func(i, j int) float64
	}{
		{"ScaleRows", func(d *float32) { k.ScaleRows(d, 4*ldd, &x[0], 4*ldx, rows, n, &f[0], 8) }, func(i, j int) float64 { return at(x, i*ldx+j) * at(f, 2*i) }},
		{"NormRows", func(d *float32) { k.NormRows(d, 4*ldd, &x[0], 4*ldx, &w[0], rows, n, &f[0]) }, func(i, j int) float64 { return at(x, i*ldx+j) * at(f, i) * at(w, j) }},
		{"SiluRows", func(d *float32) { k.SiluRows(d, 4*ldd, &x[0], 4*ldx, &y[0], 4*ldy, rows, n, &f[0], 8) }, func(i, j int) float64 {
			return at(x, i*ldx+j) / (1 + math.Exp(-at(x, i*ldx+j))) * at(y, i*ldy+j) * at(f, 2*i)
		}},
		{"SiluRows of one factor", func(d *float32) { k.SiluRows(d, 4*ldd, &x[0], 4*ldx, &y[0], 4*ldy, rows, n, &f[0], 0) }, func(i, j int) float64 {
			return at(x, i*ldx+j) / (1 + math.Exp(-at(x, i*ldx+j))) * at(y, i*ldy+j) * at(f, 0)
		}},
		{"GeluRows", func(d *float32) { k.GeluRows(d, 4*ldd, &x[0], 4*ldx, &y[0], 4*ldy, rows, n, &f[0], 8) }, func(i, j int) float64 {
			return gelu(at(x, i*ldx+j)) * at(y, i*ldy+j) * at(f, 2*i)
		}},
	} {
		dst := poisoned(rows * ldd)
		o.run(&dst[0])
		for i := range rows {
			for j := range ldd {
				v := dst[i*ldd+j]
				if j >= n && v == v {
					t.Fatalf("%s n=%d: wrote column %d", o.name, n, j)
				}
				if j < n {
					near(t, fmt.Sprintf("%s n=%d [%d][%d]", o.name, n, i, j), v, o.want(i, j), 1e-6*(1+math.Abs(o.want(i, j))))
				}
			}
		}
		outside(t, o.name, dst)
	}
	const eps = 0.5
	out := poisoned(rows)
	k.RMSRows(&out[0], &x[0], 4*ldx, rows, n, eps)
	for i := range rows {
		sum := 0.0
		for j := range n {
			sum += at(x, i*ldx+j) * at(x, i*ldx+j)
		}
		want := 1 / math.Sqrt(sum/float64(n)+eps)
		near(t, fmt.Sprintf("RMSRows n=%d [%d]", n, i), out[i], want, 1e-6*want)
	}
	outside(t, "RMSRows", out)
}

// TestLogSigmoid: within its bound over every binade, and correct outside that range.
func TestLogSigmoid(t *testing.T) {
	eachTier(t, func(t *testing.T, k *Tier) {
		r := rand.New(rand.NewPCG(15, 16))
		var xs []float32
		for e := -149; e < 7; e++ {
			for range 50 {
				v := float32(math.Ldexp(1+r.Float64(), e))
				xs = append(xs, v, -v)
			}
		}
		for range 20000 {
			xs = append(xs, float32(r.Float64()*174-87))
		}
		in := append([]float32(nil), xs...)
		k.LogSigmoid(&xs[0], len(xs))
		worst := 0.0
		for i, x := range in {
			if x > 87 {
				continue
			}
			want := min(float64(x), 0) - math.Log1p(math.Exp(-math.Abs(float64(x))))
			e := math.Abs(float64(xs[i])-want) / math.Abs(want)
			worst = max(worst, e)
			if !(e <= LogSigmoidBound) {
				t.Fatalf("LogSigmoid(%g) = %g, want %g: relative error %.3g", x, xs[i], want, e)
			}
		}
		t.Logf("largest relative error %.3g (bound %.3g)", worst, LogSigmoidBound)
		inf := float32(math.Inf(1))
		far := []float32{inf, 1e30, 100, -1e30, -inf, nan, 0}
		k.LogSigmoid(&far[0], 6)
		for i, want := range []float32{0, 0, 0, -1e30, -inf} {
			if far[i] != want {
				t.Errorf("far value %d: %g, want %g", i, far[i], want)
			}
		}
		if far[5] == far[5] || far[6] != 0 {
			t.Errorf("NaN gave %g, and the value after it became %g", far[5], far[6])
		}
	})
}

func testPairs(t *testing.T, k *Tier, r *rand.Rand, n int) {
	t.Helper()
	const rows = 3
	ldx, ldd := n+1, n+2
	x := random(r, 2*rows*ldx)
	x[0], x[ldx+n-1] = 1+1.0/256, nan // a tie, a NaN
	p := poisoned(rows * ldd)
	w := unsafe.Slice((*uint32)(unsafe.Pointer(&p[0])), len(p))
	k.PairRows(&w[0], 4*ldd, &x[0], 4*ldx, rows, n)
	for i := range rows {
		for j := range ldd {
			switch u, v := x[2*i*ldx+min(j, n-1)], x[(2*i+1)*ldx+min(j, n-1)]; {
			case j >= n && p[i*ldd+j] == p[i*ldd+j]:
				t.Fatalf("PairRows n=%d: wrote column %d", n, j)
			case j < n && w[i*ldd+j] != uint32(BF16(u))|uint32(BF16(v))<<16:
				t.Fatalf("PairRows n=%d [%d][%d]: %#x of %g and %g", n, i, j, w[i*ldd+j], u, v)
			}
		}
	}
	outside(t, "PairRows", p)
	a, b := poisoned(n), poisoned(n)
	k.WidenPairs(&a[0], &b[0], &w[0], n)
	for i := range a {
		u, v := widen(w[i])
		if math.Float32bits(a[i]) != math.Float32bits(u) || math.Float32bits(b[i]) != math.Float32bits(v) {
			t.Fatalf("WidenPairs n=%d [%d]", n, i)
		}
	}
	outside(t, "WidenPairs", a)
	outside(t, "WidenPairs", b)
	y := x[ldx : ldx+n]
	m := n &^ 15
	if m == 0 {
		return
	}
	d := make([]uint16, m+16)
	k.RoundRow(&d[0], &y[0], m)
	for i := range d {
		want := uint16(0)
		if i < m {
			want = BF16(y[i])
		}
		if d[i] != want {
			t.Fatalf("RoundRow n=%d [%d]: %#x, want %#x", m, i, d[i], want)
		}
	}
}

func testRopes(t *testing.T, k *Tier, r *rand.Rand, n int) {
	t.Helper()
	const rows, scale = 3, 0.75
	ldx := 2*n + 1
	in := random(r, rows*ldx)
	for _, ldt := range []int{0, 4*n + 1} { // one row of angles for all rows, or one for each
		// Interleaved: each cosine twice, then -sin, +sin. Otherwise n cosines and n sines.
		inter, half := make([]float32, 4*n+2*ldt), make([]float32, 4*n+2*ldt)
		for row := range rows {
			for i := range n {
				sin, cos := math.Sincos(r.Float64() * 6)
				a, b := inter[row*ldt:], half[row*ldt:]
				a[2*i], a[2*i+1], a[2*n+2*i], a[2*n+2*i+1] = float32(cos), float32(cos), float32(-sin), float32(sin)
				b[i], b[n+i] = float32(cos), float32(sin)
			}
		}
		for _, o := range []struct {
			name               string
			run                func(x *float32)
			t                  []float32
			a, b, cosine, sine func(i int) int // offsets of pair i, its cosine and its sine in a row
		}{
			{"RopeInterleaved", func(x *float32) { k.RopeInterleaved(x, 4*ldx, &inter[0], 4*ldt, rows, 2*n, scale) }, inter,
				func(i int) int { return 2 * i }, func(i int) int { return 2*i + 1 }, func(i int) int { return 2 * i }, func(i int) int { return 2*n + 2*i + 1 }},
			{"RopeHalf", func(x *float32) { k.RopeHalf(x, 4*ldx, &half[0], 4*ldt, rows, n, scale) }, half,
				func(i int) int { return i }, func(i int) int { return n + i }, func(i int) int { return i }, func(i int) int { return n + i }},
		} {
			x := append(poisoned(len(in))[:0], in...)
			o.run(&x[0])
			for row := range rows {
				for i := range n {
					at := func(s []float32, ld, i int) float64 { return float64(s[row*ld+i]) }
					a, b, co, si := at(in, ldx, o.a(i)), at(in, ldx, o.b(i)), at(o.t, ldt, o.cosine(i)), at(o.t, ldt, o.sine(i))
					near(t, fmt.Sprintf("%s n=%d", o.name, n), x[row*ldx+o.a(i)], (a*co-b*si)*scale, 1e-6)
					near(t, fmt.Sprintf("%s n=%d", o.name, n), x[row*ldx+o.b(i)], (b*co+a*si)*scale, 1e-6)
				}
				if got, want := x[row*ldx+2*n], in[row*ldx+2*n]; got != want {
					t.Fatalf("%s n=%d: wrote beyond row %d", o.name, n, row)
				}
			}
			outside(t, o.name, x)
		}
	}
}

func testRetainStep(t *testing.T, k *Tier, r *rand.Rand, n int) {
	t.Helper()
	for _, rows := range []int{1, 5, n} {
		s, kk, q, v, o := random(r, rows*n), random(r, rows), random(r, rows), random(r, n), poisoned(n)
		in := append([]float32(nil), s...)
		k.RetainStep(&s[0], rows, n, &kk[0], &v[0], &q[0], &o[0], 0.75)
		for j := range n {
			want, size := 0.0, 1.0
			for i := range rows {
				w := float64(in[i*n+j])*0.75 + float64(kk[i])*float64(v[j])
				near(t, "RetainStep state", s[i*n+j], w, 1e-6*(1+math.Abs(w)))
				want += w * float64(q[i])
				size += math.Abs(w * float64(q[i]))
			}
			near(t, fmt.Sprintf("RetainStep %dx%d", rows, n), o[j], want, 1e-6*size)
		}
		outside(t, "RetainStep", s)
		outside(t, "RetainStep", o)
	}
}

func TestSoftmaxCols(t *testing.T) {
	eachTier(t, func(t *testing.T, k *Tier) {
		r := rand.New(rand.NewPCG(9, 10))
		m, l, alpha := poisoned(k.NR), poisoned(k.NR), poisoned(k.NR)
		for _, steps := range [][]int{{1}, {3, 64}, {64, 1, 65}} {
			var all [][]float32
			for j := range m {
				m[j], l[j] = MaskedMax, 0
			}
			for _, n := range steps {
				s := random(r, n*k.NR)
				for j := range k.NR {
					if j%3 == 0 {
						s[r.IntN(n)*k.NR+j] = float32(math.Inf(-1)) // masked
					}
					if j == 1 {
						for i := range n {
							s[i*k.NR+j] = float32(math.Inf(-1)) // completely masked
						}
					}
				}
				all = append(all, append([]float32(nil), s...))
				changed := k.SoftmaxCols(&s[0], n, &m[0], &l[0], &alpha[0])
				some := false
				for j := range alpha {
					some = some || alpha[j] != 1
					for i := range n {
						in := float64(all[len(all)-1][i*k.NR+j])
						near(t, "SoftmaxCols", s[i*k.NR+j], math.Exp(in-float64(m[j])), 1e-6)
					}
				}
				if some != (changed != 0) {
					t.Fatalf("changed = %d, but some factor differs from 1: %v", changed, some)
				}
				outside(t, "SoftmaxCols", s)
			}
			for j := range k.NR {
				sum := 0.0
				for _, s := range all {
					for i := j; i < len(s); i += k.NR {
						sum += math.Exp(float64(s[i]) - float64(m[j]))
					}
				}
				near(t, "SoftmaxCols sum", l[j], sum, 1e-5*(1+sum))
			}
		}
		for _, n := range []int{1, 2, 63} {
			o := random(r, n*k.NR)
			in := append([]float32(nil), o...)
			a := random(r, k.NR)
			k.ScaleCols(&o[0], n, &a[0])
			for i := range o {
				near(t, "ScaleCols", o[i], float64(in[i])*float64(a[i%k.NR]), 1e-6)
			}
			outside(t, "ScaleCols", o)
		}
	})
}

func TestTranspose8(t *testing.T) {
	eachTier(t, func(t *testing.T, k *Tier) {
		r := rand.New(rand.NewPCG(11, 12))
		for _, sh := range [][2]int{{8, 8}, {16, 8}, {8, 24}, {64, 32}} {
			rows, cols := sh[0], sh[1]
			lds, ldd := cols+3, rows+5
			src, dst := random(r, rows*lds), poisoned(cols*ldd)
			k.Transpose8(&dst[0], 4*ldd, &src[0], 4*lds, rows, cols)
			for j := range cols {
				for i := range ldd {
					v := dst[j*ldd+i]
					if i < rows && v != src[i*lds+j] || i >= rows && v == v {
						t.Fatalf("%v: dst[%d][%d] = %g", sh, j, i, v)
					}
				}
			}
		}
	})
}

func TestChoose(t *testing.T) {
	k, why, err := Choose("")
	if err != nil || why == "" || !k.Available() {
		t.Fatalf("Choose: %v %q %v", k, why, err)
	}
	for _, x := range Tiers() {
		got, _, err := Choose(x.Name)
		if x.Available() != (err == nil) || err == nil && got.Name != x.Name {
			t.Errorf("Choose(%q) = %v, %v", x.Name, got, err)
		}
	}
	if _, _, err := Choose("sse9"); err == nil {
		t.Error("an unknown tier was accepted")
	}
}

// FuzzGemm compares arbitrary shapes and seeds with float64.
func FuzzGemm(f *testing.F) {
	f.Add(uint64(1), uint8(3), uint8(5), uint16(9))
	f.Fuzz(func(t *testing.T, seed uint64, m, n uint8, depth uint16) {
		r := rand.New(rand.NewPCG(seed, 0))
		for _, k := range Tiers() {
			if k.Available() {
				for kind := range 3 {
					testGemm(t, k, r, kind, int(m)%k.MR+1, int(n)%k.NR+1, int(depth)%600+1)
				}
				if k.Tiles != nil {
					testTiles(t, k, r, int(m)%70+1, int(n)%k.NR+1, int(depth)%600+1)
				}
			}
		}
	})
}
