package compare

import (
	"math"
	"slices"

	"github.com/aclements/go-moremath/mathx"
	"github.com/aclements/go-moremath/stats"
	"golang.org/x/perf/benchmath"
)

// evidence describes how the data relate one number, such as a median or a ratio, to a limit.
type evidence struct {
	estimate float64
	// lo and hi bound the number at the given confidence. They are infinite if the data give no
	// bound.
	lo, hi float64
	// above is the one-sided p-value of the hypothesis that the number is at most the limit; a
	// small value means that it is above. below is the p-value of the opposite hypothesis.
	above, below float64
	// exact reports that the number is known, so that p-values are 0 or 1.
	exact bool
	// n counts the samples of the smaller side. need estimates how many would decide: 0 if unknown,
	// tooMany if no reasonable number would.
	n, need int
	method  string
	// byRun reports that the samples are runs, wantsRuns that need counts runs.
	byRun, wantsRuns bool
	// rounds holds the values of the rounds of an interleaved measurement.
	rounds []float64
}

// tooMany caps the estimated number of samples.
const tooMany = 10000

// exactly compares a known value with a limit.
func exactly(value, limit float64) evidence {
	e := evidence{estimate: value, lo: value, hi: value, above: 1, below: 1, exact: true, n: 1, method: "exact"}
	if value >= limit { // a value at the limit satisfies both >= and <=
		e.above = 0
	}
	if value <= limit {
		e.below = 0
	}
	return e
}

// medianAgainst compares the median of samples with a limit by the sign test.
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

// leastSigns returns the smallest number of samples with which the sign test can reach a one-sided
// p.
func leastSigns(p float64) int {
	n := 1
	for math.Exp2(-float64(n)) > p {
		n++
	}
	return n
}

// binomialAtMost returns the probability of at most k hits in n trials with hit probability p.
func binomialAtMost(k int, n int, p float64) float64 { return shareAtMost(float64(k), float64(n), p) }

// shareAtMost is binomialAtMost for a sum of scores, which need not be an integer. It uses the
// regularised incomplete beta function: 1 - I_p(k+1, n-k).
func shareAtMost(k, n, p float64) float64 {
	if k >= n {
		return 1
	}
	return mathx.BetaInc(1-p, n-k, k+1)
}

// samplesNeeded estimates how many samples would decide. An interval's width is inversely
// proportional to the square root of their number. To decide with a probability of 80 %, the
// distance from the estimate to the limit must be (1.96 + .84) / 1.96 = 1.43 half-widths. scale
// makes distances additive. least is the smallest number that allows a verdict.
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

// meanAgainst compares the mean of samples with a limit by Student's t.
func meanAgainst(samples []float64, limit, confidence float64) evidence {
	e := evidence{estimate: stats.Mean(samples), n: len(samples), method: "mean, Student's t"}
	c := meanOf(samples)
	e.lo, e.hi = c.bounds(confidence)
	e.above, e.below = c.p(limit)
	e.need = e.samplesNeeded(limit, 3, func(v float64) float64 { return v })
	return e
}

// within limits the evidence on a mean to what the record's own interval supports as well. That
// interval may know of correlated questions, or hold where Student's does not: differences between
// right and wrong answers that are all 0 are no proof.
func (e evidence) within(lo, hi *float64, limit float64) evidence {
	if lo == nil || hi == nil {
		return e
	}
	e.lo, e.hi = min(e.lo, *lo), max(e.hi, *hi)
	if !(*lo > limit) {
		e.above = 1
	}
	if !(*hi < limit) {
		e.below = 1
	}
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

// p returns the one-sided p-values for a mean above and below a limit.
func (t tMean) p(limit float64) (above, below float64) {
	switch d := t.mean - limit; {
	case math.IsInf(t.err, 1):
		return 1, 1
	case t.err == 0: // all samples are equal
		return map[bool]float64{true: 0, false: 1}[d >= 0], map[bool]float64{true: 0, false: 1}[d <= 0]
	default:
		dist := stats.TDist{V: t.freedom}
		return dist.CDF(-d / t.err), dist.CDF(d / t.err)
	}
}

// shareAgainst compares a share of right answers with a limit, by the binomial distribution.
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

// clopperPearson bounds a probability after hits in n trials (Clopper and Pearson 1934). hits may
// be a sum of scores in [0, 1], because their variance is at most that of hits.
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

// bisect returns the point at which a condition that holds at lo and not at hi changes.
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

// sharesNeeded returns the smallest number of questions that would decide at the present share of
// right answers.
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
