package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestWilson(t *testing.T) {
	// R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
	for _, c := range []struct{ hits, n, lo, hi float64 }{
		{81, 263, .2553, .3662},
		{15, 148, .0624, .1605},
		{0, 20, 0, .1611},
		{1, 29, .0061, .1718},
	} {
		lo, hi := Wilson(c.hits, c.n, 0.95)
		if math.Abs(lo-c.lo) > 5e-5 || math.Abs(hi-c.hi) > 5e-5 {
			t.Errorf("Wilson(%g of %g) = %.5f to %.5f, want %.4f to %.4f", c.hits, c.n, lo, hi, c.lo, c.hi)
		}
	}
	// The bounds are the probabilities P at which the observation lies z standard errors off: (p-P)² = z² P(1-P)/n.
	z := 1.959963984540054
	for _, n := range []float64{1, 3, 10, 100} {
		for k := 1.0; k < n; k++ {
			lo, hi := Wilson(k, n, 0.95)
			for _, P := range []float64{lo, hi} {
				if d := (k/n-P)*(k/n-P) - z*z*P*(1-P)/n; math.Abs(d) > 1e-12 {
					t.Errorf("Wilson(%g of %g): bound %g is off by %g", k, n, P, d)
				}
			}
		}
	}
	if lo, hi := Wilson(0, 0, 0.95); lo != 0 || hi != 1 {
		t.Errorf("without trials: %g to %g, want 0 to 1", lo, hi)
	}
	for n := 1.0; n < 50; n++ {
		for k := 0.0; k <= n; k += 0.5 {
			if lo, hi := Wilson(k, n, 0.95); !(0 <= lo && lo <= k/n && k/n <= hi && hi <= 1 && lo < hi) {
				t.Fatalf("Wilson(%g of %g) = %g to %g", k, n, lo, hi)
			}
		}
	}
}

func TestQuantile(t *testing.T) {
	v := []float64{1, 2, 4, 8, 16}
	for _, c := range []struct{ q, want float64 }{{0, 1}, {0.1, 1.4}, {0.5, 4}, {0.9, 12.8}, {1, 16}} {
		if got := Quantile(v, c.q); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("Quantile(%g) = %g, want %g", c.q, got, c.want)
		}
	}
	if !math.IsNaN(Quantile(nil, 0.5)) {
		t.Error("a quantile of nothing is a number")
	}
}

// The percentile interval of a mean is close to the normal one where the normal one holds.
func TestBootstrapMean(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float64, 400)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	mean := Mean(x)
	sd := 0.0
	for _, v := range x {
		sd += (v - mean) * (v - mean) / float64(len(x))
	}
	sd = math.Sqrt(sd)
	b := Bootstrap(len(x), 4000, 2, r.IntN, func(times []int, out []float64) {
		sum, n := 0.0, 0
		for i, k := range times {
			sum += float64(k) * x[i]
			n += k
		}
		if n != len(x) {
			t.Fatalf("a resample of %d units, want %d", n, len(x))
		}
		out[0], out[1] = sum/float64(n), math.NaN()
	})
	lo, hi, ok := b.Interval(0, 0.95)
	want := 1.96 * sd / math.Sqrt(400)
	if !ok || math.Abs(lo-(mean-want)) > 0.01 || math.Abs(hi-(mean+want)) > 0.01 {
		t.Errorf("interval %g to %g (%v), want %g to %g", lo, hi, ok, mean-want, mean+want)
	}
	if _, _, ok := b.Interval(1, 0.95); ok {
		t.Error("an interval of a statistic that no resample supports")
	}
}

// With three units every resample is known: 27 of equal chance.
func TestBootstrapEnumerated(t *testing.T) {
	x := []float64{0, 1, 5}
	var all []float64
	i := 0
	b := Bootstrap(3, 27, 1, func(n int) int {
		draw, place := i/3, i%3
		i++
		for range place {
			draw /= 3
		}
		return draw % 3
	}, func(times []int, out []float64) {
		out[0] = (float64(times[0])*x[0] + float64(times[1])*x[1] + float64(times[2])*x[2]) / 3
		all = append(all, out[0])
	})
	sum := Mean(all)
	if math.Abs(sum-2) > 1e-12 {
		t.Errorf("the mean of all resamples' means is %g, want 2", sum)
	}
	if lo, hi, ok := b.Interval(0, 1); !ok || lo != 0 || hi != 5 {
		t.Errorf("the whole range is %g to %g (%v), want 0 to 5", lo, hi, ok)
	}
}
