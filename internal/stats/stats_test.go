package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestWilson(t *testing.T) {
	// R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
	for _, c := range []struct{ hits, n, lo, hi float64 }{
		{81, 263, .2553, .3662},
		{15, 148, .0624, .1605},
		{0, 20, 0, .1611},
		{1, 29, .0061, .1718},
	} {
		lo, hi := Wilson(c.hits, c.n, 0.95)
		if math.Abs(lo-c.lo) > 5e-5 || math.Abs(hi-c.hi) > 5e-5 {
			t.Errorf("Wilson(%g of %g) = %.5f to %.5f, want %.4f to %.4f", c.hits, c.n, lo, hi, c.lo, c.hi)
		}
	}
	// The bounds are the probabilities P at which the observation is z standard errors away: (p-P)²
	// = z² P(1-P)/n.
	z := 1.959963984540054
	for _, n := range []float64{1, 3, 10, 100} {
		for k := 1.0; k < n; k++ {
			lo, hi := Wilson(k, n, 0.95)
			for _, P := range []float64{lo, hi} {
				if d := (k/n-P)*(k/n-P) - z*z*P*(1-P)/n; math.Abs(d) > 1e-12 {
					t.Errorf("Wilson(%g of %g): bound %g is off by %g", k, n, P, d)
				}
			}
		}
	}
	if lo, hi := Wilson(0, 0, 0.95); lo != 0 || hi != 1 {
		t.Errorf("without trials: %g to %g, want 0 to 1", lo, hi)
	}
	for n := 1.0; n < 50; n++ {
		for k := 0.0; k <= n; k += 0.5 {
			if lo, hi := Wilson(k, n, 0.95); !(0 <= lo && lo <= k/n && k/n <= hi && hi <= 1 && lo < hi) {
				t.Fatalf("Wilson(%g of %g) = %g to %g", k, n, lo, hi)
			}
		}
	}
}

func TestQuantile(t *testing.T) {
	v := []float64{1, 2, 4, 8, 16}
	for _, c := range []struct{ q, want float64 }{{0, 1}, {0.1, 1.4}, {0.5, 4}, {0.9, 12.8}, {1, 16}} {
		if got := Quantile(v, c.q); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("Quantile(%g) = %g, want %g", c.q, got, c.want)
		}
	}
	if !math.IsNaN(Quantile(nil, 0.5)) {
		t.Error("a quantile of nothing is a number")
	}
}

