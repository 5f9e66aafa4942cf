package compare

import (
	"math"
	"slices"

	"github.com/aclements/go-moremath/mathx"
	"github.com/aclements/go-moremath/stats"
	"golang.org/x/perf/benchmath"
)

// evidence is what the data say about one number, such as a median or a ratio, and a limit.
type evidence struct {
	estimate float64
	// lo and hi bound the number at the confidence asked for; infinite where the data set no bound.
	lo, hi float64
	// above is the probability of data that speak so clearly for a number above the limit, if it
	// were at most the limit; below is that for a number below. Both are one-sided p-values.
	above, below float64
	// exact: the number is known, and p-values are 0 or 1.
	exact bool
	// n counts the samples of the smaller side; need estimates how many would decide: 0 where that
	// is not known, tooMany where it is beyond reason.
	n, need int
	method  string
	// byRun: the samples are runs; wantsRuns: need counts runs.
	byRun, wantsRuns bool
	// rounds are the figures of the rounds of an interleaved measurement.
	rounds []float64
}

// tooMany is where an estimate of the samples needed ends.
const tooMany = 10000

// exactly compares what is known.
func exactly(value, limit float64) evidence {
	e := evidence{estimate: value, lo: value, hi: value, above: 1, below: 1, exact: true, n: 1, method: "exact"}
	if value >= limit { // at the limit is on both right sides
		e.above = 0
	}
	if value <= limit {
		e.below = 0
	}
	return e
}

// medianAgainst judges the median of samples against a limit by the sign test.
func medianAgainst(samples []float64, limit, confidence float64) evidence {
	s := benchmath.NewSample(slices.Clone(samples), &benchmath.DefaultThresholds)
	sum := benchmath.AssumeNothing.Summary(s, confidence)
	e := evidence{estimate: sum.Center, lo: sum.Lo, hi: sum.Hi, n: len(samples), method: "median, sign test"}
	var atMost, atLeast int
	for _, v := range samples {
		if v <= limit {
			atMost++
		}
		if v >= limit {
			atLeast++
		}
	}
	e.above, e.below = binomialAtMost(atMost, len(samples), 0.5), binomialAtMost(atLeast, len(samples), 0.5)
	e.need = e.samplesNeeded(limit, leastSigns((1-confidence)/2), func(v float64) float64 { return v })
	return e
}

// leastSigns is the smallest number of samples with which the sign test can reach a one-sided p.
func leastSigns(p float64) int {
	n := 1
	for math.Exp2(-float64(n)) > p {
		n++
	}
	return n
}

// binomialAtMost is the probability of at most k hits in n trials, each a hit with probability p; k
// need not be whole.
func binomialAtMost(k int, n int, p float64) float64 { return shareAtMost(float64(k), float64(n), p) }

// shareAtMost is the same for a sum of scores, by the regularised incomplete beta function: 1 -
// I_p(k+1, n-k).
func shareAtMost(k, n, p float64) float64 {
	if k >= n {
		return 1
	}
	return mathx.BetaInc(1-p, n-k, k+1)
}

// samplesNeeded estimates how many samples would decide. An interval's width falls with the square
// root of their number. To decide with a probability of 80 %, the distance from the estimate to the
// limit must be (1.96 + .84) / 1.96 = 1.43 half-widths. scale makes distances additive. least is
// the number with which a verdict is possible at all.
func (e evidence) samplesNeeded(limit float64, least int, scale func(float64) float64) int {
	if e.n < least {
		return least
	}
	edge := e.lo
	if e.estimate < limit {
		edge = e.hi
	}
	width, distance := math.Abs(scale(e.estimate)-scale(edge)), math.Abs(scale(e.estimate)-scale(limit))
	need := math.Ceil(float64(e.n) * math.Pow(1.43*width/distance, 2))
	if !(need < tooMany) {
		return tooMany
	}
	return max(int(need), e.n+1)
}

// meanAgainst judges the mean of samples against a limit by Student's t.
func meanAgainst(samples []float64, limit, confidence float64) evidence {
	e := evidence{estimate: stats.Mean(samples), n: len(samples), method: "mean, Student's t"}
	c := meanOf(samples)
	e.lo, e.hi = c.bounds(confidence)
	e.above, e.below = c.p(limit)
	e.need = e.samplesNeeded(limit, 3, func(v float64) float64 { return v })
	return e
}

// tMean is an estimate whose error follows Student's distribution.
type tMean struct{ mean, err, freedom float64 }

func meanOf(xs []float64) tMean {
	n := float64(len(xs))
	if n < 2 {
		return tMean{stats.Mean(xs), math.Inf(1), 1}
	}
	return tMean{stats.Mean(xs), stats.StdDev(xs) / math.Sqrt(n), n - 1}
}

func (t tMean) bounds(confidence float64) (lo, hi float64) {
	if math.IsInf(t.err, 1) {
		return math.Inf(-1), math.Inf(1)
	}
	q := stats.InvCDF(stats.TDist{V: t.freedom})((1 + confidence) / 2)
	return t.mean - q*t.err, t.mean + q*t.err
}

// p gives the one-sided p-values for a mean above and below a limit.
func (t tMean) p(limit float64) (above, below float64) {
	switch d := t.mean - limit; {
	case math.IsInf(t.err, 1):
		return 1, 1
	case t.err == 0: // every sample is the same
		return map[bool]float64{true: 0, false: 1}[d >= 0], map[bool]float64{true: 0, false: 1}[d <= 0]
	default:
		dist := stats.TDist{V: t.freedom}
		return dist.CDF(-d / t.err), dist.CDF(d / t.err)
	}
}

// shareAgainst judges a share of right answers against a limit, by the binomial distribution.
func shareAgainst(scores []float64, limit, confidence float64) evidence {
	n, hits := float64(len(scores)), sum(scores)
	e := evidence{estimate: hits / n, n: len(scores), method: "share, exact binomial"}
	e.lo, e.hi = clopperPearson(hits, n, confidence)
	e.above, e.below = shareAtMost(n-hits, n, 1-limit), shareAtMost(hits, n, limit)
	if tail := (1 - confidence) / 2; e.above > tail && e.below > tail {
		e.need = sharesNeeded(hits/n, limit, confidence, len(scores))
	}
	return e
}

// clopperPearson bounds a probability of which hits in n were seen (Clopper and Pearson 1934). hits
// may be a sum of scores in [0, 1], whose spread is at most that of hits.
func clopperPearson(hits, n, confidence float64) (lo, hi float64) {
	tail := (1 - confidence) / 2
	lo, hi = 0, 1
	if hits > 0 {
		lo = bisect(0, 1, func(p float64) bool { return shareAtMost(n-hits, n, 1-p) < tail })
	}
	if hits < n {
		hi = bisect(0, 1, func(p float64) bool { return shareAtMost(hits, n, p) > tail })
	}
	return lo, hi
}

// bisect finds where a condition that holds at lo and not at hi stops holding.
func bisect(lo, hi float64, holds func(float64) bool) float64 {
	for range 50 {
		mid := lo + (hi-lo)/2
		if holds(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo + (hi-lo)/2
}

// sharesNeeded is the least number of questions that decides if their share of right answers stays
// as it is.
func sharesNeeded(share, limit, confidence float64, n int) int {
	decides := func(n int) bool {
		lo, hi := clopperPearson(share*float64(n), float64(n), confidence)
		return lo > limit || hi < limit
	}
	if n >= tooMany || !decides(tooMany) {
		return tooMany
	}
	lo, hi := n, tooMany
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; decides(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}

func sum(xs []float64) (s float64) {
	for _, x := range xs {
		s += x
	}
	return s
}
