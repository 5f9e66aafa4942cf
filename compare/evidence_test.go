package compare

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/aclements/go-moremath/stats"
)

// noises are multiplicative noises like those of real machines. The heavy-tailed ones have infinite
// variance.
var noises = map[string]func(*rand.Rand) float64{
	"even":      func(r *rand.Rand) float64 { return math.Exp(0.02 * r.NormFloat64()) },
	"neighbour": func(r *rand.Rand) float64 { return math.Exp(0.02*r.NormFloat64()) * spike(r) },
	"pareto":    func(r *rand.Rand) float64 { return 1 + 0.01*(math.Pow(r.Float64(), -1/0.9)-1) },
	"cauchy":    func(r *rand.Rand) float64 { return math.Exp(0.01 * math.Tan(math.Pi*(r.Float64()-0.5))) },
}

// spike simulates other load: a fifth of the samples take up to twice as long, some of them far
// longer.
func spike(r *rand.Rand) float64 {
	if r.Float64() > 0.2 {
		return 1
	}
	return 1 + math.Min(0.3*math.Pow(r.Float64(), -1/1.2), 50)
}

func draw(r *rand.Rand, noise func(*rand.Rand) float64, n int, scale float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = scale * noise(r)
	}
	return out
}

// many scales the number of repetitions of a simulation: a tenth of n with -short, which runs with
// the race detector use.
func many(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}

// margin returns by how much a rate may exceed its probability p in a simulation: four standard
// errors.
func margin(p float64, runs int) float64 { return 4 * math.Sqrt(p*(1-p)/float64(runs)) }

// TestRatioErrorRate checks the error rates at the limit, where every verdict is wrong: each must
// have a probability of at most (1-C)/2, and the interval must contain the true ratio with
// probability C.
func TestRatioErrorRate(t *testing.T) {
	const tail = 0.025
	runs := many(3000)
	for name, noise := range noises {
		for _, n := range []int{5, 10, 30} {
			r := rand.New(rand.NewPCG(uint64(n), 7))
			var fails, passes, misses, far int
			for range runs {
				base := draw(r, noise, n, 1)
				e := ratioAgainst(draw(r, noise, n, 0.95), base, 0.95, 0.95)
				if e.below <= tail {
					fails++
				}
				if e.above <= tail {
					passes++
				}
				if e.lo > 0.95 || e.hi < 0.95 {
					misses++
				}
				if same := ratioAgainst(draw(r, noise, n, 1), base, 0.95, 0.95); same.below <= tail {
					far++
				}
			}
			for what, got := range map[string]int{"regressions": fails, "passes": passes, "regressions of equal programs": far} {
				if rate := float64(got) / float64(runs); rate > tail+margin(tail, runs) {
					t.Errorf("%s, n=%d: %.4f false %s, want at most %.3f", name, n, rate, what, tail)
				}
			}
			if rate := float64(misses) / float64(runs); rate > 2*tail+margin(2*tail, runs) {
				t.Errorf("%s, n=%d: the interval misses the truth in %.4f", name, n, rate)
			}
			t.Logf("%-9s n=%2d: at the limit %.4f regressed, %.4f passed; equal programs %.4f regressed", name, n, float64(fails)/float64(runs), float64(passes)/float64(runs), float64(far)/float64(runs))
		}
	}
}

// TestRatioCatchesSlowdowns checks that 20 samples detect a slowdown of 10 % under noise of 2 %
// with other load on both sides, by a gate at 3 %.
func TestRatioCatchesSlowdowns(t *testing.T) {
	const runs = 1000
	r := rand.New(rand.NewPCG(1, 1))
	caught := 0
	for range runs {
		if ratioAgainst(draw(r, noises["neighbour"], 20, 1.10), draw(r, noises["neighbour"], 20, 1), 1.03, 0.95).above <= 0.025 {
			caught++
		}
	}
	if caught < 850 {
		t.Errorf("caught %d of %d slowdowns of 10 %%", caught, runs)
	}
	t.Logf("caught %d of %d", caught, runs)
}

