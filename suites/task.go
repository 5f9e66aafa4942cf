package suites

import (
	"context"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites/result"
)

// Task is one kind of measurement. It plans cases from its block of a suite. It depends only on the
// interfaces of runners.
type Task interface {
	// Name is the key of the task's block in a suite. About is one line for `yocobench list tasks`.
	Name() string
	About() string
	// Params returns a pointer to a new struct with the defaults set. Its yaml and doc tags define
	// the task's part of the schema (`yocobench suite explain`). Example: Trials int `yaml:"trials"
	// doc:"questions per cell"`.
	Params() any
	// Describe returns the declaration of the task under its Name: all metrics that its records can
	// have, with their units; the axes of its records; its views in reports. Gates can only refer
	// to these metrics.
	Describe() result.Task
	// Plan returns the cases for one model. params is the result of Params, with values from the
	// suite. Errors about the params should come from p.Errorf.
	Plan(p *Planner, m *Target, params any) ([]Case, error)
}

// Case is one measurement: the unit of budget, resume and record.
type Case struct {
	// Label is the name of the case in reports, without the model.
	Label string
	// Params holds everything besides the model that determines the result, by name: strings,
	// numbers, bools and lists of them. They are part of the record and of the case's id. A
	// fingerprint of text read from files belongs here.
	Params map[string]any
	// Version must increase when a change of the program makes older results of this case
	// incomparable. It is part of the case's id; 0 is the first version.
	Version int
	// Work is the estimated cost: a sequence of phases. Repeated phases are listed once, with Times
	// set.
	Work []Phase
	// Wait is the time in seconds that the case takes at least on any machine, such as that of
	// requests sent at a rate.
	Wait float64
	// Bytes is the estimated peak memory in bytes, weights included.
	Bytes int64
	// Least is the minimum memory of the case in bytes: weights, caches and logits, without what
	// depends on the runner. A case whose Least exceeds the target's Memory is recorded as out of
	// memory without being tried. 0 means unknown.
	Least int64
	// Unsupported is the reason for which the model cannot run the case, if that is known before it
	// is loaded. Then Run is not called.
	Unsupported string
	// Run runs the case. An error that wraps runners.ErrOutOfMemory or runners.ErrUnsupported gives
	// that status. progress may be called with a fraction in 0..1.
	Run func(ctx context.Context, m runners.Model, progress func(float64)) (result.Outcome, error)
}

// Phase is a part of a case's work and how often it is repeated.
type Phase struct {
	Work  runners.Work
	Times float64
}
