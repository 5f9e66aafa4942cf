package quality

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/param"
	"github.com/yocobench/yocobench/suites/result"
)

// Task runs a family.
type Task struct{ family Family }

// NewTask returns the task that runs a family.
func NewTask(f Family) Task { return Task{f} }

// Name is the family's name.
func (t Task) Name() string { return t.family.Name }

// About describes the task in one line.
func (t Task) About() string { return t.family.About }

// Choices returns the kinds and the wordings of the family.
func (t Task) Choices() (list []suites.Choice) {
	for _, k := range t.family.Kinds {
		list = append(list, suites.Choice{Field: "kinds", Name: k.Name, About: k.About})
	}
	list = append(list, suites.Choice{Field: "wording", Name: WordingOwn, About: "this project's texts"})
	for _, name := range t.family.Wordings {
		list = append(list, suites.Choice{Field: "wording", Name: name, About: "the benchmark's published texts"})
	}
	return list
}

// Params returns a *Params with the defaults.
func (Task) Params() any { return defaults() }

// Plan returns one case for each length and kind or, with adaptive, one for each kind.
func (t Task) Plan(pl *suites.Planner, m *suites.Target, params any) ([]suites.Case, error) {
	p := params.(*Params)
	if ok, err := p.Models.Match(m.Name); !ok {
		return nil, err
	}
	if err := p.check(&t.family); err != nil {
		return nil, pl.Errorf("%v", err)
	}
	kinds, err := p.choose(&t.family)
	if err != nil {
		return nil, pl.Errorf("%v", err)
	}
	if err := pl.Count(len(p.Lengths), len(kinds)); err != nil {
		return nil, err
	}
	source, err := pl.Source(p.Haystack.Spec)
	if err != nil {
		return nil, err
	}
	sets := make([]*data, len(kinds))
	for i, k := range kinds {
		if k.Open != nil {
			if sets[i], err = p.Data.open(k, pl.Dir); err != nil {
				return nil, pl.Errorf("%v", err)
			}
		}
	}
	dialogue, unsupported := p.Chat.Dialogue(pl, m)
	if p.Adaptive > 0 {
		return t.adaptive(pl, m, p, kinds, func(i int, length int) *cell {
			return &cell{Params: p, family: &t.family, Kind: kinds[i], length: length, seed: pl.Seed, source: source, data: sets[i], chat: dialogue}
		}, unsupported)
	}
	cases := make([]suites.Case, 0, len(p.Lengths)*len(kinds))
	var short error // why all cases are too short
	for _, length := range p.Lengths {
		for i, k := range kinds {
			if err := pl.Err(); err != nil {
				return nil, err
			}
			if !pl.Wanted(len(cases)) {
				cases = append(cases, suites.Case{})
				short = nil
				continue
			}
			c := &cell{Params: p, family: &t.family, Kind: k, length: int(length), seed: pl.Seed, source: source, data: sets[i], chat: dialogue}
			planned, err := c.plan(m, unsupported)
			switch {
			case errors.Is(err, errTooShort):
				if len(cases) == 0 {
					short = err
				}
				planned.Unsupported = err.Error()
			case err != nil:
				return nil, pl.Errorf("%v", err)
			default:
				short = nil
			}
			cases = append(cases, planned)
		}
	}
	if short != nil {
		return nil, pl.Errorf("lengths: all are too short for %s: %s", m.Name, strings.TrimPrefix(short.Error(), errTooShort.Error()+": "))
	}
	return cases, nil
}

// cell is the samples of one kind at one length.
//
// Every random choice of a sample depends on the suite's seed, the kind, the length and the
// sample's number, so all models get the same questions, and a larger number of samples keeps the
// earlier ones.
type cell struct {
	*Params
	*Kind
	family *Family
	length int
	seed   uint64
	source corpus.Source
	data   *data
	chat   *param.Dialogue
}

func (c *cell) samples() int { return c.Samples.At(c.length) }

// stream returns the random numbers for one purpose in the cell.
func (c *cell) stream(what string) *rng.Rand {
	return rng.New(fmt.Sprintf("quality/%s/%s %d/%s", c.family.Name, c.Kind.Name, c.length, what), c.seed)
}

func (c *cell) settings() *Settings {
	s := &Settings{Length: c.length, Wording: c.Wording, Haystack: c.source, Seed: c.stream("shared").Uint64()}
	if c.data != nil {
		s.Data = c.data.value
	}
	return s
}

