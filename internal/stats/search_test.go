package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// draw returns a score of a mean p: 0 or 1 or, if parts is set, the mean of that many.
func draw(r *rand.Rand, p float64, parts int) (x float64) {
	for range max(parts, 1) {
		if r.Float64() < p {
			x += 1 / float64(max(parts, 1))
		}
	}
	return min(x, 1)
}

// search runs a search on a curve.
func (c curve) search(r *rand.Rand, budget, parts int, criteria ...Criterion) *Search {
	s := NewSearch(len(c.score), budget, criteria...)
	for {
		i, n, ok := s.Next()
		if !ok {
			return s
		}
		scores := make([]float64, n)
		for k := range scores {
			scores[k] = draw(r, c.score[i], parts)
		}
		s.Add(i, scores...)
	}
}

// threshold returns the score at which a length of the curve is effective.
func (c curve) threshold(k Criterion) float64 {
	if k.OfBase {
		return k.Threshold * c.score[0]
	}
	return k.Threshold
}

func (b Bounds) wrong(effective int) bool { return b.Passes >= effective || b.Fails < effective }

func (b Bounds) decided() bool { return b.Passes+1 == b.Fails }

// TestSearchErrs measures how often a bound of a search is wrong.
func TestSearchErrs(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const runs = 200
	for _, c := range curves {
		for _, budget := range []int{40, 160} {
			for _, parts := range []int{1, 3} {
				wrong := make([]int, 2)
				for range runs {
					s := c.search(r, budget, parts, Criteria()...)
					for k, criterion := range s.Criteria {
						if s.Bounds(k).wrong(c.effective(c.threshold(criterion))) {
							wrong[k]++
						}
					}
					if n := s.Trials(); n > budget {
						t.Fatalf("%d trials of %d", n, budget)
					}
				}
				for k, n := range wrong {
					if share := float64(n) / runs; !(share <= 0.05) {
						t.Errorf("%s, budget %d, %d parts, criterion %d: wrong in %.1f %% of %d runs", c.name, budget, parts, k, 100*share, runs)
					}
				}
			}
		}
	}
}

// TestWealthEndures looks after every trial at a mean equal to the threshold: the wealth must reach
// 20 in at most 5 % of the runs, in either direction.
func TestWealthEndures(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const runs, trials = 600, 150
	for _, mean := range []float64{0.5, 0.856, 0.95} {
		reached := [2]int{}
		for range runs {
			var xs [2][]float64
			var was [2]bool
			for range trials {
				x := draw(r, mean, 1) - mean
				xs[0], xs[1] = append(xs[0], x), append(xs[1], -x)
				for i, low := range []float64{-mean, mean - 1} {
					w, _ := LogWealth(xs[i], low)
					was[i] = was[i] || w >= math.Log(20)
				}
			}
			for i, w := range was {
				if w {
					reached[i]++
				}
			}
		}
		for i, n := range reached {
			if share := float64(n) / runs; !(share <= 0.05) {
				t.Errorf("mean %g, direction %d: reached in %.1f %% of %d runs", mean, i, 100*share, runs)
			}
		}
	}
}

func TestSequence(t *testing.T) {
	// The order does not matter, nor whether there are few or many different scores.
	var many, few []float64
	for i := range 300 {
		many, few = append(many, float64(i)/299), append(few, float64(i%2))
	}
	lo, hi := Sequence(many, 0.95)
	slices.Reverse(many)
	if a, b := Sequence(many, 0.95); !(math.Abs(a-lo) < 1e-6 && math.Abs(b-hi) < 1e-6) {
		t.Errorf("reversed: %g to %g, want %g to %g", a, b, lo, hi)
	}
	if a, b := Sequence(few, 0.95); !(a < lo && lo < 0.5 && 0.5 < hi && hi < b) {
		t.Errorf("extremes: %g to %g, want wider than %g to %g", a, b, lo, hi)
	}
	for _, c := range []struct {
		scores []float64
		lo, hi float64
	}{{nil, 0, 1}, {make([]float64, 60), 0, 0.15}, {[]float64{1, 0, 0.5}, 0, 1}} {
		lo, hi := Sequence(c.scores, 0.95)
		if !(lo >= c.lo && hi <= c.hi && lo <= Mean(append(c.scores, 0)) && hi > 0) {
			t.Errorf("%d scores: %g to %g", len(c.scores), lo, hi)
		}
	}
	ones := make([]float64, 40)
	for i := range ones {
		ones[i] = 1
	}
	lo, hi = Sequence(ones, 0.95)
	exact, _ := Exact(40, 40, 0.95)
	if !(lo > RulerThreshold && lo < exact && hi > 1-1e-6) {
		t.Errorf("40 of 40: %g to %g", lo, hi)
	}
}

