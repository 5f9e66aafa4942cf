package compare

import (
	"math"
	"slices"
	"sort"
	"sync"

	"github.com/yocobench/yocobench/suites/result"
)

// interimAnalyses are the numbers of rounds after which gates are tested in an interleaved
// measurement. They are not tested in between, or after the last one. Each analysis gets the same
// part of the error probability.
var interimAnalyses = []int{10, 12, 15, 18, 22, 27, 33, 40, 48, 58, 70, 84, 100, 120}

// MaxRounds returns the number of rounds of the last interim analysis.
func MaxRounds() int { return interimAnalyses[len(interimAnalyses)-1] }

// IsInterimAnalysis reports whether there is an interim analysis after so many rounds.
func IsInterimAnalysis(rounds int) bool { return slices.Contains(interimAnalyses, rounds) }

// Repeats reports whether a metric of a record varies between measurements, which times and speeds
// do.
func Repeats(tasks result.Tasks, r *result.Record, metric string) bool {
	_, ok := r.Metrics[metric]
	return ok && KindOf(tasks, r, metric) == Timed
}

// NewInterleaved pools the journals of one side of an interleaved measurement, one per round. The
// i-th journals of both sides belong to the same round.
func NewInterleaved(name string, rounds []*result.Journal) *Side {
	return newSide(name, rounds, nil, true)
}

// bestDecile returns the mean of the best tenth of a round's samples, at least one: the shortest
// times or the highest speeds. Other load makes samples slower, on a busy machine most of them.
// Samples that ran without interruption show the program's own speed. There are such samples if a
// sample is shorter than the scheduler's time slice, a few milliseconds.
func bestDecile(samples []float64, better result.Better) float64 {
	s := sorted(samples)
	if better == result.Higher {
		slices.Reverse(s)
	}
	best := s[:max(1, len(s)/10)]
	return sum(best) / float64(len(best))
}

// figures returns the best decile of each round of a sample.
func (s *Sample) figures() (out []float64) {
	for _, r := range s.rounds {
		out = append(out, bestDecile(r, s.Better))
	}
	return out
}

// ratios returns the ratios of the figures of two samples, round by round.
func ratios(a, b *Sample) []float64 {
	x, y := a.figures(), b.figures()
	x = x[:min(len(x), len(y))]
	for i := range x {
		x[i] /= y[i]
	}
	return x
}

// interleavedAgainst compares the ratio of two interleaved sides with a factor, by Wilcoxon's
// signed-rank test on the logarithms of the rounds' ratios, at every interim analysis so far.
func interleavedAgainst(candidate, base *Sample, factor, confidence float64) evidence {
	r := ratios(candidate, base)
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

// medianOfRounds compares the median of the rounds, x, with a limit, by the sign test at every
// interim analysis so far.
func medianOfRounds(x []float64, limit, confidence float64) evidence {
	e := sequential(x, limit, confidence, medianAgainst)
	e.rounds = x
	e.method = "median of rounds, sign test"
	return e
}

// ratioOfRounds compares the median over rounds of the ratio of two cases of one side with a
// factor, by the sign test. Cases are not exchanged at random, so their ratio need not be
// symmetric, and the signed-rank test does not apply.
func ratioOfRounds(candidate, base *Sample, factor, confidence float64) evidence {
	e := medianOfRounds(ratios(candidate, base), factor, confidence)
	e.lo = max(e.lo, 0)
	e.method = "ratio in each round, sign test"
	return e
}

// sequential combines the evidence of all interim analyses of x. Each analysis uses an equal part
// of the error probability. So the overall p-value is the smallest p-value times the number of
// analyses, and the overall interval is the intersection of all intervals.
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

// signedRanks compares the centre of symmetry of x with a limit by Wilcoxon's signed-rank test. The
// bounds are Walsh averages, (x_i + x_j) / 2 with i <= j, at the ranks that the test's distribution
// gives (Hodges and Lehmann 1963; Hollander, Wolfe and Chicken, 3.1 to 3.3).
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
	// The k-th smallest average is a lower bound if the probability that at most k-1 averages are
	// below the true value is small enough.
	p := signedRankDistribution(len(x))
	if k := sort.Search(w/2+1, func(k int) bool { return p[k] > (1-confidence)/2 }); k > 0 {
		e.lo, e.hi = walsh[k-1], walsh[w-k]
	}
	return e
}

// signedRankP returns the one-sided p-values of Wilcoxon's test for a centre of x above and below a
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

// signedRankDistribution returns P(T <= t) for t from 0 to n(n+1)/2, where T is the sum of a random
// subset of the ranks 1 to n. P(T = t) is 2^-n times the coefficient of q^t in the product of 1 +
// q^i.
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

// Open returns the ids of the cases for which more rounds may decide a gate. A gate that has
// regressed needs no more rounds.
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
