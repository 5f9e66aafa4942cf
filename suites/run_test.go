package suites

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yocobench/yocobench/internal/units"
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
	p, err := NewPlan(t.Context(), s, fakeWiring(task, loads))
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

func TestRunEndsWhenItsFolderIsGone(t *testing.T) {
	for name, do := range map[string]func(dir string) error{
		"removed": os.RemoveAll,
		"moved":   func(dir string) error { return os.Rename(dir, dir+"2") },
		"renamed": func(dir string) error {
			return os.Rename(filepath.Join(dir, "results.jsonl"), filepath.Join(dir, "old.jsonl"))
		},
	} {
		calls := 0
		w, path := journal(t)
		task := fakeTask{run: func(context.Context, int64, *fakeOutcome) error {
			if calls++; calls == 2 {
				return do(filepath.Dir(path))
			}
			return nil
		}}
		_, err := planOf(t, three, task, map[string]int{}).Run(context.Background(), w, nil, &watcher{})
		var lost *result.LostError
		if !errors.As(err, &lost) || calls != 2 {
			t.Errorf("%s: %v after %d cases", name, err, calls)
		}
	}
}

func TestOneBrokenCaseDoesNotEndTheSweep(t *testing.T) {
	task := fakeTask{run: func(_ context.Context, n int64, r *fakeOutcome) error {
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

// TestUnsupportedLoadsNothing checks that a model is not loaded for unsupported cases.
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
	task := fakeTask{run: func(ctx context.Context, n int64, r *fakeOutcome) error {
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

// TestBudgetByTheClock checks that a run decides by elapsed time. Every case takes factor times its
// estimate.
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
		p := planOf(t, three, fakeTask{run: func(_ context.Context, n int64, _ *fakeOutcome) error {
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

// TestCaseID checks that the id of a case depends on everything that determines its result, and on
// nothing else.
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
		if got := units.ShortDuration(s); got != want {
			t.Errorf("%g: got %s, want %s", s, got, want)
		}
	}
}

// TestBudgetIsADeadline checks that a case that exceeds its share of the budget by half is stopped,
// that the later cases keep their share, and that a resumed run tries the case again.
func TestBudgetIsADeadline(t *testing.T) {
	task := fakeTask{run: func(ctx context.Context, n int64, r *fakeOutcome) error {
		if n == 2 && r.Model == "a" {
			<-ctx.Done()
			return fmt.Errorf("prefill: %w", ctx.Err())
		}
		return nil
	}}
	p := planOf(t, three, task, map[string]int{})
	for _, c := range p.Cases {
		c.Seconds /= 100
	}
	p.Suite.Budget = Duration(200 * time.Millisecond)
	w, path := journal(t)
	start := time.Now()
	if _, err := p.Run(t.Context(), w, nil, &watcher{}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the run took %v under a budget of 200ms", took)
	}
	recs := read(t, path)
	if r := recs["a fake 2"]; r.Status != result.Skipped || !strings.Contains(r.Reason, "deadline") || !strings.Contains(r.Reason, "200ms") {
		t.Errorf("the case that hangs is %s (%s), want skipped at its deadline", r.Status, r.Reason)
	}
	if r := recs["a fake 1"]; r.Status != result.OK {
		t.Errorf("the case before it is %s (%s)", r.Status, r.Reason)
	}
}

// leftWatcher records the times that an Observer receives.
type leftWatcher struct {
	watcher
	began  float64
	left   []float64
	room   func() float64 // seconds left in the budget
	beyond string         // describes a time that exceeded it
}

func (w *leftWatcher) Begin(_ int, s float64) { w.began = s }
func (w *leftWatcher) Done(_ *result.Record, left float64) {
	w.left = append(w.left, left)
	if room := max(0, w.room()); !(left <= room) {
		w.beyond = fmt.Sprintf("reported %g s left, but the budget has %g", left, room)
	}
}

// TestEstimatesStayWithinTheBudget checks that the reported time covers the cases that will run and
// never exceeds the rest of the budget, even if cases take longer than estimated.
func TestEstimatesStayWithinTheBudget(t *testing.T) {
	for _, c := range []struct {
		budget  time.Duration
		lengths string
		slow    time.Duration // factor by which cases take longer than estimated
		began   float64
	}{
		{0, "[1, 2, 3]", 1, 12},
		{7 * time.Second, "[1, 2, 3]", 1, 6},
		{10 * time.Second, "[1, 2, 3]", 1, 9},
		{3 * time.Second, "[1, 1M]", 1, 2},
		{3 * time.Second, "[1G]", 1, 0},
		{time.Hour, "[1, 2]", 1, 6},
		{10 * time.Second, "[1, 2, 3, 100]", 3, 9},
		{100 * time.Second, "[1, 2, 30, 1000]", 5, 66},
		{20 * time.Second, "[1, 10, 1M]", 40, 12},
	} {
		clock := time.Unix(0, 0)
		p := planOf(t, "name: s\nmodels: [a, b]\ntasks:\n  - fake: {lengths: "+c.lengths+"}\n", fakeTask{run: func(_ context.Context, n int64, _ *fakeOutcome) error {
			clock = clock.Add(time.Duration(n) * time.Second * c.slow)
			return nil
		}}, map[string]int{})
		p.now = func() time.Time { return clock }
		p.Suite.Budget = Duration(c.budget)
		w, _ := journal(t)
		obs := &leftWatcher{room: func() float64 { return c.budget.Seconds() - clock.Sub(time.Unix(0, 0)).Seconds() }}
		if _, err := p.Run(t.Context(), w, nil, obs); err != nil {
			t.Fatal(err)
		}
		if math.Abs(obs.began-c.began) > 1e-6 {
			t.Errorf("budget %v, lengths %s: a run of %g s is announced, want %g", c.budget, c.lengths, obs.began, c.began)
		}
		if c.budget > 0 && obs.beyond != "" {
			t.Errorf("budget %v, lengths %s, %d times slower: %s", c.budget, c.lengths, c.slow, obs.beyond)
		}
		if last := obs.left[len(obs.left)-1]; !(math.Abs(last) < 1e-6) {
			t.Errorf("budget %v, lengths %s: %g s are left at the end", c.budget, c.lengths, last)
		}
	}
}

// TestTooLargeByArithmeticIsNotTried checks that a case whose weights, caches and logits exceed the
// memory is recorded as out of memory without loading its model.
func TestTooLargeByArithmeticIsNotTried(t *testing.T) {
	loads := map[string]int{}
	p := planOf(t, three, fakeTask{}, loads)
	for _, c := range p.Cases {
		c.Model.Memory, c.Least = 1<<30, 1<<30
		if c.Model.Name == "b" {
			c.Least = math.MaxInt64
		}
	}
	if got := p.Seconds(nil); got != 6 {
		t.Errorf("the estimate is %g, want that of the cases that fit, 6", got)
	}
	w, path := journal(t)
	sum, err := p.Run(t.Context(), w, nil, &watcher{})
	if err != nil || sum[result.OOM] != 3 || sum[result.OK] != 3 || loads["b"] != 0 {
		t.Errorf("got %v, %v; loaded %v", sum, err, loads)
	}
	if r := read(t, path)["b fake 3"]; !strings.HasPrefix(r.Reason, "out of memory: ") || !strings.Contains(r.Reason, "1.00 GiB") {
		t.Errorf("reason %q", r.Reason)
	}
}

// TestPlanIsBounded checks that the number of cases is limited before they are created, and that
// planning can be interrupted.
func TestPlanIsBounded(t *testing.T) {
	task := countingTask{}
	s, err := Parse([]byte("name: s\nmodels: [a, b, c]\ntasks:\n  - fake: {trials: 300000}\n"), "s.yaml", nil, []Task{task})
	if err != nil {
		t.Fatal(err)
	}
	var p *Problem
	if _, err := NewPlan(t.Context(), s, fakeWiring(fakeTask{}, nil)); !errors.As(err, &p) || p.Line != 4 || !strings.Contains(p.Msg, "(250000)") {
		t.Errorf("300000 cases: %v", err)
	}
	for trials, want := range map[int]string{100_000: "", 400_000: "(1000000)"} { // of each of three models
		s, err := Parse(fmt.Appendf(nil, "name: s\nmodels: [a, b, c]\ntasks:\n  - fake: {trials: %d}\n", trials), "s.yaml", nil, []Task{task})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := NewShardPlan(t.Context(), s, fakeWiring(fakeTask{}, nil), Part{Shard: Shard{1, 9}}); (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("shard of %d cases: %v", 3*trials, err)
		}
	}
	planner := &Planner{}
	for _, factors := range [][]int{{4000, 900}, {1 << 40, 1 << 40}, {math.MaxInt, 2, 3}} {
		if err := planner.Count(factors...); err == nil {
			t.Errorf("%v cases were accepted", factors)
		}
	}
	if err := planner.Count(0, math.MaxInt); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewPlan(ctx, s, fakeWiring(fakeTask{}, nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	// An interrupted task adds its line of the suite to the error, although that line is not the
	// cause.
	ctx, cancel = context.WithCancel(t.Context())
	s.blocks[0].task = interruptedTask{cancel: cancel}
	if _, err := NewPlan(ctx, s, fakeWiring(fakeTask{}, nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted in a task: %v", err)
	}
}

// interruptedTask ends the context while it plans.
type interruptedTask struct {
	fakeTask
	cancel func()
}

func (f interruptedTask) Plan(p *Planner, _ *Target, _ any) ([]Case, error) {
	f.cancel()
	return nil, p.Errorf("%v", p.ctx.Err())
}

// countingTask plans as many cases as trials and calls Count.
type countingTask struct{ fakeTask }

func (countingTask) Plan(p *Planner, m *Target, params any) (cases []Case, _ error) {
	n := params.(*fakeParams).Trials
	if err := p.Count(n); err != nil {
		return nil, err
	}
	for i := range n {
		cases = append(cases, Case{Label: "c", Params: map[string]any{"n": i}})
	}
	return cases, nil
}

// TestBacklogAgreesWithASimpleSum compares the estimates of a backlog with plain sums over the
// cases.
func TestBacklogAgreesWithASimpleSum(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var cases []*PlannedCase
	models := []*Target{{Name: "a"}, {Name: "b"}, {Name: "c"}}
	for range 200 {
		cases = append(cases, &PlannedCase{Model: models[rng.IntN(3)], Seconds: float64(1 + rng.IntN(50))})
	}
	b := newBacklog(cases)
	left := slices.Clone(cases)
	for len(left) > 0 {
		i := rng.IntN(len(left))
		c := left[i]
		b.remove(c)
		left = slices.Delete(left, i, i+1)
		b.learn(c, c.Seconds*(0.5+rng.Float64()))
		limit := b.estimate(c)
		want, all, fit := 0.0, 0.0, 0.0
		var es []float64
		for _, o := range left {
			e := b.estimate(o)
			if all += e; e < limit {
				want += e
			}
			es = append(es, e)
		}
		slices.Sort(es)
		for _, e := range es {
			if fit+e > all/2 {
				break
			}
			fit += e
		}
		near := func(got, want float64) bool { return math.Abs(got-want) <= 1e-6*(1+want) }
		if got := b.below(limit); !near(got, want) {
			t.Fatalf("below %g: %g, want %g", limit, got, want)
		}
		for range 20 {
			s := rng.Float64() * all
			if got := b.within(s); !(got >= 0 && got <= s) {
				t.Fatalf("%g s of cases reported to fit in %g s", got, s)
			}
		}
		if !near(b.all(), all) || !near(b.within(all/2), fit) {
			t.Fatalf("all %g, within %g; want %g, %g", b.all(), b.within(all/2), all, fit)
		}
	}
}

// TestDeviceLost checks that a lost device ends the run, that its case is recorded as failed, and
// that a resumed run tries failed cases last.
func TestDeviceLost(t *testing.T) {
	var order []string
	broken := true
	task := fakeTask{run: func(_ context.Context, n int64, r *fakeOutcome) error {
		order = append(order, fmt.Sprint(r.Model, n))
		if broken && r.Model == "a" && n == 2 {
			return fmt.Errorf("a step: %w: gemm_t", runners.ErrDeviceLost)
		}
		return nil
	}}
	w, path := journal(t)
	p := planOf(t, three, task, map[string]int{})
	sum, err := p.Run(context.Background(), w, nil, &watcher{})
	if !errors.Is(err, runners.ErrDeviceLost) || sum[result.OK] != 1 || sum[result.Failed] != 1 {
		t.Fatalf("%v, %v", sum, err)
	}
	recs := read(t, path)
	if r := recs["a fake 2"]; len(recs) != 2 || r.Status != result.Failed || r.Reason == "" || len(r.Metrics) > 0 {
		t.Errorf("records %v", recs)
	}
	broken, order = false, nil
	for _, c := range p.Cases {
		c.Retry = c.Model.Name == "a" && c.Label == "fake 2"
	}
	first := recs["a fake 1"]
	sum, err = p.Run(context.Background(), w, map[string]result.Record{first.Case: first}, &watcher{})
	if err != nil || sum[result.OK] != 6 || fmt.Sprint(order) != "[a3 b1 b2 b3 a2]" {
		t.Errorf("resumed: %v, %v, in the order %v", sum, err, order)
	}
}

// TestMetricsAreAsDeclared checks that a case fails if a metric has a different unit or direction
// than declared.
func TestMetricsAreAsDeclared(t *testing.T) {
	for want, m := range map[string]result.Metric{
		"":                     {Value: 1, Unit: "x", Better: result.None},
		`in "x", better: none`: {Value: 1, Unit: "s", Better: result.None},
		`has "x", better: low`: {Value: 1, Unit: "x", Better: result.Lower},
	} {
		task := fakeTask{run: func(_ context.Context, _ int64, r *fakeOutcome) error {
			r.Metrics["x"] = m
			return nil
		}}
		p := planOf(t, "name: s\nmodels: [a]\ntasks:\n  - fake: {lengths: [1]}\n", task, map[string]int{})
		w, path := journal(t)
		if _, err := p.Run(t.Context(), w, nil, &watcher{}); err != nil {
			t.Fatal(err)
		}
		if got := read(t, path)["a fake 1"]; want == "" != (got.Status == result.OK) || !strings.Contains(got.Reason, want) {
			t.Errorf("%+v: %s %s, want %q", m, got.Status, got.Reason, want)
		}
	}
}
func TestTypesNote(t *testing.T) {
	got := typesNote(map[string]int64{"bf16": 1 << 20, "Q8_0": 1 << 20, "Q4_K": 3 << 20})
	if want := "weights in memory: Q4_K 3 MiB, Q8_0 1 MiB, bf16 1 MiB"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