func TestMedianErrorRate(t *testing.T) {
	const tail = 0.025
	runs := many(4000)
	for name, noise := range noises {
		r := rand.New(rand.NewPCG(3, 3))
		limit := median(draw(r, noise, 200001, 1))
		for _, n := range []int{5, 6, 10, 30} {
			var fails, passes int
			for range runs {
				e := medianAgainst(draw(r, noise, n, 1), limit, 0.95)
				if e.above <= tail {
					fails++
				}
				if e.below <= tail {
					passes++
				}
			}
			if rate := float64(max(fails, passes)) / float64(runs); rate > tail+margin(tail, runs) {
				t.Errorf("%s, n=%d: %.4f false verdicts", name, n, rate)
			}
			if n == 5 && fails+passes > 0 {
				t.Errorf("%s: 5 samples gave a verdict", name)
			}
		}
	}
}

// TestShareErrorRate computes the exact error rate for every number of questions and every limit,
// as the sum of the probabilities of all wrong outcomes. It also computes that of Wilson's
// interval, to show why it is not used.
func TestShareErrorRate(t *testing.T) {
	const tail = 0.025
	worstWilson := 0.0
	for _, n := range []int{1, 2, 5, 10, 20, 50, 200} {
		for _, limit := range []float64{0.01, 0.3, 0.5, 0.8, 0.9, 0.95, 0.99} {
			var fails, passes, wilson float64
			for hits := 0; hits <= n; hits++ {
				scores := make([]float64, n)
				for i := range hits {
					scores[i] = 1
				}
				p := stats.BinomialDist{N: n, P: limit}.PMF(float64(hits))
				e := shareAgainst(scores, limit, 0.95)
				if e.below <= tail {
					fails += p
				}
				if e.above <= tail {
					passes += p
				}
				if (e.below <= tail) != (e.hi < limit) || (e.above <= tail) != (e.lo > limit) {
					t.Errorf("%d of %d against %v: p %v and %v, but the interval is %v to %v", hits, n, limit, e.above, e.below, e.lo, e.hi)
				}
				if _, hi := wilsonOf(hits, n); hi < limit {
					wilson += p
				}
			}
			if max(fails, passes) > tail+1e-9 {
				t.Errorf("n=%d at %v: %v false regressions, %v false passes", n, limit, fails, passes)
			}
			worstWilson = max(worstWilson, wilson)
		}
	}
	t.Logf("Wilson's upper bound errs with probability %.3f at worst", worstWilson)
	if worstWilson < 0.05 {
		t.Error("Wilson's bound is better than the documentation says")
	}
}

func wilsonOf(hits, n int) (lo, hi float64) {
	const z = 1.959964
	k, p := float64(n), float64(hits)/float64(n)
	center, half := p+z*z/(2*k), z*math.Sqrt(p*(1-p)/k+z*z/(4*k*k))
	return (center - half) / (1 + z*z/k), (center + half) / (1 + z*z/k)
}

func TestShareRatioErrorRate(t *testing.T) {
	const tail, factor = 0.025, 0.95
	runs := many(1500)
	for kind := range 3 {
		paired, gains := kind > 0, kind == 2
		for _, n := range []int{10, 40, 100} {
			for _, q := range []float64{0.5, 0.9, 1} {
				if gains && q == 1 {
					continue // base is all right: no gains possible
				}
				r := rand.New(rand.NewPCG(uint64(n), 11))
				var fails, passes int
				for range runs {
					x, y := make([]float64, n), make([]float64, n)
					for i := range x {
						y[i] = hit(r, q)
						x[i] = hit(r, factor*q)
						switch {
						case paired && i%2 == 0: // same questions: new loses some that base got right
							x[i] = y[i] * hit(r, factor)
						case paired && gains: // and gains some of the others, to balance further losses
							x[i] = y[i] * hit(r, factor-0.1)
							if y[i] == 0 {
								x[i] = hit(r, min(1, 0.1*q/(1-q)))
							}
						case paired:
							x[i] = y[i] * hit(r, factor)
						}
					}
					switch lo, hi := shareContrast(x, y, paired)(factor, 0.95); {
					case hi < 0:
						fails++
					case lo > 0:
						passes++
					}
				}
				if rate := float64(max(fails, passes)) / float64(runs); rate > tail+margin(tail, runs) {
					t.Errorf("n=%d, share %v, paired %v, gains %v: %d false regressions and %d false passes in %d", n, q, paired, gains, fails, passes, runs)
				}
			}
		}
	}
}

