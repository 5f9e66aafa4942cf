package nll

import (
	"math"
	"math/rand/v2"
	"testing"
)

func points(p powerLaw, n int) (x, y, w []float64) {
	for i := range n {
		x = append(x, math.Exp2(float64(i)+0.5))
		y = append(y, p.at(x[i]))
		w = append(w, 1)
	}
	return x, y, w
}

func TestFitRecovers(t *testing.T) {
	for _, want := range []powerLaw{
		{C: 1, A: 2, Alpha: 0.5, HasC: true},
		{C: 0.3, A: 5, Alpha: 0.1, HasC: true},
		{C: 2, A: 3, Alpha: 1.5, HasC: true},
		{A: 4, Alpha: 0.07},  // no constant
		{A: 1, Alpha: -0.05}, // the loss rises
		{A: 1.5, Alpha: 0},   // the loss is constant
	} {
		x, y, w := points(want, 14)
		got, ok := fitPowerLaw(x, y, w)
		near := func(a, b float64) bool { return math.Abs(a-b) < 1e-4*(1+math.Abs(b)) }
		if !ok || !near(got.A, want.A) || !near(got.Alpha, want.Alpha) || !near(got.C, want.C) || got.R2 < 0.999999 {
			t.Errorf("got %+v (%v), want %+v", got, ok, want)
		}
	}
}

// TestFitFewPoints checks that a fit to few points has no constant, and that points without weight
// do not count.
func TestFitFewPoints(t *testing.T) {
	x, y, w := points(powerLaw{C: 1, A: 2, Alpha: 0.5}, 4)
	if p, ok := fitPowerLaw(x, y, w); !ok || p.HasC || p.C != 0 {
		t.Errorf("4 points: %+v (%v)", p, ok)
	}
	if _, ok := fitPowerLaw(x[:2], y[:2], w[:2]); ok {
		t.Error("2 points were fitted")
	}
	x, y, w = points(powerLaw{A: 3, Alpha: 0.2}, 12)
	y[3], w[3] = math.NaN(), 0
	y[7], w[7] = 100, 0
	if p, ok := fitPowerLaw(x, y, w); !ok || math.Abs(p.Alpha-0.2) > 1e-9 {
		t.Errorf("points of no weight count: %+v", p)
	}
}

// TestFitIsLeastSquares checks that no alpha on a fine grid has a smaller sum of squares than the
// fit.
func TestFitIsLeastSquares(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		x, y, w := points(powerLaw{C: 1 + r.Float64(), A: 1 + r.Float64(), Alpha: 0.2 + r.Float64()}, 12)
		for i := range y {
			y[i] += 0.01 * r.NormFloat64()
			w[i] = 0.5 + r.Float64()
		}
		p, _ := fitPowerLaw(x, y, w)
		if !p.HasC {
			continue
		}
		loss := func(c, a, alpha float64) (sum float64) {
			for i := range x {
				d := y[i] - c - a*math.Pow(x[i], -alpha)
				sum += w[i] * d * d
			}
			return sum
		}
		least := loss(p.C, p.A, p.Alpha)
		for alpha := minAlpha; alpha < maxAlpha; alpha *= 1.01 {
			u := make([]float64, len(x))
			for i := range x {
				u[i] = math.Pow(x[i], -alpha)
			}
			if c, a := regress(u, y, w); loss(c, a, alpha) < least-1e-9 {
				t.Fatalf("alpha %g is better than %+v", alpha, p)
			}
		}
	}
}

func FuzzFit(f *testing.F) {
	f.Add(uint64(1), 8)
	f.Fuzz(func(t *testing.T, seed uint64, n int) {
		if n < 0 || n > 30 {
			return
		}
		r := rand.New(rand.NewPCG(seed, 9))
		x, y, w := points(powerLaw{A: 1, Alpha: 0.1}, n)
		for i := range y {
			y[i] = math.Exp(3 * r.NormFloat64())
			w[i] = r.Float64() * math.Exp(20*r.NormFloat64())
		}
		p, ok := fitPowerLaw(x, y, w)
		if ok && (math.IsNaN(p.C+p.A+p.Alpha+p.R2) || math.IsInf(p.C+p.A+p.Alpha+p.R2, 0)) {
			t.Errorf("%+v", p)
		}
	})
}