// draw makes the random choices of the i-th sample.
func (c *cell) draw(i int, s *Settings) (Draft, error) {
	s.Sample = i
	d, err := c.Draw(c.stream(fmt.Sprintf("sample %d", i)), s)
	if err != nil {
		err = fmt.Errorf("%s, sample %d: %w", c.Kind.Name, i, err)
	}
	return d, err
}

// answer returns the token limit of an answer.
func (c *cell) answer() int { return c.Answer(c.length) }

// plan makes the cell's case for a model. Where unsupported is not empty, it is why the model
// cannot be asked. An error that wraps errTooShort comes with a case.
func (c *cell) plan(m *suites.Target, unsupported string) (suites.Case, error) {
	out := suites.Case{Label: c.label()}
	d, err := c.draw(0, c.settings())
	if err != nil {
		return out, err
	}
	least, _ := d.Units()
	s, err := d.Make(least)
	if err == nil {
		err = s.check()
	}
	if err != nil {
		return out, fmt.Errorf("%s: %w", c.Kind.Name, err)
	}
	out.Params = c.params(m)
	if out.Params["questions"], err = c.version(); err != nil {
		return out, err
	}
	out.Run = func(ctx context.Context, model runners.Model, progress func(float64)) (result.Outcome, error) {
		return c.run(ctx, m, model, progress)
	}
	if out.Unsupported = cmp.Or(m.Can.Missing(runners.Complete), unsupported); out.Unsupported != "" {
		return out, nil
	}
	tok := m.Counter()
	around := c.chat.Surroundings()
	n := len(around.Before) + len(tok.Encode(around.Head+s.Prompt()+s.Prefix+around.Tail)) + len(around.After)
	if c.chat == nil {
		n += len(tokenizer.Begin(tok))
	}
	if n += c.answer(); n > c.length {
		return out, fmt.Errorf("%w: the shortest question of %s has %d tokens with its answer", errTooShort, c.Kind.Name, n)
	}
	if m.Config == nil {
		return out, nil
	}
	types, samples := m.Types(runners.F32), float64(c.samples())
	out.Work = []suites.Phase{
		{Work: m.Config.PrefillWork(c.length-c.answer(), 0, types), Times: samples},
		{Work: m.Config.StepWork(c.length, 1, types), Times: samples * float64(c.answer())},
	}
	out.Bytes = m.Config.RunBytes(c.length, 1, m.Options.PrefillChunk, types).Total()
	out.Least = m.Config.LeastBytes(c.length, 1, types)
	return out, nil
}

// label returns a label that distinguishes the cell within a suite.
func (c *cell) label() string { return c.labelAt(suites.Size(c.length).String()) }

// labelAt is label with another text for the length.
func (c *cell) labelAt(length string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", c.family.Name, c.Kind.Name, length)
	if c.Prose && c.source.Name() != "prose" {
		b.WriteString(" in " + c.source.Name())
	}
	if c.Wording != WordingOwn {
		b.WriteString(" wording " + c.Wording)
	}
	if !c.AnswerPrefix {
		b.WriteString(" no prefix")
	}
	if c.Chat.On {
		b.WriteString(" chat")
	}
	return b.String()
}

// version returns a hash that changes if the program asks other questions of the kind: that of a
// short sample, which depends neither on the length nor on the seed.
func (c *cell) version() (string, error) {
	fixed := *c
	fixed.length, fixed.seed = 4<<10, 0
	d, err := fixed.draw(0, fixed.settings())
	if err != nil {
		return "", err
	}
	least, step := d.Units()
	s, err := d.Make(least + 4*step)
	if err != nil {
		return "", fmt.Errorf("%s: %w", c.Kind.Name, err)
	}
	h := sha256.New()
	for _, text := range append([]string{s.Prompt(), s.Prefix}, s.References...) {
		fmt.Fprintf(h, "%d\n%s\n", len(text), text)
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// params returns everything that determines the result, except the version of the questions.
func (c *cell) params(m *suites.Target) map[string]any {
	ps := map[string]any{
		"kind": c.Kind.Name, "length": c.length, "samples": c.samples(), "wording": c.Wording, "answer_prefix": c.AnswerPrefix,
	}
	ps["dtype"], ps["kv"] = m.TypeNames()
	if c.Prose {
		ps["haystack"], ps["text"] = c.source.Name(), c.source.Fingerprint()[:16]
	}
	if c.data != nil {
		ps["data"] = c.data.fingerprint
	}
	c.Chat.Params(c.chat, ps)
	return ps
}
