package suites

import (
	"context"
	"errors"
	"fmt"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites/result"
)

// fakeTask plans one case per length. The test defines what a case does.
type fakeTask struct {
	run func(ctx context.Context, length int64, r *fakeOutcome) error
	// unsupported is the reason for which no model supports the task.
	unsupported string
}

// fakeOutcome is the outcome of a case.
type fakeOutcome struct {
	result.Outcome
	Model string
}

type fakeParams struct {
	Lengths Sizes           `yaml:"lengths" doc:"lengths in tokens"`
	Trials  int             `yaml:"trials" doc:"questions a cell"`
	Models  []string        `yaml:"models" doc:"models"`
	Share   bool            `yaml:"share" doc:"share"`
	Part    struct{ N int } `yaml:"part"`
}

func (fakeTask) Name() string  { return "fake" }
func (fakeTask) About() string { return "a task for tests" }
func (fakeTask) Describe() result.Task {
	return result.Task{Name: "fake", Metrics: []result.MetricInfo{
		{Name: "x", Unit: "x", Better: result.None, Kind: result.Exact}, {Name: "call", Unit: "x", Better: result.None, Kind: result.Exact}}}
}

func (fakeTask) Params() any { return &fakeParams{Lengths: Sizes{1, 2, 3}, Trials: 5} }

func (f fakeTask) Plan(p *Planner, m *Target, params any) (cases []Case, _ error) {
	ps := params.(*fakeParams)
	if ps.Trials < 1 {
		return nil, p.Errorf("trials is %d, want at least 1", ps.Trials)
	}
	for _, n := range ps.Lengths {
		cases = append(cases, Case{
			Label:       fmt.Sprintf("fake %s", Size(n)),
			Params:      map[string]any{"length": n, "trials": ps.Trials},
			Work:        []Phase{{Work: runners.Work{Self: runners.Cost{FLOPs: float64(n)}}, Times: 1}},
			Unsupported: f.unsupported,
			Run: func(ctx context.Context, _ runners.Model, progress func(float64)) (result.Outcome, error) {
				progress(0.5)
				r := &fakeOutcome{Model: m.Name}
				r.Metrics = map[string]result.Metric{"x": {Value: float64(n), Unit: "x", Better: result.None}}
				if f.run == nil {
					return r.Outcome, nil
				}
				err := f.run(ctx, n, r)
				return r.Outcome, err
			},
		})
	}
	return cases, nil
}

type fakeModel struct{ runners.Model }

func (fakeModel) Close() error { return nil }

// fakeWiring returns a Registry with models that take no memory. An estimated FLOP takes a second.
// loads counts the loads per model.
func fakeWiring(t fakeTask, loads map[string]int) Registry {
	return Registry{
		Tasks: []Task{t},
		Open: func(s *Suite, e Entry) (*Target, error) {
			if e.Model == "unknown" {
				return nil, errors.New(`unknown model "unknown"`)
			}
			return &Target{
				Name: e.Name, Config: &runners.Config{Name: e.Model}, Identity: "fake", Runner: "fake",
				Load: func() (runners.Model, error) {
					loads[e.Name]++
					if e.Model == "big" {
						return nil, fmt.Errorf("load big: %w", runners.ErrOutOfMemory)
					}
					return fakeModel{}, nil
				},
				Seconds: func(w runners.Work) float64 { return w.Total().FLOPs },
			}, nil
		},
	}
}

// watcher records the calls of an Observer.
type watcher struct{ began, cases, done int }

func (w *watcher) Begin(int, float64)           { w.began++ }
func (w *watcher) Case(*PlannedCase)            { w.cases++ }
func (w *watcher) Fraction(float64)             {}
func (w *watcher) Done(*result.Record, float64) { w.done++ }
