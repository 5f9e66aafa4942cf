package stats

import (
	"math"
	"slices"
)

// bets is the number of bets that LogWealth mixes.
const bets = 20

// LogWealth returns the logarithm of the wealth of gamblers who bet that the mean of a variable is
// above 0, after the observations xs, each at least low < 0:
//
//	W = Σ wₖ Π(1 + (k/20) x / -low),  k = 1..20,  wₖ = k / (1+2+...+20)
//
// If the mean is not above 0, W is a martingale (or shrinks), whatever the distribution. Then W
// reaches 1/a at any time with a probability of at most a (J. Ville, 1939), so one may look after
// every observation and stop at will. I. Waudby-Smith and A. Ramdas, JRSS B 86, 2024, describe such
// tests. High bets have more weight because scores near 0 and 1 are common. W does not depend on
// the order of xs.
//
// best is the logarithm of the largest of the products, which limits how fast W can grow.
func LogWealth(xs []float64, low float64) (w, best float64) {
	// Scores have few values, and logarithms take time.
	var values, times []float64
	for _, x := range xs {
		i := slices.Index(values[:min(len(values), 64)], x)
		if i < 0 {
			i, values, times = len(values), append(values, x), append(times, 0)
		}
		times[i]++
	}
	var logs [bets]float64
	for k := range logs {
		share := float64(k+1) / bets / -low
		for i, x := range values {
			logs[k] += times[i] * math.Log1p(max(share*x, -1)) // below -1 only by rounding
		}
	}
	best = slices.Max(logs[:])
	sum := 0.0
	for k, l := range logs {
		sum += float64(k+1) / (bets * (bets + 1) / 2) * math.Exp(l-best)
	}
	return best + math.Log(sum), best
}

// Sequence returns an interval for the mean of scores in 0..1 that is valid at a two-sided level
// for all sample sizes at the same time: the thresholds that LogWealth does not reject.
func Sequence(scores []float64, level float64) (lo, hi float64) {
	limit := math.Log(2 / (1 - level))
	shifted := make([]float64, len(scores))
	// rejected reports whether the mean of f(score) is above m.
	rejected := func(m float64, f func(float64) float64) bool {
		for i, s := range scores {
			shifted[i] = f(s) - m
		}
		w, _ := LogWealth(shifted, -m)
		return w >= limit
	}
	bound := func(f func(float64) float64) float64 {
		a, b := 0.0, 1.0
		for range 30 {
			if m := (a + b) / 2; rejected(m, f) {
				a = m
			} else {
				b = m
			}
		}
		return a
	}
	lo = bound(func(s float64) float64 { return s })
	hi = 1 - bound(func(s float64) float64 { return 1 - s })
	return lo, hi
}
