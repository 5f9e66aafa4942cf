package suites

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/runners"
)

// Planner is what a task may use while planning.
type Planner struct {
	// Seed is the suite's; every random choice comes from it and the case.
	Seed uint64
	// Dir is the folder that relative paths in the suite start from.
	Dir string
	// Machine is what this machine can do, as measured at the start; nil where nobody measured.
	Machine *runners.Profile

	ctx     context.Context
	block   *block
	cases   int // counted so far
	sources map[string]corpus.Source
}

// Errorf makes an error about the task's block that names its place in the suite.
func (p *Planner) Errorf(format string, args ...any) error {
	if p.block == nil {
		return fmt.Errorf(format, args...)
	}
	return &Problem{File: p.block.file, Line: p.block.line, Msg: p.block.task.Name() + ": " + fmt.Sprintf(format, args...)}
}

// Count announces the cases that a task is about to plan for a model: the product of factors. It
// refuses what makes the plan too large, before it takes memory.
func (p *Planner) Count(factors ...int) error {
	n := 1
	for _, f := range factors {
		if f > 0 && n > math.MaxInt/f {
			n = math.MaxInt
			break
		}
		n *= max(0, f)
	}
	if n > maxCases-p.cases {
		return p.tooMany(n)
	}
	p.cases += n
	return nil
}

func (p *Planner) tooMany(n int) error {
	if p.block == nil {
		return fmt.Errorf("%d cases more than a plan may have (%d)", n, maxCases)
	}
	return &Problem{File: p.block.file, Line: p.block.line, Hint: "plan fewer lengths, depths or models, or split the suite",
		Msg: fmt.Sprintf("%s: %d cases with %d planned before are more than a plan may have (%d)", p.block.task.Name(), n, p.cases, maxCases)}
}

// Context ends once planning is to end.
func (p *Planner) Context() context.Context {
	if p.ctx == nil {
		return context.Background()
	}
	return p.ctx
}

// Err is not nil once planning is to end, because the program was interrupted. A task that takes
// long asks for it.
func (p *Planner) Err() error {
	return p.Context().Err()
}

// Source opens a text source once for the whole plan.
func (p *Planner) Source(spec corpus.Spec) (corpus.Source, error) {
	key := fmt.Sprintf("%+v", spec)
	if s, ok := p.sources[key]; ok {
		return s, nil
	}
	s, err := corpus.Open(spec, p.Dir)
	if err != nil {
		return nil, p.Errorf("%v", err)
	}
	if p.sources == nil {
		p.sources = map[string]corpus.Source{}
	}
	p.sources[key] = s
	return s, nil
}

// placed gives an error of a task the place of its block, where it has none.
func (p *Planner) placed(err error) error {
	var pr *Problem
	if err == nil || errors.As(err, &pr) {
		return err
	}
	return p.Errorf("%v", err)
}
