package needle

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// Task is the needle task.
type Task struct{}

// Name is "needle".
func (Task) Name() string { return "needle" }

// About describes the task in one line.
func (Task) About() string {
	return "retrieve facts hidden in a long text, by context length and depth"
}

// Params returns a *Params with the defaults.
func (Task) Params() any { return defaults() }

// Plan returns one case for each length, number of needles and depth.
func (Task) Plan(pl *suites.Planner, m *suites.Target, params any) ([]suites.Case, error) {
	p := *params.(*Params) // completed separately for every model
	if ok, err := p.Models.Match(m.Name); !ok {
		return nil, err
	}
	if err := p.complete(); err != nil {
		return nil, pl.Errorf("%v", err)
	}
	source, err := pl.Source(p.Haystack.Spec)
	if err != nil {
		return nil, err
	}
	templates, err := p.Template.choose()
	if err != nil {
		return nil, pl.Errorf("%v", err)
	}
	if err := pl.Count(len(p.Lengths), len(p.Needles), len(p.Depths.list())); err != nil {
		return nil, err
	}
	dialogue, unsupported := p.Chat.Dialogue(pl, m)
	if err := pl.Err(); err != nil {
		return nil, err
	}
	text := source.Fingerprint()[:16]
	costs := newCosts(m)
	cases := make([]suites.Case, 0, len(p.Lengths)*len(p.Needles)*len(p.Depths.list()))
	for _, length := range p.Lengths {
		for _, needles := range p.Needles {
			for _, d := range p.Depths.list() {
				if err := pl.Err(); err != nil {
					return nil, err
				}
				if !pl.Wanted(len(cases)) {
					cases = append(cases, suites.Case{})
					continue
				}
				c := &cell{Params: &p, length: int(length), needles: int(needles), depth: d, seed: pl.Seed, templates: templates, source: source, chat: dialogue}
				planned, err := c.plan(m, costs, text, unsupported)
				if err != nil {
					return nil, pl.Errorf("%v", err)
				}
				cases = append(cases, planned)
			}
		}
	}
	return cases, nil
}

// plan makes the cell's case for a model; text is the fingerprint of the source. Where unsupported
// is not empty, it says why the model cannot be asked.
func (c *cell) plan(m *suites.Target, costs *costs, text, unsupported string) (suites.Case, error) {
	out := suites.Case{Label: c.label(), Params: c.params(m, text), Version: c.version()}
	out.Run = func(ctx context.Context, model runners.Model, progress func(float64)) (result.Outcome, error) {
		return c.run(ctx, m, model, progress)
	}
	if out.Unsupported = cmp.Or(m.Can.Missing(runners.Complete), unsupported); out.Unsupported != "" {
		return out, nil
	}
	tok := m.Counter()
	c.tok = m.Tokenizer
	trials := make([]*trial, c.trials())
	for i := range trials {
		t, err := c.trial(i)
		if err != nil {
			return out, err
		}
		trials[i] = t
	}
	least := c.least(tok, trials)
	if c.length < least {
		return out, fmt.Errorf("lengths: %d tokens are too few for the facts, questions and answers of kind %s on %s; the minimum is %d", c.length, c.Kind, m.Name, least)
	}
	if m.Config == nil {
		return out, nil
	}
	out.Work, out.Bytes = c.cost(m, costs, tok, trials)
	out.Least = costs.least(c.length)
	return out, nil
}

// version returns 1 if facts may be at other places than in the first version. That version used
// the first end of a sentence or line after the requested depth, at any distance. In generated
// prose that distance is less than 2 % of 32 Ki.
func (c *cell) version() int {
	atStart := c.depth == (depth{}) && c.Distractors == 0
	atEnd := c.depth == (depth{at: 1})
	if atStart || c.Haystack.Kind == corpus.KindProse && c.length >= 32<<10 && !atEnd {
		return 0
	}
	return 1
}

// label returns a label that distinguishes the cell within a suite.
func (c *cell) label() string {
	kind := c.Kind
	if c.several() {
		kind += fmt.Sprintf(" x%d", c.needles)
	}
	if c.Distractors > 0 {
		kind += fmt.Sprintf(" +%d", c.Distractors)
	}
	label := fmt.Sprintf("needle %s %s @ %s", kind, suites.Size(c.length), c.depth)
	if c.source.Name() != "prose" {
		label += " in " + c.source.Name()
	}
	if d := defaults().Template; len(c.Template) != 1 || c.Template[0] != d[0] {
		label += fmt.Sprintf(" %v", []string(c.Template))
	}
	if c.Chat.On {
		label += " chat"
	}
	return label
}

