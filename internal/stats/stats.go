// Package stats computes the confidence intervals of the tasks' results: Wilson's for a share of
// successes, Student's with jackknifed errors for everything else.
package stats

import (
	"math"
	"slices"

	"github.com/aclements/go-moremath/mathx"
	"github.com/aclements/go-moremath/stats"
)

// Wilson returns the score interval of E. B. Wilson (JASA 22, 1927) for a probability, given hits
// successes in n trials:
//
//	(p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n),  p = hits/n
//
// where z is the normal quantile of the two-sided level (1.96 for 0.95). Unlike p ± z
// sqrt(p(1-p)/n) it is valid at p = 0 and p = 1, and for small n.
//
// hits need not be an integer: a trial may count as any number in [0, 1]. Its variance is then at
// most p(1-p), the binomial's, so the interval is conservative. Without trials the interval is 0,
// 1.
func Wilson(hits, n, level float64) (lo, hi float64) {
	if !(n > 0) {
		return 0, 1
	}
	z := math.Sqrt2 * math.Erfinv(level)
	p := hits / n
	center := p + z*z/(2*n)
	half := z * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	scale := 1 + z*z/n
	// The bounds at p = 0 and p = 1 are 0 and 1 up to rounding; p is always inside.
	return min(p, max(0, (center-half)/scale)), max(p, min(1, (center+half)/scale))
}

// SharedICC is the smallest correlation assumed between trials of one haystack. A measurement gave
// .06 (tiny-yoco-gret, 2Ki, wording invoice, 41 cells of 10 trials). It cannot be estimated from a
// few clusters, or if all answers are correct.
const SharedICC = 0.2

// Clustered returns Wilson's interval for a probability whose trials come in clusters, such as the
// trials of one haystack: hits[i] successes in n[i] trials of cluster i. Correlated trials count as
// fewer independent ones (the design effect of L. Kish, Survey Sampling, 1965, 8.2): n trials of a
// cluster with correlation r count as n / (1 + (n-1) r). r is SharedICC, or the value that explains
// the variance between the clusters' shares if that is larger. If every cluster has one trial, the
// result is Wilson's interval.
func Clustered(hits, n []float64, level float64) (lo, hi float64) {
	return Wilson(independent(hits, n, level))
}

// ClusteredExact is Clustered with the exact interval instead of Wilson's (E. L. Korn and B. I.
// Graubard, Survey Methodology 24, 1998). Wilson's is close to its level on average; the exact one
// is never wrong more often than its level allows, also for few trials and levels near 1, so it
// suits verdicts.
func ClusteredExact(hits, n []float64, level float64) (lo, hi float64) {
	return Exact(independent(hits, n, level))
}

// Exact returns the interval of C. J. Clopper and E. S. Pearson (Biometrika 26, 1934) for a
// probability, given hits successes in n trials; both need not be integers.
func Exact(hits, n, level float64) (lo, hi float64) {
	lo, hi = 0, 1
	if hits > 0 && n > 0 {
		lo = betaQuantile((1-level)/2, hits, n-hits+1)
	}
	if hits < n {
		hi = betaQuantile((1+level)/2, hits+1, n-hits)
	}
	return lo, hi
}