// Trials of one haystack are correlated. Clustered intervals cover 95 % nevertheless; intervals
// that count every trial do not.
func TestClusteredHoldsItsLevel(t *testing.T) {
	runs := 4000
	if testing.Short() {
		runs = 400
	}
	slack := 4 * math.Sqrt(0.05*0.95/float64(runs))
	for _, c := range []struct{ haystacks, trials int }{{5, 10}, {3, 4}, {20, 3}, {1, 10}, {10, 1}} {
		for _, icc := range []float64{0.05, 0.1, 0.2} {
			for _, p := range []float64{0.5, 0.9} {
				r := rand.New(rand.NewPCG(uint64(100*c.haystacks+c.trials), uint64(1000*icc*p)))
				held, naive := 0, 0
				for range runs {
					hits, n := make([]float64, c.haystacks), make([]float64, c.haystacks)
					sum := 0.0
					for h := range hits {
						// With probability p, a trial has the answer of its haystack. Two trials
						// then correlate by p squared, so p is the root of icc.
						own := r.Float64() < p
						for range c.trials {
							right := own
							if r.Float64() >= math.Sqrt(icc) {
								right = r.Float64() < p
							}
							if right {
								hits[h]++
							}
						}
						n[h] = float64(c.trials)
						sum += hits[h]
					}
					if lo, hi := Clustered(hits, n, 0.95); lo <= p && p <= hi {
						held++
					}
					if lo, hi := Wilson(sum, float64(c.haystacks*c.trials), 0.95); lo <= p && p <= hi {
						naive++
					}
				}
				got, was := float64(held)/float64(runs), float64(naive)/float64(runs)
				t.Logf("%2d haystacks of %2d trials, correlation %.2f, p %.1f: %.3f; every trial counted %.3f", c.haystacks, c.trials, icc, p, got, was)
				// Wilson's interval of 10 independent trials covers .9 with probability .930
				// (exactly); it errs on one side.
				least := 0.95
				if p == 0.9 {
					least = 0.92
				}
				if !(got >= least-slack) {
					t.Errorf("%d haystacks of %d trials, correlation %g, p %g: %.3f", c.haystacks, c.trials, icc, p, got)
				}
				if c.haystacks == 5 && icc == 0.2 && p == 0.5 && !(was < 0.85) {
					t.Errorf("every trial counted: %.3f: the simulation shows nothing", was)
				}
			}
		}
	}
	// With one trial per haystack it is Wilson's interval. Five haystacks of ten correct answers
	// count as 18 trials, not 50.
	ones := []float64{1, 1, 0, 1, 1}
	lo, hi := Clustered(ones, []float64{1, 1, 1, 1, 1}, 0.95)
	if l, h := Wilson(4, 5, 0.95); lo != l || hi != h {
		t.Errorf("single trials: %g to %g, want %g to %g", lo, hi, l, h)
	}
	tens := []float64{10, 10, 10, 10, 10}
	lo, _ = Clustered(tens, tens, 0.95)
	if want, _ := Wilson(50/2.8, 50/2.8, 0.95); math.Abs(lo-want) > 1e-12 {
		t.Errorf("50 of 50 in 5 haystacks begins at %g, want %g", lo, want)
	}
	// Haystacks that differ by more than the correlation explains widen the interval.
	a, b := Clustered([]float64{10, 0, 10, 0}, []float64{10, 10, 10, 10}, 0.95)
	c, d := Clustered([]float64{5, 5, 5, 5}, []float64{10, 10, 10, 10}, 0.95)
	if !(b-a > d-c) {
		t.Errorf("%g to %g, and %g to %g", a, b, c, d)
	}
	if lo, hi := Clustered(nil, nil, 0.95); lo != 0 || hi != 1 {
		t.Errorf("nothing: %g to %g", lo, hi)
	}
}

// means is the statistic of TestJackknife: the mean over the units of their values, each unit
// counted times[i] times.
func means(x []float64) func(times []int, out []float64) {
	return func(times []int, out []float64) {
		sum, n := 0.0, 0.0
		for i, k := range times {
			sum += float64(k) * x[i]
			n += float64(k)
		}
		out[0] = sum / n
	}
}

// With one unit per cluster, the interval of a mean is Student's.
func TestJackknifeMean(t *testing.T) {
	x := []float64{0, 1, 5}
	j := Jackknife([]int{0, 1, 2}, 1, means(x))
	// The standard deviation is sqrt(7), and t = 4.30265 for 2 degrees of freedom.
	lo, hi, ok := j.Interval(0, 0.95)
	if h := 4.30265 * math.Sqrt(7.0/3); !ok || math.Abs(lo-(2-h)) > 1e-4 || math.Abs(hi-(2+h)) > 1e-4 {
		t.Errorf("%g to %g (%v), want 2 ± %g", lo, hi, ok, h)
	}
	if lo, hi, ok := j.PositiveInterval(0, 0.95); !ok || !(0 < lo && lo < 2 && 2 < hi) || math.Abs(lo*hi-4) > 1e-9 {
		t.Errorf("of the logarithm: %g to %g (%v)", lo, hi, ok)
	}
	one := Jackknife([]int{0, 0, 0}, 1, means(x))
	if _, _, ok := one.Interval(0, 0.95); ok {
		t.Error("an interval from one cluster")
	}
	if _, _, ok := one.PositiveInterval(0, 0.95); ok {
		t.Error("an interval of a logarithm from one cluster")
	}
	nan := Jackknife([]int{0, 1}, 1, func(times []int, out []float64) { out[0] = math.Log(float64(times[0]) - 0.5) })
	if _, _, ok := nan.Interval(0, 0.95); ok {
		t.Error("an interval of a statistic that one cluster does not support")
	}
}

