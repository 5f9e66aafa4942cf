package compare

import (
	"math"
	"slices"
	"sort"
	"sync"

	"github.com/aclements/go-moremath/stats"
)

// ratioAgainst compares the ratio of the medians of two sets of positive times or speeds with a
// factor. If both sides have the same noise up to a factor, new / base > factor means that samples
// of new tend to exceed factor x those of base, which the Mann-Whitney U test decides. Ties count
// against every claim.
func ratioAgainst(candidate, base []float64, factor, confidence float64) evidence {
	x, y := sorted(candidate), sorted(base)
	n, m := len(x), len(y)
	e := evidence{n: min(n, m), method: "ratio of medians, Mann-Whitney U"}
	// The pairs with x/y < factor are the complement of those with x/y >= factor.
	e.below = uAtMost(n, m, n*m-pairsBelow(x, y, factor, false))
	e.above = uAtMost(n, m, pairsBelow(x, y, factor, true))
	half := n * m / 2
	e.estimate = math.Sqrt(kthRatio(x, y, (n*m+1)/2) * kthRatio(x, y, half+1))
	e.lo, e.hi = 0, math.Inf(1)
	if k := uCritical(n, m, (1-confidence)/2); k > 0 {
		e.lo, e.hi = kthRatio(x, y, k), kthRatio(x, y, n*m-k+1)
	}
	e.need = e.samplesNeeded(factor, leastRuns((1-confidence)/2), math.Log)
	return e
}

// leastRuns returns the smallest number of samples per side with which the Mann-Whitney test can
// reach a one-sided p. With n on each side, the most extreme of the (2n over n) orders has
// probability 1/(2n over n).
func leastRuns(p float64) int {
	n := 1
	for uAtMost(n, n, 0) > p && n < tooMany {
		n++
	}
	return n
}

// runsAgainst is ratioAgainst for the medians of runs. A side with one run supports no verdict,
// because it does not show the variation between runs.
func runsAgainst(candidate, base []float64, factor, confidence float64) evidence {
	e := ratioAgainst(candidate, base, factor, confidence)
	e.method = "ratio of runs, Mann-Whitney U"
	if e.n < 2 {
		e.lo, e.hi, e.above, e.below = 0, math.Inf(1), 1, 1
	}
	return e
}

// insideRuns compares the ratio of two cases of the same runs with a factor. If there are enough
// runs, it uses the sign test on the ratios of their medians, run by run. With fewer runs, each
// case was measured in few stretches of time, and samples do not show how much stretches differ.
// Then the ratio is decided only if the samples are fully separated: each sample of one case
// (divided by the factor) is on the same side of every sample of the other. The bounds are the
// smallest and the largest ratio of two samples.
func insideRuns(candidate, base *Sample, factor, confidence float64) evidence {
	tail := (1 - confidence) / 2
	if r := runRatios(candidate, base); len(r) >= leastSigns(tail) {
		e := medianAgainst(r, factor, confidence)
		e.method, e.byRun = "ratio in each run, sign test", true
		return e
	}
	e := ratioAgainst(candidate.Values, base.Values, factor, confidence)
	e.method = "fully separated samples"
	e.lo, e.hi, e.above, e.below = 0, math.Inf(1), 1, 1
	apart := uAtMost(len(candidate.Values), len(base.Values), 0)
	if apart > tail {
		return e // so few samples may be separated by chance
	}
	e.lo, e.hi = slices.Min(candidate.Values)/slices.Max(base.Values), slices.Max(candidate.Values)/slices.Min(base.Values)
	if e.lo > factor {
		e.above = apart
	}
	if e.hi < factor {
		e.below = apart
	}
	e.need, e.wantsRuns = leastSigns(tail), true
	return e
}

func sorted(xs []float64) []float64 {
	s := slices.Clone(xs)
	slices.Sort(s)
	return s
}

// pairsBelow counts the pairs with x/y < factor (or <= factor) of two sorted sets.
func pairsBelow(x, y []float64, factor float64, orEqual bool) int {
	count, i := 0, 0
	for _, v := range y {
		limit := factor * v
		for i < len(x) && (x[i] < limit || orEqual && x[i] == limit) {
			i++
		}
		count += i
	}
	return count
}

