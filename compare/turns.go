package compare

import (
	"math"
	"slices"
	"sort"
	"sync"

	"github.com/yocobench/yocobench/suites/result"
)

// interimAnalyses are the numbers of rounds after which an interleaved measurement is judged. In
// between the data are not looked at, after the last one nothing more is decided. Each look spends
// the same part of the probability of error.
var interimAnalyses = []int{10, 12, 15, 18, 22, 27, 33, 40, 48, 58, 70, 84, 100, 120}

// MaxRounds is the number of rounds after which nothing more is decided.
func MaxRounds() int { return interimAnalyses[len(interimAnalyses)-1] }

// IsLook reports whether an interleaved measurement is judged after so many rounds.
func IsLook(rounds int) bool { return slices.Contains(interimAnalyses, rounds) }

// Repeats reports whether measuring a metric of a record again gives another figure: whether it is
// a time or a speed.
func Repeats(tasks result.Tasks, r *result.Record, metric string) bool {
	_, ok := r.Metrics[metric]
	return ok && KindOf(tasks, r, metric) == Timed
}

// NewTurns pools the journals of one side of an interleaved measurement, one a round. The i-th
// journal of a side is to the i-th of the other what one side's turns are to the other's.
func NewTurns(name string, rounds []*result.Journal) *Side { return newSide(name, rounds, nil, true) }

// bestDecile is the mean of the best tenth of a round's samples, at least one: the fastest times or
// the highest speeds. What disturbs a measurement makes it slower, and on a busy machine it does so
// to most samples; those that ran between two disturbances tell the program's own speed. They are
// found where samples are shorter than the time that the system gives to one process at a stretch,
// some milliseconds.
func bestDecile(samples []float64, better result.Better) float64 {
	s := sorted(samples)
	if better == result.Higher {
		slices.Reverse(s)
	}
	best := s[:max(1, len(s)/10)]
	return sum(best) / float64(len(best))
}

// figures are the best deciles of a sample's rounds.
func (s *Sample) figures() (out []float64) {
	for _, r := range s.turns {
		out = append(out, bestDecile(r, s.Better))
	}
	return out
}

// ratios are those of the figures of two sides, or of two cases of one side, round by round.
func ratios(a, b *Sample) []float64 {
	x, y := a.figures(), b.figures()
	x = x[:min(len(x), len(y))]
	for i := range x {
		x[i] /= y[i]
	}
	return x
}

// turnsAgainst judges the ratio of two interleaved sides against a factor, by Wilcoxon's
// signed ranks of the logarithms of the rounds' ratios, at every look so far.
func turnsAgainst(fresh, base *Sample, factor, confidence float64) evidence {
	r := ratios(fresh, base)
	x := make([]float64, len(r))
	for i := range r {
		x[i] = math.Log(r[i])
	}
	e := sequential(x, math.Log(factor), confidence, signedRanks)
	e.rounds = r
	e.estimate, e.lo, e.hi = math.Exp(e.estimate), math.Exp(e.lo), math.Exp(e.hi)
	e.method = "ratio of interleaved rounds, Wilcoxon's signed ranks"
	return e
}

// medianInTurns judges the median of single rounds, x, against a limit, by the sign test at every
// look so far.
func medianInTurns(x []float64, limit, confidence float64) evidence {
	e := sequential(x, limit, confidence, medianAgainst)
	e.rounds = x
	e.method = "median of rounds, sign test"
	return e
}

// ratioInTurns judges the median over rounds of the ratio of two cases of one side against a
// factor, by the sign test. What differs between two cases is no coin's doing, so that nothing
// makes the distribution of their ratio symmetric.
func ratioInTurns(fresh, base *Sample, factor, confidence float64) evidence {
	e := medianInTurns(ratios(fresh, base), factor, confidence)
	e.lo = max(e.lo, 0)
	e.method = "ratio in each round, sign test"
	return e
}