// coverage returns how often a 95 % interval contains the true value, for n clusters whose values
// are drawn by draw and have this mean.
func coverage(r *rand.Rand, runs, n int, stretches func(i int) int, draw func() func() float64, mean float64, positive bool) float64 {
	held := 0
	for range runs {
		var x []float64
		var cluster []int
		for c := range n {
			one := draw()
			for range stretches(c) {
				x, cluster = append(x, one()), append(cluster, c)
			}
		}
		j := Jackknife(cluster, 1, means(x))
		interval := j.Interval
		if positive {
			interval = j.PositiveInterval
		}
		if lo, hi, ok := interval(0, 0.95); ok && lo <= mean && mean <= hi {
			held++
		}
	}
	return float64(held) / float64(runs)
}

// Intervals cover 95 % from 3 texts on: for normal and skewed losses, and for correlated stretches
// of one text.
func TestIntervalsHoldTheirLevel(t *testing.T) {
	runs := 2000
	if testing.Short() {
		runs = 400
	}
	slack := 4 * math.Sqrt(0.05*0.95/float64(runs))
	one := func(int) int { return 1 }
	for _, n := range []int{3, 4, 5, 8, 16, 32} {
		r := rand.New(rand.NewPCG(uint64(n), 4))
		normal := func(icc float64) func() func() float64 {
			return func() func() float64 {
				text := math.Sqrt(icc) * r.NormFloat64()
				return func() float64 { return 10 + text + math.Sqrt(1-icc)*r.NormFloat64() }
			}
		}
		lognormal := func(s float64) func() func() float64 {
			return func() func() float64 {
				return func() float64 { return math.Exp(s * r.NormFloat64()) }
			}
		}
		for _, c := range []struct {
			name      string
			stretches func(int) int
			draw      func() func() float64
			mean      float64
			// least is the coverage required, less than 95 % for skewed losses.
			least float64
		}{
			{"normal", one, normal(0), 10, 0.95},
			{"log-normal, s = .25", one, lognormal(0.25), math.Exp(0.25 * 0.25 / 2), 0.94},
			{"log-normal, s = .5", one, lognormal(0.5), math.Exp(0.5 * 0.5 / 2), 0.93},
			{"3 stretches a text, correlated .3", func(int) int { return 3 }, normal(0.3), 10, 0.95},
			{"1 or 2 stretches a text, correlated .7", func(i int) int { return 1 + i%2 }, normal(0.7), 10, 0.935},
		} {
			got := coverage(r, runs, n, c.stretches, c.draw, c.mean, true)
			t.Logf("%2d texts, %s: %.3f", n, c.name, got)
			if !(got >= c.least-slack) {
				t.Errorf("%d texts, %s: the interval holds the truth in %.3f, want %.3f", n, c.name, got, c.least)
			}
		}
	}
}

// The bounds of a median are tabulated by W. J. Conover, Practical Nonparametric Statistics; those
// of a 99th percentile follow from 0.99^n <= .025.
func TestQuantileBounds(t *testing.T) {
	upTo := func(n int) (xs []float64) {
		for i := range n {
			xs = append(xs, float64(i+1))
		}
		return xs
	}
	for _, c := range []struct {
		n      int
		q      float64
		lo, hi float64
	}{{5, .5, 0, 0}, {6, .5, 1, 6}, {10, .5, 2, 9}, {20, .5, 6, 15}, {367, .99, 0, 0}, {368, .99, 360, 368}, {0, .5, 0, 0}, {100, 1, 0, 0}} {
		lo, hi, ok := QuantileBounds(upTo(c.n), c.q, .95)
		if ok != (c.hi > 0) || ok && (lo != c.lo || hi != c.hi) {
			t.Errorf("%g-quantile of %d values: %g to %g, %v; want %g to %g", c.q, c.n, lo, hi, ok, c.lo, c.hi)
		}
	}
	random, inside := rand.New(rand.NewPCG(1, 2)), 0
	const rounds = 4000
	for range rounds {
		xs := make([]float64, 400)
		for i := range xs {
			xs[i] = random.Float64()
		}
		slices.Sort(xs)
		if lo, hi, ok := QuantileBounds(xs, .9, .95); ok && lo <= .9 && .9 <= hi {
			inside++
		}
	}
	if share := float64(inside) / rounds; !(share >= .95-.011 && share <= .98) { // 3 standard errors
		t.Errorf("%g of the intervals contain the quantile", share)
	}
}