// TestSearchSpendsWhereItDecides checks the lengths that a search asks at.
func TestSearchSpendsWhereItDecides(t *testing.T) {
	s := curve{"cliff", []float64{1, 1, 1, 0, 0, 0}}.search(rand.New(rand.NewPCG(1, 1)), 1000, 1, Criteria()...)
	for k := range s.Criteria {
		if b := s.Bounds(k); b != (Bounds{2, 3}) {
			t.Errorf("criterion %d: %+v", k, b)
		}
	}
	if n := len(s.Scores[3]); n > 16 {
		t.Errorf("%d trials at the first length that fails", n)
	}
	if len(s.Scores[4])+len(s.Scores[5]) > 0 || s.Trials() > 160 {
		t.Errorf("%d trials, %d and %d of them at lengths that do not matter", s.Trials(), len(s.Scores[4]), len(s.Scores[5]))
	}
	// A model that cannot do anything is decided at once, and its base is never asked for more.
	s = curve{"floor", []float64{0, 0, 0}}.search(rand.New(rand.NewPCG(1, 1)), 1000, 1, Criteria()...)
	if b := s.Bounds(0); b != (Bounds{-1, 0}) || s.Bounds(1) != (Bounds{-1, 3}) || s.Trials() > 20 {
		t.Errorf("floor: %+v, %+v after %d trials", b, s.Bounds(1), s.Trials())
	}
	// A model near the floor does not spend the budget on shares of its base.
	low := NewSearch(3, 1000, Criteria()...)
	low.Floor = Floor(0)
	r := rand.New(rand.NewPCG(1, 1))
	for i, n, ok := low.Next(); ok; i, n, ok = low.Next() {
		for range n {
			low.Add(i, draw(r, 0.03, 1))
		}
	}
	if b := low.Bounds(0); b.Fails != 0 || low.Trials() > 40 {
		t.Errorf("near the floor: %+v after %d trials", b, low.Trials())
	}
	// Two lengths of three cannot be measured.
	s = NewSearch(3, 1000, Criteria()...)
	s.Cut(1)
	for {
		i, n, ok := s.Next()
		if !ok {
			break
		}
		for range n {
			s.Add(i, 1)
		}
	}
	if b := s.Bounds(0); b != (Bounds{0, 1}) || s.Trials() > 48 {
		t.Errorf("cut: %+v after %d trials", b, s.Trials())
	}
}

// BenchmarkSearch measures searches by the fixed threshold: the share of wrong bounds, the share of
// decided searches, and their trials and tokens; and the trials and tokens with which a fixed
// design (Effective) decides as often. Run it with -benchtime 10000x.
func BenchmarkSearch(b *testing.B) {
	steep := curve{"steep", []float64{0.99, 0.98, 0.95, 0.6, 0.3, 0.1}}
	perfect := curve{"perfect", []float64{1, 1, 1, 1, 1, 1}}
	for _, c := range append([]curve{perfect, steep}, curves...) {
		for _, budget := range []int{100, 300} {
			b.Run(fmt.Sprintf("%s/%d", c.name, budget), func(b *testing.B) {
				r := rand.New(rand.NewPCG(7, 8))
				wrong, decided, trials, tokens := 0, 0, 0, 0.0
				effective := c.effective(RulerThreshold)
				for b.Loop() {
					s := c.search(r, budget, 1, Criteria()[0])
					trials += s.Trials()
					for i, scores := range s.Scores {
						tokens += float64(len(scores)) * math.Exp2(float64(i))
					}
					if s.Bounds(0).wrong(effective) {
						wrong++
					}
					if s.Bounds(0).decided() {
						decided++
					}
				}
				n := float64(b.N)
				b.ReportMetric(100*float64(wrong)/n, "wrong-%")
				b.ReportMetric(100*float64(decided)/n, "decided-%")
				b.ReportMetric(float64(trials)/n, "trials")
				b.ReportMetric(tokens/n, "tokens")
				if float64(decided) < n/2 {
					return
				}
				for each := 5; each <= 1000; each += 5 {
					const runs = 400
					same := 0
					for range runs {
						hits := make([]float64, len(c.score))
						for i, p := range c.score {
							hits[i] = draw(r, p, each) * float64(each)
						}
						if Effective(len(hits), func(level float64) (out []Estimate) {
							for _, h := range hits {
								out = append(out, remembered(math.Round(h), float64(each), level))
							}
							return out
						}, Above(RulerThreshold)).decided() {
							same++
						}
					}
					if float64(same)/runs >= float64(decided)/n {
						b.ReportMetric(float64(each*len(c.score)), "fixed-trials")
						b.ReportMetric(float64(each)*(math.Exp2(float64(len(c.score)))-1), "fixed-tokens")
						return
					}
				}
			})
		}
	}
}
