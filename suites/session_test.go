package suites

import (
	"context"
	"errors"
	"testing"

	"github.com/yocobench/yocobench/suites/result"
)

// TestSession checks that a session runs a case any number of times, ignores the budget, and loads
// each model once.
func TestSession(t *testing.T) {
	loads, calls := map[string]int{}, 0
	p := planOf(t, three+"budget: 1s\n", fakeTask{run: func(_ context.Context, n int64, r *fakeOutcome) error {
		calls++
		if n == 2 {
			return errors.New("no")
		}
		r.Metrics["call"] = result.Metric{Value: float64(calls), Unit: "x", Better: result.None}
		return nil
	}}, loads)
	s := p.NewSession()
	defer s.Close()
	for i, place := range []int{0, 2, 0, 3, 0} {
		r, err := s.Run(context.Background(), p.Cases[place])
		if err != nil || r.Status != result.OK || r.Case != p.Cases[place].ID || r.Metrics["call"].Value != float64(i+1) {
			t.Fatalf("run %d: %+v, %v", i, r, err)
		}
	}
	if loads["a"] != 1 || loads["b"] != 1 {
		t.Errorf("loads: %v", loads)
	}
	if r, err := s.Run(context.Background(), p.Cases[1]); err != nil || r.Status != result.Failed || r.Reason != "no" {
		t.Errorf("a case that fails: %+v, %v", r, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Run(ctx, p.Cases[1]); !errors.Is(err, context.Canceled) {
		t.Errorf("after an interrupt: %v", err)
	}
	if p.Suite.Budget == 0 {
		t.Error("the session changed its plan's suite")
	}
}
