package suites

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites/result"
)

const three = "name: s\nmodels: [a, b]\ntasks:\n  - fake: {lengths: [1, 2, 3]}\n"

func planOf(t *testing.T, text string, task fakeTask, loads map[string]int) *Plan {
	t.Helper()
	s, err := Parse([]byte(text), "s.yaml", nil, []Task{task})
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPlan(s, fakeWiring(task, loads))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func journal(t *testing.T) (*result.Writer, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "results.jsonl")
	w, err := result.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w, path
}

func read(t *testing.T, path string) map[string]result.Record {
	t.Helper()
	j, err := result.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]result.Record{}
	for _, r := range j.Records {
		m[r.Model+" "+r.Label] = r
	}
	return m
}

func TestRunRecordsEveryCase(t *testing.T) {
	loads := map[string]int{}
	p := planOf(t, three, fakeTask{}, loads)
	w, path := journal(t)
	obs := &watcher{}
	sum, err := p.Run(context.Background(), w, nil, obs)
	if err != nil || sum[result.OK] != 6 {
		t.Fatalf("got %v, %v", sum, err)
	}
	if loads["a"] != 1 || loads["b"] != 1 {
		t.Errorf("models were loaded %v times, want once each", loads)
	}
	if obs.began != 1 || obs.cases != 6 || obs.done != 6 {
		t.Errorf("the observer saw %+v", *obs)
	}
	if r := read(t, path)["b fake 3"]; r.Metrics["x"].Value != 3 || r.Params["length"] != 3.0 || r.Source != result.Measured {
		t.Errorf("got %+v", r)
	}
}

func TestOneBrokenCaseDoesNotEndTheSweep(t *testing.T) {
	task := fakeTask{run: func(_ context.Context, n int64, r *result.Record) error {
		switch {
		case n == 1:
			return fmt.Errorf("a sequence: %w", runners.ErrOutOfMemory)
		case n == 2 && r.Model == "a":
			panic("boom")
		case n == 2:
			return fmt.Errorf("logits: %w", runners.ErrUnsupported)
		}
		r.Metrics["x"] = result.Metric{Value: nan()}
		return nil
	}}
	w, path := journal(t)
	sum, err := planOf(t, three, task, map[string]int{}).Run(context.Background(), w, nil, &watcher{})
	if err != nil {
		t.Fatal(err)
	}
	for label, want := range map[string]result.Status{
		"a fake 1": result.OOM, "a fake 2": result.Failed, "b fake 2": result.Unsupported, "a fake 3": result.Failed,
	} {
		if r := read(t, path)[label]; r.Status != want || r.Reason == "" || len(r.Metrics) > 0 {
			t.Errorf("%s: %s (%s), metrics %v, want %s with a reason and no metrics", label, r.Status, r.Reason, r.Metrics, want)
		}
	}
	if sum[result.Failed] != 3 || sum[result.OOM] != 2 || sum[result.Unsupported] != 1 {
		t.Errorf("the summary is %v", sum)
	}
}

func nan() float64 { z := 0.0; return z / z }

func TestModelThatDoesNotLoad(t *testing.T) {
	w, path := journal(t)
	loads := map[string]int{}
	_, err := planOf(t, "name: s\nmodels: [big, b]\ntasks: [fake]\n", fakeTask{}, loads).Run(context.Background(), w, nil, &watcher{})
	if err != nil {
		t.Fatal(err)
	}
	recs := read(t, path)
	if recs["big fake 2"].Status != result.OOM || recs["b fake 2"].Status != result.OK || loads["big"] != 1 {
		t.Errorf("big is %s, b is %s, big was loaded %d times", recs["big fake 2"].Status, recs["b fake 2"].Status, loads["big"])
	}
}

// What is known to be unsupported takes no memory: a model too large for the machine is not loaded to say so.
func TestUnsupportedLoadsNothing(t *testing.T) {
	w, path := journal(t)
	loads := map[string]int{}
	sum, err := planOf(t, three, fakeTask{unsupported: "no tokenizer"}, loads).Run(context.Background(), w, nil, &watcher{})
	if err != nil || sum[result.Unsupported] != 6 || len(loads) > 0 {
		t.Errorf("got %v, %v; loaded %v", sum, err, loads)
	}
	if r := read(t, path)["b fake 3"]; r.Status != result.Unsupported || r.Reason != "no tokenizer" || len(r.Metrics) > 0 {
		t.Errorf("got %+v", r)
	}
}

func TestInterruptAndResume(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	task := fakeTask{run: func(ctx context.Context, n int64, r *result.Record) error {
		if n == 3 && r.Model == "a" {
			cancel()
			return ctx.Err()
		}
		return nil
	}}
	w, path := journal(t)
	_, err := planOf(t, three, task, map[string]int{}).Run(ctx, w, nil, &watcher{})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	before := read(t, path)
	if len(before) != 2 {
		t.Fatalf("%d records, want those of the 2 cases before the interrupt", len(before))
	}
	done := map[string]result.Record{}
	for _, r := range before {
		done[r.Case] = r
	}
	obs := &watcher{}
	sum, err := planOf(t, three, fakeTask{}, map[string]int{}).Run(context.Background(), w, done, obs)
	if err != nil || sum[result.OK] != 6 || obs.cases != 4 {
		t.Errorf("resumed: %v, %v, %d cases run, want 6 ok and 4 run", sum, err, obs.cases)
	}
	if after := read(t, path); after["a fake 1"].Start != before["a fake 1"].Start {
		t.Error("a finished case was run again")
	}
}

