// Package stats holds the intervals that tasks put around their numbers:
// Wilson's for a share of successes, the bootstrap's for everything else.
package stats

import (
	"math"
	"slices"
)

// Wilson is the score interval of E. B. Wilson (JASA 22, 1927) for a
// probability of which hits successes in n trials were seen:
//
//	(p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n),  p = hits/n
//
// where z is the normal quantile of the two-sided level (1.96 for 0.95). Unlike
// p ± z sqrt(p(1-p)/n) it says something at p = 0 and p = 1, and for small n.
//
// hits need not be whole: a trial may count as any number in [0, 1]. Its
// variance is then at most p(1-p), the binomial's, so the interval is on the safe side.
// With no trials nothing is known: 0, 1.
func Wilson(hits, n, level float64) (lo, hi float64) {
	if !(n > 0) {
		return 0, 1
	}
	z := math.Sqrt2 * math.Erfinv(level)
	p := hits / n
	center := p + z*z/(2*n)
	half := z * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	scale := 1 + z*z/n
	// The bounds at p = 0 and p = 1 are 0 and 1 but for rounding; p itself always lies inside.
	return min(p, max(0, (center-half)/scale)), max(p, min(1, (center+half)/scale))
}

// Mean is the arithmetic mean of xs, NaN of none.
func Mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

// Quantile is the q-quantile of sorted, by linear interpolation between order
// statistics (definition 7 of Hyndman and Fan, The American Statistician 50,
// 1996). NaN of none.
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

// Resampled is what a bootstrap gave: for each statistic, its value in each resample.
type Resampled struct{ values [][]float64 }

// Bootstrap draws samples resamples of n units with replacement (B. Efron,
// Annals of Statistics 7, 1979) and computes width statistics of each. The unit
// is whatever is independent of the others: for text, a document, not a token.
// intN returns a uniform number in [0, n). stat reads how often each unit was
// drawn and writes the statistics; one that a resample cannot support is NaN.
func Bootstrap(n, samples, width int, intN func(int) int, stat func(times []int, out []float64)) Resampled {
	r := Resampled{values: make([][]float64, width)}
	for i := range r.values {
		r.values[i] = make([]float64, 0, samples)
	}
	times := make([]int, n)
	out := make([]float64, width)
	for range samples {
		clear(times)
		for range n {
			times[intN(n)]++
		}
		stat(times, out)
		for i, v := range out {
			if !math.IsNaN(v) {
				r.values[i] = append(r.values[i], v)
			}
		}
	}
	for _, v := range r.values {
		slices.Sort(v)
	}
	return r
}

// Interval is the percentile interval of statistic i at a two-sided level. ok is false
// where fewer than 20 resamples supported the statistic.
func (r Resampled) Interval(i int, level float64) (lo, hi float64, ok bool) {
	v := r.values[i]
	if len(v) < 20 {
		return 0, 0, false
	}
	return Quantile(v, (1-level)/2), Quantile(v, (1+level)/2), true
}
