package needle

import (
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/suites"
)

// shippedPlan plans the shipped suite on a machine.
func shippedPlan(t testing.TB, machine runners.Profile) *suites.Plan {
	t.Helper()
	s, err := suites.Load("needle", nil, []suites.Task{Task{}})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := suites.NewPlan(t.Context(), s, suites.Registry{Open: func(_ *suites.Suite, e suites.Entry) (*suites.Target, error) {
		cfg, w, err := checkpoint.OpenEmbedded(e.Model)
		if err != nil {
			return nil, err
		}
		m := suites.Local(e.Name, cfg)
		m.Seconds = func(w runners.Work) float64 { return machine.Seconds(w, runners.F32) }
		return m, w.Close()
	}})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// avx2 is a machine with two cores of 3 GHz and 32 float32 operations per cycle.
var avx2 = runners.ThisMachine(2*3*32, 20, 8<<30)

// TestShippedSuite checks that the shipped suite gives every model the same grid: the same depths
// at each length from 256 to 1Mi, with no more trials at longer lengths, and unique labels.
func TestShippedSuite(t *testing.T) {
	type at struct {
		model  string
		length int
	}
	cells, labels, depths, trials := map[at][]any{}, map[string]bool{}, []any(nil), map[int]int{}
	plan := shippedPlan(t, avx2)
	for _, c := range plan.Cases {
		a := at{c.Model.Name, c.Params["length"].(int)}
		cells[a] = append(cells[a], c.Params["depth"])
		labels[c.Model.Name+" "+c.Label] = true
		trials[a.length] = c.Params["trials"].(int)
	}
	for _, m := range plan.Suite.Models {
		for length := 256; length <= 1<<20; length *= 2 {
			got := cells[at{m.Name, length}]
			if depths == nil {
				depths = got
			}
			if len(got) < 3 || !slices.Equal(got, depths) {
				t.Errorf("%s has the depths %v at %d tokens, %v at others", m.Name, got, length, depths)
			}
			if length > 256 && trials[length] > trials[length/2] {
				t.Errorf("%d trials at %d tokens, %d at half as many", trials[length], length, trials[length/2])
			}
		}
	}
	if len(labels) != len(plan.Cases) || len(cells) != 3*13 {
		t.Errorf("%d cases have %d labels and %d lengths of a model", len(plan.Cases), len(labels), len(cells))
	}
}

// TestMillionTokensFitTheBudget checks that, on two cores with AVX2, the cells of a million tokens
// of both YOCOs fit the budget and end within 4 minutes. A run measures the cheapest cases first
// and takes 1.37 times the estimate (docs/measurements/cpu.md).
func TestMillionTokensFitTheBudget(t *testing.T) {
	plan := shippedPlan(t, avx2)
	dearest, n := 0.0, 0
	for _, c := range plan.Cases {
		if strings.HasPrefix(c.Model.Name, "tiny-yoco") && c.Params["length"] == 1<<20 {
			n++
			dearest = max(dearest, c.Seconds)
			if c.Skip != "" {
				t.Errorf("%s %s: %s", c.Model.Name, c.Label, c.Skip)
			}
		}
	}
	sum := 0.0
	for _, c := range plan.Cases {
		if c.Seconds <= dearest {
			sum += c.Seconds
		}
	}
	if n != 6 || !(dearest > 0 && 1.37*sum <= 4*60) {
		t.Errorf("%d cells of a million tokens end after %.0f s", n, 1.37*sum)
	}
}

func BenchmarkPlan(b *testing.B) {
	for b.Loop() {
		shippedPlan(b, avx2)
	}
}