// Intervals of paired differences cover 95 %, whether the two scores of a question are independent
// or correlated, near 0 and 1 too, and for questions in clusters.
func TestPairedDifferenceHoldsItsLevel(t *testing.T) {
	runs := 4000
	if testing.Short() {
		runs = 400
	}
	slack := 4 * math.Sqrt(0.05*0.95/float64(runs))
	for _, n := range []int{10, 40} {
		for _, p := range []struct{ a, b float64 }{{0.5, 0.5}, {0.9, 0.2}, {0.95, 0.9}, {0.05, 0.05}} {
			for _, same := range []float64{0, 0.7} { // the share of questions that decide both scores
				for _, size := range []int{1, 2} { // of a cluster
					r := rand.New(rand.NewPCG(uint64(n+1000*size), uint64(1000*p.a+10*p.b+100*same)))
					held, width := 0, 0.0
					for range runs {
						a, b, cluster := make([]float64, n), make([]float64, n), make([]int, n)
						for i := range a {
							x, y := r.Float64(), r.Float64()
							if r.Float64() < same {
								y = x
							}
							if x < p.a {
								a[i] = 1
							}
							if y < p.b {
								b[i] = 1
							}
							cluster[i] = i % (n / size)
						}
						lo, hi := PairedDifference(a, b, cluster, 0.95)
						if lo <= p.a-p.b && p.a-p.b <= hi {
							held++
						}
						width += hi - lo
					}
					got := float64(held) / float64(runs)
					t.Logf("%d questions, %g and %g, %g the same, clusters of %d: %.3f, mean width %.2f", n, p.a, p.b, same, size, got, width/float64(runs))
					if !(got >= 0.94-slack) {
						t.Errorf("%d questions, %g and %g, %g the same, clusters of %d: %.3f", n, p.a, p.b, same, size, got)
					}
				}
			}
		}
	}
}

func TestPairedDifference(t *testing.T) {
	ones, zeros, each := []float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, make([]float64, 10), []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	// All differences are equal, and the interval is not empty.
	lo, hi := PairedDifference(zeros, ones, each, 0.95)
	_, upper := Wilson(0, 10, 0.95)
	if !(math.Abs(hi-(-1+math.Sqrt2*upper)) < 1e-12) || lo != -1 {
		t.Errorf("0 against 1: %g to %g", lo, hi)
	}
	if lo, hi := PairedDifference(ones, ones, each, 0.95); !(lo < 0 && hi > 0 && lo == -hi) {
		t.Errorf("equal scores: %g to %g", lo, hi)
	}
	// Correlated scores give a narrower interval than independent ones, trials of one cluster a
	// wider one.
	a, same, other := []float64{1, 1, 1, 1, 1, 0, 0, 0, 0, 0}, []float64{1, 1, 1, 1, 0, 0, 0, 0, 0, 0}, []float64{0, 1, 0, 1, 0, 1, 0, 1, 0, 0}
	width := func(x, y []float64, c []int) float64 { lo, hi := PairedDifference(x, y, c, 0.95); return hi - lo }
	if paired, apart := width(a, same, each), width(a, other, each); !(paired < apart) {
		t.Errorf("width %g for correlated scores, %g for others", paired, apart)
	}
	if one, two := width(a, same, each), width(a, same, []int{0, 0, 1, 1, 2, 2, 3, 3, 4, 4}); !(one < two) {
		t.Errorf("width %g for single questions, %g for clusters of two", one, two)
	}
	if lo, hi := PairedDifference(nil, nil, nil, 0.95); lo != -1 || hi != 1 {
		t.Errorf("without questions: %g to %g", lo, hi)
	}
}

func TestClusteredMean(t *testing.T) {
	// Student's interval of 1..5: 3 ± 2.776 * sqrt(2.5/5).
	lo, hi, ok := ClusteredMean([]float64{1, 2, 3, 4, 5}, []int{0, 1, 2, 3, 4}, 0.95)
	if want := 2.776445 * math.Sqrt(0.5); !ok || !(math.Abs(hi-3-want) < 1e-4) || !(math.Abs(3-lo-want) < 1e-4) {
		t.Errorf("%g to %g, %v", lo, hi, ok)
	}
	if _, _, ok := ClusteredMean([]float64{1, 2}, []int{0, 0}, 0.95); ok {
		t.Error("an interval of one cluster")
	}
}
