package contrast

import (
	"cmp"
	"context"
	"fmt"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// Task is the contrast task.
type Task struct{}

// Name is "contrast".
func (Task) Name() string { return "contrast" }

// About describes the task in one line.
func (Task) About() string {
	return "the same facts asked for literally, in other words, by association and among near misses; differences by trial"
}

// Params returns a *Params with the defaults.
func (Task) Params() any { return defaults() }

// Plan returns one case for each length.
func (Task) Plan(pl *suites.Planner, m *suites.Target, params any) ([]suites.Case, error) {
	p := *params.(*Params)
	if ok, err := p.Models.Match(m.Name); !ok {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, pl.Errorf("%v", err)
	}
	source, err := pl.Source(p.Haystack.Spec)
	if err != nil {
		return nil, err
	}
	if err := pl.Count(len(p.Lengths)); err != nil {
		return nil, err
	}
	dialogue, unsupported := p.Chat.Dialogue(pl, m)
	if err := pl.Err(); err != nil {
		return nil, err
	}
	var cases []suites.Case
	for _, length := range p.Lengths {
		c := newCell(&p, int(length), pl.Seed, source, dialogue)
		planned, err := c.plan(m, unsupported)
		if err != nil {
			return nil, pl.Errorf("%v", err)
		}
		cases = append(cases, planned)
	}
	return cases, pl.Err()
}

// plan makes the cell's case for a model. Where unsupported is not empty, it says why the model
// cannot be asked.
func (c *cell) plan(m *suites.Target, unsupported string) (suites.Case, error) {
	out := suites.Case{Label: c.label(), Params: c.params(m)}
	out.Run = func(ctx context.Context, model runners.Model, progress func(float64)) (result.Outcome, error) {
		return c.run(ctx, m, model, progress)
	}
	if out.Unsupported = cmp.Or(m.Can.Missing(runners.Complete), unsupported); out.Unsupported != "" {
		return out, nil
	}
	tok := m.Counter()
	if least := c.least(tok); c.length < least {
		return out, fmt.Errorf("lengths: %d tokens are too few for the facts, questions and answers on %s; the minimum is %d", c.length, m.Name, least)
	}
	if m.Config != nil {
		out.Work, out.Bytes = c.cost(m, tok)
		out.Least = m.Config.LeastBytes(c.length, 1, m.Types(runners.F32))
	}
	return out, nil
}

// label returns a label that distinguishes the cell within a suite.
func (c *cell) label() string {
	label := "contrast " + suites.Size(c.length).String()
	if d := defaults().Distractors; c.Distractors != d {
		label += fmt.Sprintf(" +%d", c.Distractors)
	}
	if c.source.Name() != "prose" {
		label += " in " + c.source.Name()
	}
	if c.Chat.On {
		label += " chat"
	}
	return label
}

// params returns everything that determines the result.
func (c *cell) params(m *suites.Target) map[string]any {
	ps := map[string]any{
		"length": c.length, "trials": c.trials(), "distractors": c.Distractors,
		"haystack": c.source.Name(), "text": c.source.Fingerprint()[:16], "facts": factsHash(),
	}
	ps["dtype"], ps["kv"] = m.TypeNames()
	c.Chat.Params(c.chat, ps)
	return ps
}

// cost estimates the work and the memory. The first three conditions of a trial share their text,
// the other two have one each; every condition takes an answer and a continuation for each name. A
// trial holds a base sequence, a fork and, for a model that cannot be cut back, another fork while
// continuations are scored.
func (c *cell) cost(m *suites.Target, tok tokenizer.Tokenizer) ([]suites.Phase, int64) {
	types, n := m.Types(runners.F32), float64(c.trials())
	t := c.trial(0)
	name := len(tok.Encode(c.continuations(t, t.variants[0])[0]))
	steps := (name + 1) * (2 + len(t.others))
	held := 2
	if !m.Config.CanTruncate() {
		held++
	}
	return []suites.Phase{
		{Work: m.Config.PrefillWork(c.length, 0, types), Times: 3 * n},
		{Work: m.Config.StepWork(c.length, 1, types), Times: n * float64(len(conditions)*steps)},
	}, m.Config.RunBytes(c.length, held, m.Options.PrefillChunk, types).Total()
}
