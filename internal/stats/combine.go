package stats

import "math"

// Estimate is an estimated value with the bounds of its confidence interval.
type Estimate struct{ Value, Lo, Hi float64 }

// Combine returns the sum of weights[i] times xs[i], with an interval at the level of the intervals
// of xs, which must be independent of each other. It recovers each variance from the bound that
// limits the sum (MOVER: G. Y. Zou and A. Donner, Statistics in Medicine 27, 2008):
//
//	lo = sum - sqrt(Σ (wᵢ (xᵢ - bᵢ))²)
//
// where bᵢ is the lower bound of xᵢ if wᵢ > 0 and the upper bound if wᵢ < 0; hi uses the opposite
// bounds. So intervals that are not symmetric, such as Wilson's near 1, stay valid. With weights 1
// and -c, the lower bound is positive if x₀/x₁ > c, without dividing by a value that may be 0.
func Combine(weights []float64, xs []Estimate) Estimate {
	var sum, below, above float64
	for i, x := range xs {
		w := weights[i]
		sum += w * x.Value
		down, up := w*(x.Value-x.Lo), w*(x.Hi-x.Value)
		if w < 0 {
			down, up = up, down
		}
		below, above = below+down*down, above+up*up
	}
	return Estimate{sum, sum - math.Sqrt(below), sum + math.Sqrt(above)}
}

// Average is the mean of xs, as Combine computes it.
func Average(xs []Estimate) Estimate {
	weights := make([]float64, len(xs))
	for i := range weights {
		weights[i] = 1 / float64(len(xs))
	}
	return Combine(weights, xs)
}

// Rescale returns x, whose bounds are at level from, with bounds at level to, as if the error were
// normal. The distances of the bounds are multiplied by the ratio of the quantiles.
func (x Estimate) Rescale(from, to float64) Estimate {
	f := math.Erfinv(to) / math.Erfinv(from)
	return Estimate{x.Value, x.Value - f*(x.Value-x.Lo), x.Value + f*(x.Hi-x.Value)}
}