func hit(r *rand.Rand, p float64) float64 {
	if r.Float64() < p {
		return 1
	}
	return 0
}

func TestMeanErrorRate(t *testing.T) {
	const tail, factor = 0.025, 1.02
	runs := many(2000)
	for _, paired := range []bool{false, true} {
		for _, n := range []int{5, 16} {
			r := rand.New(rand.NewPCG(uint64(n), 13))
			var fails, passes, one int
			for range runs {
				x, y := make([]float64, n), make([]float64, n)
				for i := range x {
					doc := 1 + 0.2*r.NormFloat64()
					y[i] = doc + 0.01*r.NormFloat64()
					if !paired {
						doc = 1 + 0.2*r.NormFloat64()
					}
					x[i] = factor * (doc + 0.01*r.NormFloat64())
				}
				switch lo, hi := meanContrast(x, y, paired)(factor, 0.95); {
				case lo > 0:
					fails++
				case hi < 0:
					passes++
				}
				if meanAgainst(y, 1, 0.95).above <= tail {
					one++
				}
			}
			if rate := float64(max(fails, passes, one)) / float64(runs); rate > tail+margin(tail, runs) {
				t.Errorf("n=%d, paired %v: %d, %d and %d false verdicts in %d", n, paired, fails, passes, one, runs)
			}
		}
	}
}

// TestRatioAgrees checks that the test and the interval of a ratio of medians agree: p is
// significant exactly if the interval excludes the factor.
func TestRatioAgrees(t *testing.T) {
	low, high := []float64{1, 2, 3, 4, 5}, []float64{6, 7, 8, 9, 10}
	if e := ratioAgainst(low, high, 1, 0.95); math.Abs(e.below-1.0/252) > 1e-12 || math.Abs(e.above-1) > 1e-12 {
		t.Errorf("5 and 5 samples apart: p %v and %v, want 1/252 and 1", e.below, e.above)
	}
	r := rand.New(rand.NewPCG(23, 23))
	for i := range 400 {
		n, m := 4+i%9, 4+i%7
		e := ratioAgainst(draw(r, noises["even"], n, 0.97), draw(r, noises["even"], m, 1), 0.98, 0.95)
		if (e.hi < 0.98) != (e.below <= 0.025) || (e.lo > 0.98) != (e.above <= 0.025) || e.lo > e.estimate || e.estimate > e.hi {
			t.Errorf("n=%d, m=%d: %v (%v to %v), p %v and %v", n, m, e.estimate, e.lo, e.hi, e.above, e.below)
		}
	}
}

// TestContrastAgrees checks that the p-values and the bounds of a ratio agree with the bounds of
// the underlying difference.
func TestContrastAgrees(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for i := range 30 {
		x, y := make([]float64, 40), make([]float64, 40)
		for k := range x {
			x[k], y[k] = hit(r, 0.8), hit(r, 0.3+0.02*float64(i))
		}
		for name, c := range map[string]contrast{"shares": shareContrast(x, y, true), "means": meanContrast(x, y, false)} {
			e := c.against(sum(x)/40, sum(y)/40, 0.95, 0.95, 40, "")
			lo, hi := c(0.95, 0.95)
			if (lo > 0) != (e.above <= 0.025) || (hi < 0) != (e.below <= 0.025) || (lo > 0) != (e.lo > 0.95) || (hi < 0) != (e.hi < 0.95) {
				t.Errorf("%s: the difference is %v to %v, the ratio %v to %v, p %v and %v", name, lo, hi, e.lo, e.hi, e.above, e.below)
			}
		}
	}
}

