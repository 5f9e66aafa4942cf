package suites

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/runners"
)

// Planner provides what a task may use while planning.
type Planner struct {
	// Seed is the suite's seed. Every random choice derives from it and the case.
	Seed uint64
	// Dir is the base folder of relative paths in the suite.
	Dir string
	// Machine is the measured profile of this machine, or nil if it was not measured.
	Machine *runners.Profile

	ctx     context.Context
	block   *block
	wanted  map[int]bool // nil: all
	limit   int          // maxCases or maxShardedCases
	cases   int          // number of cases so far
	sources map[string]corpus.Source
}

// Errorf returns an error about the task's block, with its position in the suite.
func (p *Planner) Errorf(format string, args ...any) error {
	if p.block == nil {
		return fmt.Errorf(format, args...)
	}
	return &Problem{File: p.block.file, Line: p.block.line, Msg: p.block.task.Name() + ": " + fmt.Sprintf(format, args...)}
}

// Count must be called before a task creates its cases for a model. Their number is the product of
// factors. It returns an error if the plan becomes too large, before that takes memory.
func (p *Planner) Count(factors ...int) error {
	n := 1
	for _, f := range factors {
		if f > 0 && n > math.MaxInt/f {
			n = math.MaxInt
			break
		}
		n *= max(0, f)
	}
	if n > p.most()-p.cases {
		return p.tooMany(n)
	}
	p.cases += n
	return nil
}

// most returns the limit on the number of cases.
func (p *Planner) most() int { return cmp.Or(p.limit, maxCases) }

func (p *Planner) tooMany(n int) error {
	if p.block == nil {
		return fmt.Errorf("%d cases exceed the limit of a plan (%d)", n, p.most())
	}
	return &Problem{File: p.block.file, Line: p.block.line, Hint: "plan fewer lengths, depths or models, or split the suite",
		Msg: fmt.Sprintf("%s: %d cases, with %d planned before, exceed the limit of a plan (%d)", p.block.task.Name(), n, p.cases, p.most())}
}

// Context returns a context that ends once planning must end.
func (p *Planner) Context() context.Context {
	if p.ctx == nil {
		return context.Background()
	}
	return p.ctx
}

// Wanted reports whether the i-th case that a task plans for a model is needed. If not, the task
// may leave the case empty.
func (p *Planner) Wanted(i int) bool { return p.wanted == nil || p.wanted[i] }

// Err returns a non-nil error once planning must end, because the program was interrupted. A task
// whose planning takes long must check it.
func (p *Planner) Err() error {
	return p.Context().Err()
}

// Source opens a text source. Each source is opened once per plan.
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

// placed adds the position of the task's block to an error without a position.
func (p *Planner) placed(err error) error {
	var pr *Problem
	if err == nil || errors.As(err, &pr) {
		return err
	}
	return p.Errorf("%v", err)
}