// params returns everything that determines the result. Optional parameters appear only in the
// cells that have them.
func (c *cell) params(m *suites.Target, text string) map[string]any {
	ps := map[string]any{
		"kind": c.Kind, "length": c.length, "depth": c.depth.value(), "trials": c.trials(), "needles": c.needles,
		"haystack": c.source.Name(), "text": text,
		"template": strings.Join(c.Template, ", "), "wording": wordingHash(c.templates),
		"keys": string(c.Keys), "digits": c.Digits,
	}
	ps["dtype"], ps["kv"] = m.TypeNames()
	if c.Distractors > 0 {
		ps["distractors"] = c.Distractors
	}
	if c.haystacks() > 1 {
		ps["haystacks"] = c.haystacks()
	}
	if c.Answer > 0 {
		ps["answer"] = c.Answer
	}
	if !c.Share {
		ps["share"] = false
	}
	c.Chat.Params(c.chat, ps)
	return ps
}

// costs computes the work and the memory of cells of a model. The cells of one length share them,
// and computing them for a model of many layers takes longer than the rest of planning a cell.
type costs struct {
	prefill func([2]int) runners.Work // of tokens, at a depth
	step    func(int) runners.Work    // at a depth
	least   func(int) int64           // bytes for a length
	run     func([2]int) int64        // bytes for a length and a number of sequences
}

// newCosts returns the costs of a model. They must not be used without a Config.
func newCosts(m *suites.Target) *costs {
	types := m.Types(runners.F32)
	return &costs{
		prefill: remember(func(at [2]int) runners.Work { return m.Config.PrefillWork(at[0], at[1], types) }),
		step:    remember(func(depth int) runners.Work { return m.Config.StepWork(depth, 1, types) }),
		least:   remember(func(length int) int64 { return m.Config.LeastBytes(length, 1, types) }),
		run: remember(func(at [2]int) int64 {
			return m.Config.RunBytes(at[0], at[1], m.Options.PrefillChunk, types).Total()
		}),
	}
}

// remember returns f with its last results remembered.
func remember[K comparable, V any](f func(K) V) func(K) V {
	const most = 1000
	known := map[K]V{}
	return func(k K) V {
		v, ok := known[k]
		if !ok {
			if len(known) == most {
				clear(known)
			}
			v = f(k)
			known[k] = v
		}
		return v
	}
}

// steps is the number of steps that an answer takes: up to the end of the right one, or in a chat
// all that it may take.
func (c *cell) steps(tok tokenizer.Tokenizer, q question) int {
	if c.chat != nil {
		return c.most(tok, q)
	}
	return len(tok.Encode(q.expected())) + 1
}

// cost estimates the work, counting shared work once, and the memory: the base sequence, a fork of
// it and, for YOCO, another fork while the log-probability of the right answer is computed after a
// wrong one.
func (c *cell) cost(m *suites.Target, costs *costs, tok tokenizer.Tokenizer, all []*trial) ([]suites.Phase, int64) {
	var work []suites.Phase
	held := 1
	for h := range c.haystacks() {
		trials, first, steps := 0, 1.0, 0
		for i := h; i < len(all); i += c.haystacks() {
			t := all[i]
			trials++
			first = min(first, t.facts[0].depth)
			steps = 0
			for _, q := range t.questions {
				steps += c.steps(tok, q) * (1 + len(c.wrong(t, q)))
			}
		}
		shared := 0
		if trials > 1 && c.Share {
			shared, held = int(math.Round(first*float64(c.length))), 2
		}
		if shared > 0 {
			work = append(work, suites.Phase{Work: costs.prefill([2]int{shared, 0}), Times: 1})
		}
		work = append(work,
			suites.Phase{Work: costs.prefill([2]int{c.length - shared, shared}), Times: float64(trials)},
			suites.Phase{Work: costs.step(c.length), Times: float64(trials * steps)})
	}
	if !m.Config.CanTruncate() {
		held++
	}
	return work, costs.run([2]int{c.length, held})
}
