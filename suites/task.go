package suites

import (
	"context"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites/result"
)

// Task is one family of measurements. It plans cases from its block of a suite
// and knows runners by their interfaces only.
type Task interface {
	// Name is the block's key in a suite, About one line for `yocobench list tasks`.
	Name() string
	About() string
	// Params returns a pointer to a new struct with the defaults set; its yaml tags and `doc` tags
	// are the task's part of the schema (`yocobench suite explain`). Example: Trials int
	// `yaml:"trials" doc:"questions per cell"`.
	Params() any
	// Describe returns what the task measures, under its Name: all metrics that its records can
	// have, which are what gates can be about, with their units; the params that spread its
	// records; its views in reports.
	Describe() result.Task
	// Plan returns the cases for one model. params is what Params returned, filled from the suite.
	// An error about the params should be a *Problem from p.Errorf.
	Plan(p *Planner, m *Target, params any) ([]Case, error)
}

// Case is one measurement: the unit of budget, resume and record.
type Case struct {
	// Label says the case in words, without the model.
	Label string
	// Params are all that decides the result besides the model, by name: strings, numbers, bools
	// and lists of them. They go into the record and into the case's id. A fingerprint of text read
	// from the machine belongs here.
	Params map[string]any
	// Version is raised where a change of the program makes earlier results of this case
	// incomparable. It goes into the case's id; 0 is the first version.
	Version int
	// Work is the estimated cost: phases that follow each other. Repeated phases stand once with
	// Times set.
	Work []Phase
	// Bytes is the estimated memory held at the peak, weights included.
	Bytes int64
	// Least is the bytes that the case holds for certain: weights, caches and logits, without what
	// depends on the runner. A case whose Least exceeds the model's Memory is out of memory without
	// being tried. 0: not known.
	Least int64
	// Unsupported says why the model cannot do this, where that is known before it is loaded; then
	// Run is not called.
	Unsupported string
	// Run measures. An error that wraps runners.ErrOutOfMemory or runners.ErrUnsupported becomes
	// that status. progress may be called with a fraction 0..1.
	Run func(ctx context.Context, m runners.Model, progress func(float64)) (result.Outcome, error)
}

// Phase is a part of a case's work and how often it is done.
type Phase struct {
	Work  runners.Work
	Times float64
}