// kthRatio returns the k-th smallest of all ratios x/y of two sorted sets of positive numbers. It
// bisects the floating-point numbers, so it does not store the ratios.
func kthRatio(x, y []float64, k int) float64 {
	lo, hi := uint64(0), math.Float64bits(math.Inf(1))
	for lo < hi {
		mid := lo + (hi-lo)/2
		if pairsBelow(x, y, math.Float64frombits(mid), true) >= k {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return math.Float64frombits(lo)
}

// exactU is the number of samples up to which the distribution of U is computed exactly. Beyond it,
// the normal approximation is used.
const exactU = 50

// uAtMost returns the probability that U is at most u, for n and m samples from one distribution
// without ties.
func uAtMost(n, m, u int) float64 {
	switch {
	case u < 0:
		return 0
	case u >= n*m:
		return 1
	case n <= exactU && m <= exactU:
		return uDistribution(n, m)[u]
	}
	mean := float64(n) * float64(m) / 2
	sigma := math.Sqrt(mean * float64(n+m+1) / 6)
	return stats.StdNormal.CDF((float64(u) + 0.5 - mean) / sigma)
}

var uCache sync.Map

// uDistribution returns P(U <= u) for u from 0 to nm. The number of orders of n and m samples with
// U = u is the coefficient of q^u in the Gaussian binomial, the product over i = 1..n of (1 -
// q^(m+i)) / (1 - q^i).
func uDistribution(n, m int) []float64 {
	if p, ok := uCache.Load([2]int{n, m}); ok {
		return p.([]float64)
	}
	c := make([]float64, n*m+1)
	c[0] = 1
	for i := 1; i <= n; i++ {
		for u := n * m; u >= m+i; u-- {
			c[u] -= c[u-m-i]
		}
		for u := i; u <= n*m; u++ {
			c[u] += c[u-i]
		}
	}
	total := sum(c)
	below := 0.0
	for u := range c {
		below += c[u]
		c[u] = below / total
	}
	uCache.Store([2]int{n, m}, c)
	return c
}

// uCritical returns the largest k with P(U < k) <= tail, or 0 if there is none. The k-th smallest
// ratio is then a lower bound at confidence 1-tail.
func uCritical(n, m int, tail float64) int {
	return sort.Search(n*m/2+1, func(k int) bool { return uAtMost(n, m, k) > tail })
}

// contrast returns bounds of new - factor x base at a confidence, for two shares or two means.
type contrast func(factor, confidence float64) (lo, hi float64)

// against compares the ratio of two shares or means with a factor, through the difference new -
// factor x base.
func (c contrast) against(candidate, base, factor, confidence float64, n int, method string) evidence {
	e := evidence{estimate: candidate / base, lo: 0, hi: math.Inf(1), above: 1, below: 1, n: n, method: method}
	// The p-value is 1 - the highest confidence at which the bound still excludes 0.
	clears := func(side func(lo, hi float64) bool) float64 {
		conf := bisect(0, 1, func(conf float64) bool { return side(c(factor, conf)) })
		return (1 - conf) / 2
	}
	above := func(lo, _ float64) bool { return lo > 0 }
	below := func(_, hi float64) bool { return hi < 0 }
	if above(c(factor, 1e-9)) {
		e.above = clears(above)
	}
	if below(c(factor, 1e-9)) {
		e.below = clears(below)
	}
	// The bounds of the ratio are the factors at which the difference is just not significant. 1e6
	// means no bound.
	const far = 1e6
	if above(c(0, confidence)) {
		e.lo = bisect(0, far, func(f float64) bool { return above(c(f, confidence)) })
	}
	if below(c(far, confidence)) {
		e.hi = bisect(0, far, func(f float64) bool { return !below(c(f, confidence)) })
	}
	e.need = e.samplesNeeded(factor, 3, func(v float64) float64 { return v })
	return e
}

// shareContrast bounds the difference new - factor x base of two shares. The distances of its terms
// from their bounds are added in squares (Newcombe 1998, method 10; Zou and Donner 2008, for
// factors and sums). If both sides answered the same questions, the terms are the share gained, the
// share lost, and (1 - factor) x base. Newcombe's method for pairs, which uses a correlation, is
// not used: few questions change, and in a simulation with n = 100 it errs in 7 %.
func shareContrast(candidate, base []float64, paired bool) contrast {
	n, m := float64(len(candidate)), float64(len(base))
	type part struct{ weight, hits, n float64 }
	if !paired {
		return func(factor, confidence float64) (lo, hi float64) {
			return combine(confidence, part{1, sum(candidate), n}, part{-factor, sum(base), m})
		}
	}
	var gained, lost float64
	for i := range candidate {
		gained += max(candidate[i]-base[i], 0)
		lost += max(base[i]-candidate[i], 0)
	}
	return func(factor, confidence float64) (lo, hi float64) {
		return combine(confidence, part{1 - factor, sum(base), m}, part{1, gained, n}, part{-1, lost, n})
	}
}

// combine bounds the sum of weighted shares, each bounded by Clopper and Pearson.
func combine(confidence float64, parts ...struct{ weight, hits, n float64 }) (lo, hi float64) {
	var d, below, above float64
	for _, p := range parts {
		share := p.hits / p.n
		l, h := clopperPearson(p.hits, p.n, confidence)
		if p.weight < 0 {
			l, h = h, l
		}
		d += p.weight * share
		below += math.Pow(p.weight*(share-l), 2)
		above += math.Pow(p.weight*(h-share), 2)
	}
	return d - math.Sqrt(below), d + math.Sqrt(above)
}

// meanContrast bounds the difference of two means by Student's t: on the differences if both sides
// answered the same questions, otherwise with Welch's degrees of freedom.
func meanContrast(candidate, base []float64, paired bool) contrast {
	return func(factor, confidence float64) (lo, hi float64) {
		if paired {
			d := make([]float64, len(candidate))
			for i := range d {
				d[i] = candidate[i] - factor*base[i]
			}
			return meanOf(d).bounds(confidence)
		}
		a, b := meanOf(candidate), meanOf(base)
		va, vb := a.err*a.err, factor*b.err*factor*b.err
		t := tMean{a.mean - factor*b.mean, math.Sqrt(va + vb), (va + vb) * (va + vb) / (va*va/a.freedom + vb*vb/b.freedom)}
		if !(t.freedom > 0) { // no spread on either side
			t.freedom = 1
		}
		return t.bounds(confidence)
	}
}
