package needle

import (
	"testing"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites"
)

// shippedPlan plans the shipped suite on stand-ins for its models.
func shippedPlan(t testing.TB) *suites.Plan {
	t.Helper()
	s, err := suites.Load("needle", nil, []suites.Task{Task{}})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := suites.NewPlan(t.Context(), s, suites.Registry{Open: func(_ *suites.Suite, e suites.Entry) (*suites.Target, error) {
		m := fakeEntry()
		m.Name, m.Seconds = e.Name, func(runners.Work) float64 { return 1 }
		return m, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// The shipped suite gives every model the same cells, from 256 to 64Ki at five depths and from 128Ki to 1Mi at two, under labels of their own.
func TestShippedSuite(t *testing.T) {
	labels := map[string]int{}
	for _, c := range shippedPlan(t).Cases {
		labels[c.Label]++
	}
	if want := 9*5 + 4*2; len(labels) != want {
		t.Errorf("%d cells, want %d", len(labels), want)
	}
	for label, n := range labels {
		if n != 3 {
			t.Errorf("%s: %d models", label, n)
		}
	}
}

func BenchmarkPlan(b *testing.B) {
	for b.Loop() {
		shippedPlan(b)
	}
}
