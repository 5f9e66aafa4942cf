package compare

import (
	"math"
	"slices"
	"sort"
	"sync"

	"github.com/aclements/go-moremath/stats"
)

// ratioAgainst judges the ratio of the medians of two sets of positive times or speeds against a
// factor. Where both sides have the same noise but for a factor, new / base > factor is the claim
// that samples of new tend to be above factor x those of base: Mann and Whitney's test of these
// two. Ties count against every claim.
func ratioAgainst(fresh, base []float64, factor, confidence float64) evidence {
	x, y := sorted(fresh), sorted(base)
	n, m := len(x), len(y)
	e := evidence{n: min(n, m), method: "ratio of medians, Mann-Whitney U"}
	// Pairs with x/y < factor are those not at least factor.
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

// leastRuns is the smallest number of samples of two sides of equal size with which Mann and
// Whitney's test can reach a one-sided p: with n of each, the most extreme of the (2n over n)
// orders has a probability of 1/(2n over n).
func leastRuns(p float64) int {
	n := 1
	for uAtMost(n, n, 0) > p && n < tooMany {
		n++
	}
	return n
}

// runsAgainst judges the ratio of the medians of runs of two sides against a factor, as
// ratioAgainst does. A side of one run supports no verdict: nothing shows how far runs of that side
// differ.
func runsAgainst(fresh, base []float64, factor, confidence float64) evidence {
	e := ratioAgainst(fresh, base, factor, confidence)
	e.method = "ratio of runs, Mann-Whitney U"
	if e.n < 2 {
		e.lo, e.hi, e.above, e.below = 0, math.Inf(1), 1, 1
	}
	return e
}

// insideRuns judges the ratio of two cases of the same runs against a factor: by the sign test of
// the ratios of their medians, run by run, where the runs are enough for it. With fewer, the two
// cases were measured in few stretches of time, and nothing shows how far stretches differ. Then
// the ratio is only judged where the samples are wholly apart: every one of one case, less the
// factor, on the same side of every one of the other. Its bounds are the smallest and the largest
// ratio of two samples.
func insideRuns(fresh, base *Sample, factor, confidence float64) evidence {
	tail := (1 - confidence) / 2
	if r := runRatios(fresh, base); len(r) >= leastSigns(tail) {
		e := medianAgainst(r, factor, confidence)
		e.method, e.byRun = "ratio in each run, sign test", true
		return e
	}
	e := ratioAgainst(fresh.Values, base.Values, factor, confidence)
	e.method = "all samples apart"
	e.lo, e.hi, e.above, e.below = 0, math.Inf(1), 1, 1
	apart := uAtMost(len(fresh.Values), len(base.Values), 0)
	if apart > tail {
		return e // so few samples can be apart by chance
	}
	e.lo, e.hi = slices.Min(fresh.Values)/slices.Max(base.Values), slices.Max(fresh.Values)/slices.Min(base.Values)
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

// kthRatio is the k-th smallest of all ratios x/y of two sorted sets of positive numbers: the
// smallest number that k ratios do not exceed, found by halving the range of floating-point
// numbers, which takes no room for the ratios.
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

// exactU is the number of samples up to which the distribution of U is computed; beyond, it is
// close to normal.
const exactU = 50

// uAtMost is the probability that U, for samples of n and m from one distribution without ties, is
// at most u.
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

// uDistribution gives P(U <= u) for u from 0 to nm. The number of orders of n and m samples with U
// = u is the coefficient of q^u in the Gaussian binomial, the product over i = 1..n of (1 -
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

// uCritical is the largest k with P(U < k) <= tail: the k-th smallest ratio is then a lower bound
// at 1-tail. 0: there is none.
func uCritical(n, m int, tail float64) int {
	return sort.Search(n*m/2+1, func(k int) bool { return uAtMost(n, m, k) > tail })
}

// contrast bounds new - factor x base at a confidence, for two shares or two means.
type contrast func(factor, confidence float64) (lo, hi float64)

// against judges the ratio of two shares or means against a factor, by their difference new -
// factor x base.
func (c contrast) against(fresh, base, factor, confidence float64, n int, method string) evidence {
	e := evidence{estimate: fresh / base, lo: 0, hi: math.Inf(1), above: 1, below: 1, n: n, method: method}
	// The p-value is 1 - the highest confidence at which the bound still clears 0.
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
	// The bounds of the ratio are the factors at which the difference is just not clear. 1e6 means
	// no bound.
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

// shareContrast bounds the difference new - factor x base of two shares by the distances of its
// parts to their bounds, added in squares (Newcombe 1998, method 10; Zou and Donner 2008, for
// factors and sums). Where both sides answered the same questions, the parts are the share gained,
// the share lost, and (1 - factor) x base: few questions change sides, and a correlation, as
// Newcombe has it for pairs, says too little of them. In a simulation with n = 100 it errs in 7 %.
func shareContrast(fresh, base []float64, paired bool) contrast {
	n, m := float64(len(fresh)), float64(len(base))
	type part struct{ weight, hits, n float64 }
	if !paired {
		return func(factor, confidence float64) (lo, hi float64) {
			return combine(confidence, part{1, sum(fresh), n}, part{-factor, sum(base), m})
		}
	}
	var gained, lost float64
	for i := range fresh {
		gained += max(fresh[i]-base[i], 0)
		lost += max(base[i]-fresh[i], 0)
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

// meanContrast bounds the difference of two means by Student's t, of the differences where both
// sides answered the same questions, or else with Welch's degrees of freedom.
func meanContrast(fresh, base []float64, paired bool) contrast {
	return func(factor, confidence float64) (lo, hi float64) {
		if paired {
			d := make([]float64, len(fresh))
			for i := range d {
				d[i] = fresh[i] - factor*base[i]
			}
			return meanOf(d).bounds(confidence)
		}
		a, b := meanOf(fresh), meanOf(base)
		va, vb := a.err*a.err, factor*b.err*factor*b.err
		t := tMean{a.mean - factor*b.mean, math.Sqrt(va + vb), (va + vb) * (va + vb) / (va*va/a.freedom + vb*vb/b.freedom)}
		if !(t.freedom > 0) { // no spread on either side
			t.freedom = 1
		}
		return t.bounds(confidence)
	}
}