// sequential puts the evidence of all looks at the first rounds of x together. A claim is held at a
// look if its p-value there is at most the look's part of what the claim may err; so the p-value of
// the whole is the smallest of the looks', times their number, and the interval is what all looks'
// intervals have in common.
func sequential(x []float64, limit, confidence float64, test func(x []float64, limit, confidence float64) evidence) evidence {
	parts := float64(len(interimAnalyses))
	all := evidence{lo: math.Inf(-1), hi: math.Inf(1), above: 1, below: 1, n: len(x), need: interimAnalyses[0]}
	for _, n := range interimAnalyses {
		if n > len(x) {
			break
		}
		e := test(x[:n], limit, 1-(1-confidence)/parts)
		all.lo, all.hi = max(all.lo, e.lo), min(all.hi, e.hi)
		all.above, all.below = min(all.above, parts*e.above), min(all.below, parts*e.below)
		e.n = n
		all.need = e.samplesNeeded(limit, interimAnalyses[0], func(v float64) float64 { return v })
	}
	if len(x) > 0 {
		all.estimate = test(x, limit, confidence).estimate
	}
	if all.need > MaxRounds() {
		all.need = tooMany
	}
	return all
}

// signedRanks judges the centre of symmetry of x against a limit by Wilcoxon's signed-rank test,
// and bounds it by the Walsh averages, (x_i + x_j) / 2 with i <= j, whose ranks the test's
// distribution gives (Hodges and Lehmann 1963; Hollander, Wolfe and Chicken, 3.1 to 3.3).
func signedRanks(x []float64, limit, confidence float64) evidence {
	e := evidence{lo: math.Inf(-1), hi: math.Inf(1), n: len(x)}
	e.above, e.below = signedRankP(x, limit)
	var walsh []float64
	for i := range x {
		for j := i; j < len(x); j++ {
			walsh = append(walsh, (x[i]+x[j])/2)
		}
	}
	slices.Sort(walsh)
	w := len(walsh)
	e.estimate = (walsh[(w-1)/2] + walsh[w/2]) / 2
	// The k-th smallest average is a lower bound if at most k-1 averages lie below the truth with a
	// small enough probability.
	p := signedRankDistribution(len(x))
	if k := sort.Search(w/2+1, func(k int) bool { return p[k] > (1-confidence)/2 }); k > 0 {
		e.lo, e.hi = walsh[k-1], walsh[w-k]
	}
	return e
}

// signedRankP gives the one-sided p-values of Wilcoxon's test for a centre of x above and below a
// limit. The rank sum of the x above the limit is the number of Walsh averages above it. Averages
// at the limit count against every claim.
func signedRankP(x []float64, limit float64) (above, below float64) {
	s, n := sorted(x), len(x)
	var more, less int // averages above and below the limit
	for i, j, k := 0, n, n; i < n; i++ {
		for j > 0 && (s[i]+s[j-1])/2 > limit {
			j--
		}
		for k > 0 && (s[i]+s[k-1])/2 >= limit {
			k--
		}
		more += n - max(j, i)
		less += max(k-i, 0)
	}
	p, w := signedRankDistribution(n), n*(n+1)/2
	return p[w-more], p[w-less]
}

var signedRankCache sync.Map

// signedRankDistribution gives P(T <= t) for t from 0 to n(n+1)/2, T being the sum of those ranks 1
// to n that a fair coin picks: 2^-n times the coefficients of the product of 1 + q^i, added up.
func signedRankDistribution(n int) []float64 {
	if p, ok := signedRankCache.Load(n); ok {
		return p.([]float64)
	}
	p := make([]float64, n*(n+1)/2+1)
	p[0] = 1
	for i := 1; i <= n; i++ {
		for t := i * (i + 1) / 2; t >= 0; t-- {
			p[t] /= 2
			if t >= i {
				p[t] += p[t-i] / 2
			}
		}
	}
	for t := 1; t < len(p); t++ {
		p[t] += p[t-1]
	}
	signedRankCache.Store(n, p)
	return p
}

// Open are the ids of the cases that more rounds may decide a gate on. A gate that has regressed
// needs no more of them.
func (j *Judgement) Open() map[string]bool {
	open := map[string]bool{}
	for _, g := range j.Gates {
		if g.Verdict != Undecided {
			continue
		}
		for _, c := range g.Cases {
			if c.Verdict != Undecided || !c.Rounds {
				continue
			}
			for _, o := range c.cases {
				if o != nil {
					open[o.ID] = true
				}
			}
		}
	}
	return open
}
