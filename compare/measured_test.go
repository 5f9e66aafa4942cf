package compare

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

// calibration is the part of docs/measurements/ab-calibration.json that the test needs.
type calibration struct {
	Runs []struct {
		Slower  bool
		Verdict string
		Ratios  map[string][]float64
	}
}

// TestInterleavedOnMeasuredNoise uses measured noise (docs/measurements). It concatenates whole
// measured runs, whose rounds keep their order, and flips the sign of each round by a coin, as the
// measurement did.
func TestInterleavedOnMeasuredNoise(t *testing.T) {
	b, err := os.ReadFile("../docs/measurements/ab-calibration.json")
	if err != nil {
		t.Fatal(err)
	}
	var c calibration
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range c.Runs[0].Ratios {
		names = append(names, name)
	}
	slices.Sort(names)
	series := map[string][][]float64{}
	for _, run := range c.Runs {
		for name, x := range run.Ratios {
			if !run.Slower {
				series[name] = append(series[name], x)
			}
		}
	}
	if len(names) < 6 || len(series[names[0]]) < 40 {
		t.Fatalf("%d cases, %d runs", len(names), len(series[names[0]]))
	}
	runs := many(3000)
	r := rand.New(rand.NewPCG(3, 4))
	outcome := func(ratio float64) (n map[Verdict]int, rounds int) {
		n = map[Verdict]int{}
		for range runs {
			var claims [][]float64
			for _, name := range names {
				var x []float64
				for len(x) < MaxRounds() {
					for _, v := range series[name][r.IntN(len(series[name]))] {
						x = append(x, math.Log(v)*float64(1-2*r.IntN(2))+math.Log(ratio))
					}
				}
				claims = append(claims, x)
			}
			v, k := trialOf(t, "prefill.ttft <= 1.025x baseline", claims)
			n[v]++
			rounds += k
		}
		return n, rounds / runs
	}
	for _, c := range []struct {
		ratio float64
		what  Verdict
		most  float64 // share of regressed
		least float64
	}{{1, Passed, 0.001, 0}, {1.025, Undecided, 0.025 + margin(0.025, runs), 0}, {1.05, Regressed, 1, 0.95}} {
		n, rounds := outcome(c.ratio)
		t.Logf("ratio %v: %v, %d rounds on average", c.ratio, n, rounds)
		if share := float64(n[Regressed]) / float64(runs); share > c.most || share < c.least {
			t.Errorf("ratio %v: %.4f regressed, want %.3f to %.3f", c.ratio, share, c.least, c.most)
		}
	}
}