// TestNeededSamplesDecide checks that the estimated number of samples decides in most cases.
func TestNeededSamplesDecide(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	decided, asked := 0, 0
	for range 400 {
		e := ratioAgainst(draw(r, noises["even"], 10, 0.97), draw(r, noises["even"], 10, 1), 0.95, 0.95)
		if e.above <= 0.025 || e.below <= 0.025 || e.need >= 500 {
			continue
		}
		asked++
		more := ratioAgainst(draw(r, noises["even"], e.need, 0.97), draw(r, noises["even"], e.need, 1), 0.95, 0.95)
		if more.above <= 0.025 || more.below <= 0.025 {
			decided++
		}
	}
	t.Logf("%d of %d were decided by the samples asked for", decided, asked)
	if asked < 50 || float64(decided) < 0.6*float64(asked) {
		t.Errorf("%d of %d were decided by the samples asked for", decided, asked)
	}
	for n, want := range map[int]int{1: 4, 3: 4} {
		x := draw(r, noises["even"], n, 1)
		if e := ratioAgainst(x, x, 0.95, 0.95); e.need != want {
			t.Errorf("%d samples: need %d, want %d", n, e.need, want)
		}
	}
	if e := medianAgainst([]float64{1, 2, 3}, 10, 0.95); e.need != 6 {
		t.Errorf("a median needs %d samples, want 6", e.need)
	}
	// All of 20 right against .95: (1/40)^(1/n) >= .95 from n = 72 on.
	if e := shareAgainst(draw(r, func(*rand.Rand) float64 { return 1 }, 20, 1), 0.95, 0.95); e.need != 72 {
		t.Errorf("a share of 1 needs %d questions, want 72", e.need)
	}
}

func TestU(t *testing.T) {
	for _, c := range [][2]int{{1, 1}, {3, 4}, {10, 10}, {7, 19}, {30, 30}, {50, 50}} {
		n, m := c[0], c[1]
		for u := 0; u < n*m; u += 1 + n*m/13 {
			want := stats.UDist{N1: n, N2: m}.CDF(float64(u))
			if got := uAtMost(n, m, u); math.Abs(got-want) > 1e-12+1e-9*want {
				t.Errorf("P(U <= %d) for %d and %d: %v, want %v", u, n, m, got, want)
			}
		}
		k := uCritical(n, m, 0.025)
		if uAtMost(n, m, k-1) > 0.025 || uAtMost(n, m, k) <= 0.025 {
			t.Errorf("critical value for %d and %d: %d", n, m, k)
		}
	}
	// Beyond 50 samples the normal approximation is used; check that there is no jump.
	if a, b := uAtMost(50, 50, 1000), uAtMost(51, 50, 1020); math.Abs(a-b) > 0.002 {
		t.Errorf("%v and %v", a, b)
	}
}

func TestKthRatio(t *testing.T) {
	x, y := []float64{1, 2, 3}, []float64{1, 4}
	want := []float64{0.25, 0.5, 0.75, 1, 2, 3}
	for i, w := range want {
		if got := kthRatio(x, y, i+1); got != w {
			t.Errorf("ratio %d of %v: %v, want %v", i+1, want, got, w)
		}
	}
}

func TestFlipAndFisher(t *testing.T) {
	ones := func(n, hits int) []float64 {
		out := make([]float64, n)
		for i := range hits {
			out[i] = 1
		}
		return out
	}
	// 6 questions lost and none won: 2 x 2^-6.
	if p, name := flipTest(ones(20, 4), ones(20, 10)); math.Abs(p-2*math.Pow(2, -6)) > 1e-12 || name != "McNemar's exact" {
		t.Errorf("got %v by %s", p, name)
	}
	if p, _ := flipTest(ones(20, 4), ones(20, 4)); p != 1 {
		t.Errorf("same answers: p %v", p)
	}
	// Differences 1, .5, .25: only equal signs reach their sum.
	if p, name := flipTest([]float64{1, 1, 1}, []float64{0, 0.5, 0.75}); p != 0.25 || name != "sign flips, exact" {
		t.Errorf("got %v by %s", p, name)
	}
	x, y := make([]float64, 40), make([]float64, 40)
	for i := range x {
		x[i] = float64(i%7) / 7
	}
	if p, _ := flipTest(x, y); p > 0.001 {
		t.Errorf("34 differences of one sign: p %v", p)
	}
	// The lady tasting tea: 3 of 4 right gives a two-sided p of 0.486.
	if p := fisher(3, 4, 1, 4); math.Abs(p-34.0/70) > 1e-9 {
		t.Errorf("Fisher: %v", p)
	}
}
