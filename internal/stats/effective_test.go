package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func wilsonOf(hits, n, level float64) Estimate {
	lo, hi := Wilson(hits, n, level)
	return Estimate{hits / n, lo, hi}
}

// TestCombineIsNewcombesDifference compares with the published interval of a difference of two
// proportions (R. G. Newcombe, Statistics in Medicine 17, 1998, method 10, example a).
func TestCombineIsNewcombesDifference(t *testing.T) {
	d := Combine([]float64{1, -1}, []Estimate{wilsonOf(56, 70, .95), wilsonOf(48, 80, .95)})
	if !(math.Abs(d.Value-0.2) < 1e-12 && math.Abs(d.Lo-0.0524) < 5e-5 && math.Abs(d.Hi-0.3339) < 5e-5) {
		t.Errorf("%+v, want 0.2 from 0.0524 to 0.3339", d)
	}
}

// TestExactInverts checks the exact interval by the binomial distribution.
func TestExactInverts(t *testing.T) {
	for _, c := range [][2]float64{{0, 5}, {1, 5}, {3, 20}, {20, 20}, {57, 80}} {
		k, n := c[0], c[1]
		lo, hi := Exact(k, n, 0.95)
		below, above := 0.0, 0.0 // P(X <= k) at hi, P(X >= k) at lo
		for i := 0.0; i <= n; i++ {
			a, _ := math.Lgamma(n + 1)
			b, _ := math.Lgamma(i + 1)
			c, _ := math.Lgamma(n - i + 1)
			mass := func(p float64) float64 { return math.Exp(a-b-c) * math.Pow(p, i) * math.Pow(1-p, n-i) }
			if i <= k {
				below += mass(hi)
			}
			if i >= k {
				above += mass(lo)
			}
		}
		if !(k == n && hi == 1 || math.Abs(below-0.025) < 1e-9) || !(k == 0 && lo == 0 || math.Abs(above-0.025) < 1e-9) {
			t.Errorf("%g of %g: %g to %g, tails %g and %g", k, n, lo, hi, above, below)
		}
	}
	if lo, hi := Exact(0, 0, 0.95); lo != 0 || hi != 1 {
		t.Errorf("no trials: %g to %g", lo, hi)
	}
}

func TestAverageAndRescale(t *testing.T) {
	x := Estimate{0.5, 0.3, 0.9}
	a := Average([]Estimate{x, x, x, x})
	if !(math.Abs(a.Value-0.5) < 1e-12 && math.Abs(a.Lo-0.4) < 1e-12 && math.Abs(a.Hi-0.7) < 1e-12) {
		t.Errorf("average of four: %+v", a)
	}
	// 1.959964 and 2.575829 are the normal quantiles.
	if r := x.Rescale(0.95, 0.99); !(math.Abs(r.Lo-(0.5-0.2*2.575829/1.959964)) < 1e-6 && math.Abs(r.Hi-(0.5+0.4*2.575829/1.959964)) < 1e-6) {
		t.Errorf("rescaled: %+v", r)
	}
}

func TestBoundsOf(t *testing.T) {
	const p, u, f = Pass, Undecided, Fail
	for _, c := range []struct {
		verdicts []Verdict
		want     Bounds
	}{
		{nil, Bounds{-1, 0}},
		{[]Verdict{p, p, f}, Bounds{1, 2}},
		{[]Verdict{p, u, f, u}, Bounds{0, 2}},
		{[]Verdict{p, p}, Bounds{1, 2}},
		{[]Verdict{f, p, p}, Bounds{-1, 0}}, // a longer length passes again
		{[]Verdict{p, f, p, f}, Bounds{0, 1}},
		{[]Verdict{u, p, u}, Bounds{-1, 3}},
		{[]Verdict{p, u, p, f}, Bounds{0, 3}},
	} {
		if got := BoundsOf(c.verdicts); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.verdicts, got, c.want)
		}
	}
}

// curve is a true score by length.
type curve struct {
	name  string
	score []float64
}

// effective returns the number of effective lengths of a curve.
func (c curve) effective(threshold float64) (n int) {
	for n < len(c.score) && c.score[n] >= threshold {
		n++
	}
	return n
}

// curves are true curves: a cliff, a slope, one that touches the threshold on both sides, and one
// that recovers after it fails.
var curves = []curve{
	{"cliff", []float64{1, 1, 0.99, 0.99, 0.1, 0}},
	{"slope", []float64{0.98, 0.95, 0.91, 0.85, 0.75, 0.6}},
	{"above", []float64{0.856, 0.856, 0.856, 0.856, 0.856, 0.856}},
	{"below", []float64{0.855, 0.855, 0.855, 0.855, 0.855, 0.855}},
	{"recovers", []float64{0.99, 0.84, 0.99, 0.99, 0.84, 0.99}},
	{"poor", []float64{0.3, 0.28, 0.26, 0.25, 0.24, 0.1}},
}

// known caches exact intervals by hits, trials and level.
var known = map[[3]float64]Estimate{}

// remembered is Exact, cached.
func remembered(hits, n, level float64) Estimate {
	k := [3]float64{hits, n, level}
	x, ok := known[k]
	if !ok {
		lo, hi := Exact(hits, n, level)
		x = Estimate{hits / n, lo, hi}
		known[k] = x
	}
	return x
}

// TestEffectiveErrs measures how often a bound of the effective length is wrong.
func TestEffectiveErrs(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const runs = 2000
	for _, c := range curves {
		for _, n := range []int{5, 20, 50, 200} {
			for _, base := range []bool{false, true} {
				threshold, rule := RulerThreshold, Above(RulerThreshold)
				if base {
					threshold, rule = BaseShare*c.score[0], OfBase(BaseShare)
				}
				wrong := 0
				for range runs {
					hits := make([]float64, len(c.score))
					for i, p := range c.score {
						for range n {
							if r.Float64() < p {
								hits[i]++
							}
						}
					}
					b := Effective(len(hits), func(level float64) (out []Estimate) {
						for _, h := range hits {
							out = append(out, remembered(h, float64(n), level))
						}
						return out
					}, rule)
					if e := c.effective(threshold); b.Passes >= e || b.Fails < e {
						wrong++
					}
				}
				if share := float64(wrong) / runs; !(share <= 0.05) {
					t.Errorf("%s, %d trials, of base %v: wrong in %.1f %% of %d runs", c.name, n, base, 100*share, runs)
				}
			}
		}
	}
}
