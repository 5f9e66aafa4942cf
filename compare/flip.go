package compare

import (
	"math"
	"math/rand/v2"

	"github.com/aclements/go-moremath/mathx"
)

// flipTest tests whether two sides that answered the same questions are equally good. If they are,
// each difference is equally likely to have either sign (Fisher's randomisation test, two-sided).
// For right and wrong answers this is McNemar's exact test. For more than 16 differences of unequal
// size, 19999 random sign assignments with a fixed seed replace the enumeration.
func flipTest(x, y []float64) (p float64, name string) {
	var d []float64
	equal := true
	for i := range x {
		if v := x[i] - y[i]; v != 0 {
			d = append(d, v)
			equal = equal && math.Abs(v) == math.Abs(d[0])
		}
	}
	total, n := math.Abs(sum(d)), len(d)
	// Rounding makes sums depend on the order of their terms, so allow a small difference.
	reaches := func(s float64) bool { return math.Abs(s) >= total*(1-1e-12) }
	switch {
	case n == 0:
		return 1, "same answers"
	case equal:
		plus := 0
		for _, v := range d {
			if v > 0 {
				plus++
			}
		}
		return min(1, 2*binomialAtMost(min(plus, n-plus), n, 0.5)), "McNemar's exact"
	case n <= 16:
		hits := 0
		for signs := range 1 << n {
			s := 0.0
			for i, v := range d {
				if signs>>i&1 == 1 {
					v = -v
				}
				s += v
			}
			if reaches(s) {
				hits++
			}
		}
		return float64(hits) / float64(int(1)<<n), "sign flips, exact"
	}
	const draws = 19999
	rng := rand.New(rand.NewPCG(1, 2))
	hits := 1
	for range draws {
		s := 0.0
		for _, v := range d {
			if rng.Uint64()&1 == 1 {
				v = -v
			}
			s += v
		}
		if reaches(s) {
			hits++
		}
	}
	return float64(hits) / (draws + 1), "sign flips"
}

// fisher returns the two-sided p-value of Fisher's exact test for a of n right on one side and b of
// m on the other. It sums the probabilities of all tables that are at most as likely as this one.
func fisher(a, n, b, m int) float64 {
	right := a + b
	logP := func(k int) float64 {
		return mathx.Lchoose(n, k) + mathx.Lchoose(m, right-k) - mathx.Lchoose(n+m, right)
	}
	seen, p := logP(a), 0.0
	for k := max(0, right-m); k <= min(n, right); k++ {
		if l := logP(k); l <= seen+1e-9 {
			p += math.Exp(l)
		}
	}
	return min(1, p)
}

// wholes reports whether every score is 0 or 1.
func wholes(xs []float64) bool {
	for _, x := range xs {
		if x != 0 && x != 1 {
			return false
		}
	}
	return true
}
