package nll

import "math"

// powerLaw is the curve L(x) = C + A x^-Alpha: the loss in nats per token at
// position x, which falls with context towards C.
type powerLaw struct {
	C, A, Alpha float64
	// R2 is the weighted share of the variance that the curve explains.
	R2 float64
	// HasC is false if the data do not support a constant. Then C is 0, and log L is linear in log
	// x.
	HasC bool
}

func (p powerLaw) at(x float64) float64 { return p.C + p.A*math.Pow(x, -p.Alpha) }

// The range of exponents for a fit with a constant. Below it, x^-alpha approaches a logarithm and C
// diverges to minus infinity. Above it, only the first points decrease and C is the mean of the
// rest.
const minAlpha, maxAlpha = 0.02, 4

// fitPowerLaw fits the curve to points (x, y) with weights w by least squares. For a given alpha, C
// and A are a weighted linear regression, so only alpha is searched: over a logarithmic grid, then
// by golden section around its best point. If the best curve has C < 0 or A < 0 or is at an end of
// the grid, or if there are fewer than 5 points, the data do not support a constant. Then log y is
// regressed on log x, with weights w y² (the same errors to first order). ok is false for fewer
// than 3 points of positive weight and y.
func fitPowerLaw(x, y, w []float64) (p powerLaw, ok bool) {
	var xs, ys, ws []float64
	for i := range x {
		if w[i] > 0 && y[i] > 0 && x[i] > 0 {
			xs, ys, ws = append(xs, x[i]), append(ys, y[i]), append(ws, w[i])
		}
	}
	if len(xs) < 3 {
		return powerLaw{}, false
	}
	p, ok = withConstant(xs, ys, ws)
	if !ok {
		p = logLinear(xs, ys, ws)
	}
	p.R2 = explained(p, xs, ys, ws)
	return p, true
}

// withConstant searches alpha. ok is false if the data do not support a constant.
func withConstant(x, y, w []float64) (powerLaw, bool) {
	if len(x) < 5 {
		return powerLaw{}, false
	}
	u := make([]float64, len(x))
	try := func(alpha float64) (powerLaw, float64) {
		for i := range x {
			u[i] = math.Pow(x[i], -alpha)
		}
		c, a := regress(u, y, w)
		p := powerLaw{C: c, A: a, Alpha: alpha, HasC: true}
		sum := 0.0
		for i := range x {
			d := y[i] - c - a*u[i]
			sum += w[i] * d * d
		}
		return p, sum
	}
	const steps = 48
	ratio := math.Pow(maxAlpha/minAlpha, 1.0/steps)
	best, bestSum := 0, math.Inf(1)
	for i := 0; i <= steps; i++ {
		if _, sum := try(minAlpha * math.Pow(ratio, float64(i))); sum < bestSum {
			best, bestSum = i, sum
		}
	}
	if best == 0 || best == steps {
		return powerLaw{}, false
	}
	at := minAlpha * math.Pow(ratio, float64(best))
	p, _ := try(golden(at/ratio, at*ratio, func(alpha float64) float64 {
		_, sum := try(alpha)
		return sum
	}))
	return p, p.C >= 0 && p.A > 0
}

// golden finds a minimum of f between lo and hi by golden section.
func golden(lo, hi float64, f func(float64) float64) float64 {
	const r = 0.6180339887498949
	a, b := hi-r*(hi-lo), lo+r*(hi-lo)
	fa, fb := f(a), f(b)
	for range 48 { // each round shrinks the interval by r: to 1e-10 of its size in total
		if fa < fb {
			hi, b, fb = b, a, fa
			a = hi - r*(hi-lo)
			fa = f(a)
		} else {
			lo, a, fa = a, b, fb
			b = lo + r*(hi-lo)
			fb = f(b)
		}
	}
	return (lo + hi) / 2
}

func logLinear(x, y, w []float64) powerLaw {
	lx, ly, lw := make([]float64, len(x)), make([]float64, len(x)), make([]float64, len(x))
	for i := range x {
		lx[i], ly[i], lw[i] = math.Log(x[i]), math.Log(y[i]), w[i]*y[i]*y[i]
	}
	c, slope := regress(lx, ly, lw)
	return powerLaw{A: math.Exp(c), Alpha: -slope}
}

// regress computes the weighted linear regression y = c + a u. If all u are equal, a is 0.
func regress(u, y, w []float64) (c, a float64) {
	var sw, su, sy float64
	for i := range u {
		sw += w[i]
		su += w[i] * u[i]
		sy += w[i] * y[i]
	}
	mu, my := su/sw, sy/sw
	var suu, suy float64
	for i := range u {
		d := u[i] - mu
		suu += w[i] * d * d
		suy += w[i] * d * (y[i] - my)
	}
	if suu > 0 {
		a = suy / suu
	}
	return my - a*mu, a
}

// explained returns 1 - sum w (y - L(x))² / sum w (y - mean)², or 1 if there is no variance.
func explained(p powerLaw, x, y, w []float64) float64 {
	var sw, sy float64
	for i := range y {
		sw += w[i]
		sy += w[i] * y[i]
	}
	var rest, all float64
	for i := range y {
		d, e := y[i]-p.at(x[i]), y[i]-sy/sw
		rest += w[i] * d * d
		all += w[i] * e * e
	}
	if all == 0 {
		return 1
	}
	return 1 - rest/all
}