// betaQuantile returns the q-quantile of a beta distribution, by bisection.
func betaQuantile(q, a, b float64) float64 {
	lo, hi := 0.0, 1.0
	for range 60 {
		if mid := (lo + hi) / 2; mathx.BetaInc(mid, a, b) < q {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}

// independent returns the successes and the number of independent trials that trials in clusters
// count as, and the level unchanged.
func independent(hits, n []float64, level float64) (_, _, _ float64) {
	var allHits, all, effective float64
	clusters, single := 0.0, true
	for i := range n {
		if !(n[i] > 0) {
			continue
		}
		allHits, all = allHits+hits[i], all+n[i]
		effective += n[i] / (1 + (n[i]-1)*SharedICC)
		clusters++
		single = single && n[i] == 1
	}
	if clusters == 0 {
		return 0, 0, level
	}
	p := allHits / all
	if clusters > 1 && !single && p > 0 && p < 1 {
		// The variance of a ratio of two sums over clusters (W. G. Cochran, Sampling Techniques,
		// 1977, 6.3).
		squares := 0.0
		for i := range n {
			e := hits[i] - p*n[i]
			squares += e * e
		}
		variance := squares / (all * all) * clusters / (clusters - 1)
		effective = min(effective, max(p*(1-p)/variance, 1))
	}
	return p * effective, effective, level
}

// ClusteredScores is Clustered for scores in 0..1; cluster[i] is the cluster of score i, 0 or more.
func ClusteredScores(scores []float64, cluster []int, level float64) (lo, hi float64) {
	var hits, n []float64
	for i, c := range cluster {
		for len(n) <= c {
			hits, n = append(hits, 0), append(n, 0)
		}
		hits[c] += scores[i]
		n[c]++
	}
	return Clustered(hits, n, level)
}

// PairedDifference returns the interval of the difference of two mean scores in 0..1, mean(a) -
// mean(b), where a[i] and b[i] are two scores of the same question and cluster[i] is its cluster.
//
// It is method 10 of R. G. Newcombe (Statistics in Medicine 17, 1998, 2635-2650), which combines
// the score intervals of both means (here Clustered), with bounds l, u around p:
//
//	lower: d - sqrt((pa-la)² - 2φ(pa-la)(ub-pb) + (ub-pb)²)
//	upper: d + sqrt((ua-pa)² - 2φ(ua-pa)(pb-lb) + (pb-lb)²)
//
// φ is the correlation of the scores, with a continuity correction if it is positive. Unlike
// Student's interval of the differences it is valid if all differences are equal.
func PairedDifference(a, b []float64, cluster []int, level float64) (lo, hi float64) {
	la, ua := ClusteredScores(a, cluster, level)
	lb, ub := ClusteredScores(b, cluster, level)
	var both, onlyA, onlyB, neither float64
	for i := range a {
		both += a[i] * b[i]
		onlyA += a[i] * (1 - b[i])
		onlyB += (1 - a[i]) * b[i]
		neither += (1 - a[i]) * (1 - b[i])
	}
	n := both + onlyA + onlyB + neither
	if !(n > 0) {
		return -1, 1
	}
	phi := 0.0
	if scale := (both + onlyA) * (onlyB + neither) * (both + onlyB) * (onlyA + neither); scale > 0 {
		phi = both*neither - onlyA*onlyB
		if phi > 0 {
			phi = max(phi-n/2, 0)
		}
		phi /= math.Sqrt(scale)
	}
	pa, pb := (both+onlyA)/n, (both+onlyB)/n
	half := func(x, y float64) float64 { return math.Sqrt(max(x*x-2*phi*x*y+y*y, 0)) }
	return max(pa-pb-half(pa-la, ub-pb), -1), min(pa-pb+half(ua-pa, pb-lb), 1)
}

// ClusteredMean returns Student's interval of a mean whose values come in clusters, by leaving out
// each cluster once. cluster[i] is the cluster of value i, 0 to G-1. ok is false if there is only
// one cluster.
func ClusteredMean(values []float64, cluster []int, level float64) (lo, hi float64, ok bool) {
	return Jackknife(cluster, 1, func(times []int, out []float64) {
		sum, n := 0.0, 0.0
		for i, v := range values {
			sum += v * float64(times[i])
			n += float64(times[i])
		}
		out[0] = sum / n
	}).Interval(0, level)
}

// Mean returns the arithmetic mean of xs, NaN if xs is empty.
func Mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

// Quantile returns the q-quantile of sorted, by linear interpolation between order statistics
// (definition 7 of Hyndman and Fan, The American Statistician 50, 1996), NaN if sorted is empty.
func Quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	i := min(int(at), len(sorted)-1)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// Jackknifed holds statistics with their standard errors, from leaving out one cluster of units at
// a time.
type Jackknifed struct {
	values, errors []float64
	freedom        float64
}

// Jackknife computes width statistics of units in clusters, and their standard errors by leaving
// out each cluster once (B. Efron and C. Stein, Annals of Statistics 9, 1981): with G clusters, the
// squared error is (G-1)/G times the sum of squares of the G values about their mean. Clusters must
// be independent of each other: for text, a cluster is a file, not a stretch of it or a token.
// cluster[i] is the cluster of unit i, 0 to G-1. stat receives how often each unit counts (0 or 1)
// and writes the statistics. A statistic that cannot be computed is NaN and has no interval.
func Jackknife(cluster []int, width int, stat func(times []int, out []float64)) Jackknifed {
	clusters := 0
	for _, c := range cluster {
		clusters = max(clusters, c+1)
	}
	times, out := make([]int, len(cluster)), make([]float64, width)
	for i := range times {
		times[i] = 1
	}
	stat(times, out)
	j := Jackknifed{values: slices.Clone(out), errors: make([]float64, width), freedom: float64(clusters - 1)}
	left := make([][]float64, width)
	for g := range clusters {
		for i, c := range cluster {
			times[i] = 1
			if c == g {
				times[i] = 0
			}
		}
		stat(times, out)
		for k, v := range out {
			left[k] = append(left[k], v)
		}
	}
	for k, values := range left {
		mean, squares := Mean(values), 0.0
		for _, v := range values {
			squares += (v - mean) * (v - mean)
		}
		j.errors[k] = math.Sqrt(squares * j.freedom / float64(clusters))
	}
	return j
}

// half returns half the width of Student's interval of statistic i at a two-sided level, NaN if
// there is none.
func (j Jackknifed) half(i int, level float64) float64 {
	if !(j.freedom > 0) {
		return math.NaN()
	}
	return stats.InvCDF(stats.TDist{V: j.freedom})((1+level)/2) * j.errors[i]
}

// Interval returns Student's interval of statistic i at a two-sided level, with G-1 degrees of
// freedom. ok is false if there is only one cluster, or if the statistic is NaN, with all clusters
// or without one of them.
func (j Jackknifed) Interval(i int, level float64) (lo, hi float64, ok bool) {
	h := j.half(i, level)
	lo, hi = j.values[i]-h, j.values[i]+h
	return lo, hi, lo <= hi
}

// PositiveInterval computes the interval of the logarithm of a statistic that is positive by
// nature, such as a loss. The bounds are positive, and coverage is closer to the level if a few
// clusters are far above the others. If the statistic is not positive, it returns Interval.
func (j Jackknifed) PositiveInterval(i int, level float64) (lo, hi float64, ok bool) {
	v := j.values[i]
	if !(v > 0) {
		return j.Interval(i, level)
	}
	h := j.half(i, level) / v
	lo, hi = v*math.Exp(-h), v*math.Exp(h)
	return lo, hi, lo <= hi && !math.IsInf(hi, 1)
}

// QuantileBounds returns order statistics of sorted, independent values that enclose the q-quantile
// of their distribution with at least the probability level, whatever the distribution is. ok is
// false if there are too few values: the upper bound of a 99th percentile at .95 takes 368.
func QuantileBounds(sorted []float64, q, level float64) (lo, hi float64, ok bool) {
	n, tail := len(sorted), (1-level)/2
	if n == 0 || !(q > 0 && q < 1) {
		return 0, 0, false
	}
	lg := func(k int) float64 { v, _ := math.Lgamma(float64(k + 1)); return v }
	below := -1 // the largest k such that at most k values are below the quantile with probability tail or less
	above := n + 1
	sum := 0.0
	for k := range n + 1 {
		sum += math.Exp(lg(n) - lg(k) - lg(n-k) + float64(k)*math.Log(q) + float64(n-k)*math.Log1p(-q))
		if sum <= tail {
			below = k
		}
		if above > n && 1-sum <= tail {
			above = k + 1
		}
	}
	if below < 0 || above > n {
		return 0, 0, false
	}
	return sorted[below], sorted[above-1], true
}
