package reports

import "math"

// wilson gives the 95 % interval of Wilson's score for k successes in n trials.
// k may be a fraction where trials score parts of an answer; the interval is
// then approximate, and no narrower than that of whole trials would be.
func wilson(k float64, n int) (lo, hi float64) {
	const z = 1.959963984540054
	if n <= 0 {
		return 0, 1
	}
	nn := float64(n)
	p := min(max(k/nn, 0), 1)
	mid := p + z*z/(2*nn)
	half := z * math.Sqrt(p*(1-p)/nn+z*z/(4*nn*nn))
	d := 1 + z*z/nn
	return max((mid-half)/d, 0), min((mid+half)/d, 1)
}
