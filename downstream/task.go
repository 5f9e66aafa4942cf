package downstream

import (
	"context"
	"fmt"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// Task is the downstream task.
type Task struct{}

// Name is "downstream".
func (Task) Name() string { return "downstream" }

// About describes the task in one line.
func (Task) About() string {
	return "multiple choice, exact match and perplexity on the user's files, scored as lm-evaluation-harness does"
}

// Params returns a *Params with the defaults.
func (Task) Params() any { return defaults() }

// bench is one case: documents of a file.
type bench struct {
	*form
	source source
	hash   string
	// from and to are the indexes of the documents.
	from, to int
	// limit is the maximum number of tokens that the model reads; 0 means any.
	limit int
}

// Plan returns a case for each documents_per_case documents.
func (Task) Plan(pl *suites.Planner, m *suites.Target, params any) ([]suites.Case, error) {
	p := *params.(*Params) // completed separately for every model
	if ok, err := p.Models.Match(m.Name); !ok {
		return nil, err
	}
	f, err := p.complete()
	if err != nil {
		return nil, pl.Errorf("%v", err)
	}
	src := newSource(p.File, pl.Dir)
	var size sizes
	used := 0
	all, err := src.read(0, p.Limit, func(d *document) error {
		it, err := f.item(d)
		if err == nil {
			used++
			size.add(it)
		}
		if used%256 == 1 && err == nil {
			err = pl.Err()
		}
		return err
	})
	if err != nil {
		return nil, placed(pl, err)
	}
	if used == 0 {
		return nil, pl.Errorf("%s has no documents", src.name)
	}
	limit := int(p.MaxLength)
	if limit == 0 && m.Config != nil {
		limit = m.Config.MaxSeqLen
	} else if limit == 0 && m.Context > 0 {
		limit = m.Context - 1 // the last scored token is read too
	}
	if p.OutputType == generateUntil && limit > 0 && limit <= p.Generation.MaxGenToks {
		return nil, pl.Errorf("max_gen_toks: %d tokens leave no room for a prompt: the model %s reads %d", p.Generation.MaxGenToks, m.Name, limit)
	}
	if err := pl.Count((used + p.PerCase - 1) / p.PerCase); err != nil {
		return nil, err
	}
	need := map[string]runners.Capability{multipleChoice: runners.Choose, generateUntil: runners.Complete, rolling: runners.Score}[p.OutputType]
	var cases []suites.Case
	for from := 0; from < used; from += p.PerCase {
		if !pl.Wanted(len(cases)) {
			cases = append(cases, suites.Case{})
			continue
		}
		b := &bench{form: f, source: src, hash: all.hash, from: from, to: min(used, from+p.PerCase), limit: limit}
		c := suites.Case{Label: "downstream " + p.Name, Params: p.params(m, all.hash, from, b.to-from, used), Unsupported: m.Can.Missing(need)}
		if used > p.PerCase {
			c.Label += fmt.Sprintf(" %d-%d", from+1, b.to)
		}
		c.Run = func(ctx context.Context, model runners.Model, progress func(float64)) (result.Outcome, error) {
			return b.run(ctx, m, model, progress)
		}
		if c.Unsupported == "" && m.Config != nil && m.Tokenizer != nil {
			c.Work, c.Bytes, c.Least = size.cost(m, f, b.to-from, limit)
		}
		cases = append(cases, c)
	}
	return cases, nil
}

// placed adds the position in the suite to an error that has none in the file of documents.
func placed(pl *suites.Planner, err error) error {
	if _, ok := err.(*suites.Problem); ok {
		return err
	}
	return pl.Errorf("file: %v", err)
}

// sizes are the sizes of a task's texts in bytes.
type sizes struct {
	items, contexts, choices int
	read, scored             float64
	longest                  string // the longest text that is read at once
	sample                   string // texts whose tokens are counted
}

const sampleBytes = 64 << 10

func (s *sizes) add(it *item) {
	s.items++
	texts := []string{it.prompt}
	switch {
	case it.contexts != nil:
		texts = nil
		for i, c := range it.contexts {
			if i == 0 || c != it.contexts[i-1] {
				s.contexts++
				s.read += float64(len(c))
			}
			s.choices++
			s.scored += float64(len(it.continuations[i]))
			texts = append(texts, c+it.continuations[i])
		}
	case it.prompt != "":
		s.contexts++
		s.read += float64(len(it.prompt))
	default:
		texts = it.targets
		s.choices++
		s.scored += float64(len(it.targets[0]))
	}
	for _, t := range texts {
		if len(t) > len(s.longest) {
			s.longest = t
		}
	}
	if len(s.sample) < sampleBytes {
		s.sample += shorten(texts[0], sampleBytes/4)
	}
}

// cost estimates the work and the memory of a case of n documents.
func (s *sizes) cost(m *suites.Target, f *form, n, limit int) (work []suites.Phase, bytes, least int64) {
	perByte := float64(len(m.Tokenizer.Encode(s.sample))+1) / float64(len(s.sample)+1)
	tokens := func(bytes float64, parts int) int {
		if parts == 0 {
			return 0
		}
		t := int(bytes*perByte/float64(parts)) + 1
		if limit > 0 {
			t = min(t, limit)
		}
		return t
	}
	each := func(count int) float64 { return float64(count) * float64(n) / float64(s.items) }
	types := m.Types(runners.F32)
	read, scored := tokens(s.read, s.contexts), tokens(s.scored, s.choices)
	if s.contexts > 0 {
		work = append(work, suites.Phase{Work: m.Config.PrefillWork(read, 0, types), Times: each(s.contexts)})
	}
	if s.choices > 0 {
		work = append(work, suites.Phase{Work: m.Config.ScoreWork(scored, read, types), Times: each(s.choices)})
	}
	held := 2
	text := tokens(float64(len(s.longest)), 1)
	longest := text + len(tokenizer.Begin(m.Tokenizer))
	switch f.OutputType {
	case generateUntil:
		work = append(work, suites.Phase{Work: m.Config.StepWork(read, 1, types), Times: each(s.contexts) * float64(f.Generation.MaxGenToks)})
		longest += f.Generation.MaxGenToks
	case rolling:
		held = 1
	case multipleChoice:
		if !m.Config.CanTruncate() {
			held++
		}
	}
	return work, m.Config.RunBytes(longest, held, m.Options.PrefillChunk, types).Total(), m.Config.LeastBytes(text, 1, types)
}
