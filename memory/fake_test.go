package memory

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/analytic"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// fake is a model that pretends to measure: an analytic one with planted faults.
type fake struct {
	*analytic.Instance
	distort func(runners.Usage) runners.Usage
	// failAt is the number of the sequence, made or forked, that runs out of memory.
	failAt, made int
	// stopped stops the clock; broken is an error of every Prefill.
	stopped bool
	broken  error
	steps   int
	rows    [][]float32
}

func (f *fake) Now() time.Duration {
	if f.stopped {
		return time.Second
	}
	return f.Instance.Now()
}

func (f *fake) Usage() runners.Usage {
	u := f.Instance.Usage()
	if f.distort != nil {
		u = f.distort(u)
	}
	return u
}

func (f *fake) count() error {
	if f.made++; f.made == f.failAt {
		return fmt.Errorf("planted: %w", runners.ErrOutOfMemory)
	}
	return nil
}

func (f *fake) NewSequence(capacity int) (runners.Sequence, error) {
	if err := f.count(); err != nil {
		return nil, err
	}
	s, err := f.Instance.NewSequence(capacity)
	return fakeSequence{s, f}, err
}

func (f *fake) Prefill(ctx context.Context, s runners.Sequence, tokens []int) error {
	if f.broken != nil {
		return f.broken
	}
	if err := runners.CheckTokens(f.Config(), tokens); err != nil {
		return err
	}
	return f.Instance.Prefill(ctx, s.(fakeSequence).Sequence, tokens)
}

func (f *fake) Step(ctx context.Context, ss []runners.Sequence, tokens []int, rows [][]float32) error {
	f.steps++
	f.rows = rows
	plain := make([]runners.Sequence, len(ss))
	for i, s := range ss {
		plain[i] = s.(fakeSequence).Sequence
	}
	return f.Instance.Step(ctx, plain, tokens, rows)
}

type fakeSequence struct {
	runners.Sequence
	f *fake
}

func (s fakeSequence) Fork() (runners.Sequence, error) {
	if err := s.f.count(); err != nil {
		return nil, err
	}
	c, err := s.Sequence.Fork()
	return fakeSequence{c, s.f}, err
}

// machine is the machine of the fakes.
var machine = runners.ThisMachine(100, 20, 1<<30)

// tiny returns a small model of each architecture, as resolved by a suite.
func tiny(a runners.Arch) *suites.Target {
	c := runners.Shape{Name: "tiny", Dim: 64, Layers: 4, FFN: 128, Vocab: 300,
		Heads: 4, KVHeads: 2, HeadDim: 16, RopeTheta: 1e4, NormEps: 1e-5}.As(a, 4, 128).Config()
	t := suites.Local("tiny", c)
	t.Options, t.Runner, t.Device = runners.Options{KV: runners.BF16}, "fake", "fake"
	return t
}

func loadFake(t *testing.T, m *suites.Target, memory int64) *fake {
	t.Helper()
	r, err := analytic.New(machine)
	if err != nil {
		t.Fatal(err)
	}
	o := m.Options
	o.MemoryBudget = memory
	loaded, err := r.Load(*m.Config, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	return &fake{Instance: loaded.(*analytic.Instance)}
}

func plan(t *testing.T, task suites.Task, m *suites.Target, params any) []suites.Case {
	t.Helper()
	cases, err := task.Plan(&suites.Planner{Seed: 1, Machine: &machine}, m, params)
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// run runs a case and checks that it frees all memory.
func run(t *testing.T, c suites.Case, f *fake) (*result.Record, error) {
	t.Helper()
	before := f.Instance.Usage()
	r := &result.Record{Label: c.Label, Params: c.Params, Case: "x"}
	last := 0.0
	out, err := c.Run(context.Background(), f, func(p float64) {
		if !(p >= last && p <= 1) {
			t.Errorf("%s: progress from %g to %g", c.Label, last, p)
		}
		last = p
	})
	r.Fill(out)
	after := f.Instance.Usage()
	before.Peak, after.Peak = 0, 0
	if after != before {
		t.Errorf("%s: %+v held afterwards, %+v before", c.Label, after, before)
	}
	if err == nil {
		if _, err := result.Encode(*r); err != nil {
			t.Error(err)
		}
	}
	return r, err
}

func value(t *testing.T, r *result.Record, name string) float64 {
	t.Helper()
	m, ok := r.Metrics[name]
	if !ok {
		t.Fatalf("%s: no metric %s", r.Label, name)
	}
	return m.Value
}