func TestBudgetIsSharedCheapestFirst(t *testing.T) {
	p := planOf(t, three, fakeTask{}, map[string]int{})
	p.Limit(7*time.Second, nil) // 1+1+2+2 fit, 3 does not
	for _, c := range p.Cases {
		if skipped := c.Skip != ""; skipped != (c.Seconds == 3) {
			t.Errorf("%s %s: skip %q", c.Model.Name, c.Label, c.Skip)
		}
	}
	if p.Seconds(nil) != 6 {
		t.Errorf("the estimate is %g, want 6", p.Seconds(nil))
	}
}

// A run decides by the clock: here every case takes factor times its estimate.
func TestBudgetByTheClock(t *testing.T) {
	for _, c := range []struct {
		factor  float64
		skipped map[string]bool
	}{
		{0.1, nil},
		{1, map[string]bool{"a fake 3": true, "b fake 3": true}},
		{3, map[string]bool{"a fake 2": true, "a fake 3": true, "b fake 2": true, "b fake 3": true}},
	} {
		clock := time.Unix(0, 0)
		p := planOf(t, three, fakeTask{run: func(_ context.Context, n int64, _ *result.Record) error {
			clock = clock.Add(time.Duration(c.factor * float64(n) * float64(time.Second)))
			return nil
		}}, map[string]int{})
		p.now = func() time.Time { return clock }
		p.Suite.Budget = Duration(7 * time.Second)
		w, path := journal(t)
		if _, err := p.Run(context.Background(), w, nil, &watcher{}); err != nil {
			t.Fatal(err)
		}
		for label, r := range read(t, path) {
			if (r.Status == result.Skipped) != c.skipped[label] {
				t.Errorf("factor %g: %s is %s (%s)", c.factor, label, r.Status, r.Reason)
			}
		}
	}
}

func TestFilter(t *testing.T) {
	for text, want := range map[string]int{
		"model=a": 3, "length<=2": 4, "length>1,model=b": 2, "length=3": 2, "label=fake *": 6, "model!=a,length!=2": 2, "task=fake": 6, "length>=1Ki": 0,
	} {
		p := planOf(t, three, fakeTask{}, map[string]int{})
		f, err := ParseFilter([]string{text})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Check(p); err != nil {
			t.Error(err)
		}
		err = p.Filter(f)
		if (err != nil) != (want == 0) || err == nil && len(p.Cases) != want {
			t.Errorf("%s: %d cases, %v, want %d", text, len(p.Cases), err, want)
		}
	}
	p := planOf(t, three, fakeTask{}, map[string]int{})
	byID, _ := ParseFilter([]string{"case=" + p.Cases[4].ID[:8]})
	if err := p.Filter(byID); err != nil || len(p.Cases) != 1 {
		t.Errorf("by id: %v, %d cases", err, len(p.Cases))
	}
	for _, bad := range []string{"", "model", "=a", "model=", "length<x", "model=["} {
		if _, err := ParseFilter([]string{bad}); err == nil {
			t.Errorf("filter %q was accepted", bad)
		}
	}
	f, _ := ParseFilter([]string{"lenght=3"})
	if err := f.Check(p); err == nil {
		t.Error("a key that no case has was accepted")
	}
}

// The id of a case changes with all that decides its result, and with nothing else.
func TestCaseID(t *testing.T) {
	base := planOf(t, three, fakeTask{}, nil).Cases[0].ID
	for text, same := range map[string]bool{
		three: true,
		"name: other\ntitle: t\nmodels: [b, a]\ntasks: [fake: {lengths: [7, 9]}, fake: {lengths: [1]}]\n": true,
		"name: s\nseed: 2\nmodels: [a]\ntasks: [fake: {lengths: [1]}]\n":                                  false,
		"name: s\nmodels: [a]\ntasks: [fake: {lengths: [1], trials: 6}]\n":                                false,
		"name: s\nmodels: [{name: a, model: other}]\ntasks: [fake: {lengths: [1]}]\n":                     false,
	} {
		found := false
		for _, c := range planOf(t, text, fakeTask{}, nil).Cases {
			found = found || c.ID == base
		}
		if found != same {
			t.Errorf("id found %v, want %v in\n%s", found, same, text)
		}
	}
}

func TestShortDuration(t *testing.T) {
	for s, want := range map[float64]string{0: "0s", 0.123: "120ms", 2.34: "2.3s", 59: "59s", 61: "1m01s", 7500: "2h05m", 1e6: "11d13h", 1e12: "31710 years"} {
		if got := ShortDuration(s); got != want {
			t.Errorf("%g: got %s, want %s", s, got, want)
		}
	}
}
