package contrast

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/corpus/haystack"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// groups lists the conditions that are answered together. The first three differ only in the
// question, so their text is computed once. The others share the text before the first fact.
var groups = [][]int{{0, 1, 2}, {3, 4}}

// run measures the cell, one trial after another.
func (c *cell) run(ctx context.Context, target *suites.Target, m runners.Model, progress func(float64)) (out result.Outcome, err error) {
	model, err := runners.CompleterOf(m, target.Tokenizer, true)
	if err != nil {
		return out, err
	}
	sample, err := c.source.Haystack(0, suites.SampleBytes)
	if err != nil {
		return out, err
	}
	tok, err := target.CounterFor(ctx, string(sample.Text))
	if err != nil {
		return out, err
	}
	repeats := 0
	for i := range c.trials() {
		t := c.trial(i)
		h, err := c.fit(tok, i, t)
		if err != nil {
			return out, fmt.Errorf("trial %d: %w", i+1, err)
		}
		repeats = max(repeats, h.Repeats)
		trials := make([]result.Trial, len(conditions))
		for _, g := range groups {
			prompts := make([]runners.Prompt, len(g))
			for k, v := range g {
				prompts[k] = c.prompt(t, t.variants[v], h, tok, target.Tokenizer != nil)
			}
			notes, err := model.Complete(ctx, prompts, c.length, func(k int, answers []runners.Answer) {
				trials[g[k]] = c.judge(i, t, g[k], h, answers[0])
			})
			if err != nil {
				return out, fmt.Errorf("trial %d: %w", i+1, err)
			}
			for _, n := range notes {
				if !slices.Contains(out.Notes, n) {
					out.Notes = append(out.Notes, n)
				}
			}
		}
		out.Trials = append(out.Trials, trials...)
		progress(float64(i+1) / float64(c.trials()))
	}
	out.Notes = slices.Concat(out.Notes, haystack.RepeatNotes(repeats), target.CounterNotes(tok), c.chat.Notes())
	out.Metrics = metrics(out.Trials, len(c.order))
	return out, nil
}

// prompt returns a trial in one condition as a model gets it. known reports that tok is the
// tokenizer of the model.
func (c *cell) prompt(t *trial, v variant, h *haystack.Haystack, tok tokenizer.Tokenizer, known bool) runners.Prompt {
	p := runners.Prompt{System: c.chat.System(), Text: string(h.Body(v.facts)) + haystack.BeforeQuestion}
	if known {
		p.Tokens = h.Prompt(v.facts, v.question)
	}
	p.Turns = []runners.Turn{{Text: v.question, Continuations: c.continuations(t, v), MaxTokens: c.most(tok, t), Done: c.ended(t)}}
	return p
}

// ended returns a function that reports whether an answer is complete: at the end of its line, or
// after the right name.
func (c *cell) ended(t *trial) func(string) bool {
	return func(answer string) bool {
		rest, right := strings.CutPrefix(strings.TrimLeft(answer, " "), t.name)
		return strings.Contains(strings.TrimLeft(answer, " \n"), "\n") || right && rest != ""
	}
}

// judge scores the answer to trial i in one condition.
func (c *cell) judge(i int, t *trial, condition int, h *haystack.Haystack, a runners.Answer) result.Trial {
	v := t.variants[condition]
	line, _, _ := strings.Cut(strings.TrimSpace(a.Text), "\n")
	out := result.Trial{
		Condition: conditions[condition], Pair: i + 1, Question: v.question, Expected: []string{t.name}, Choices: append([]string{t.name}, t.others...), LogProbs: a.LogProbs,
		Answer: strings.ToValidUTF8(line, "\uFFFD"), Tokens: a.Tokens,
		Exact: share(c.right(line, t)), Contains: share(names(line, t.name) >= 0), NoLogProb: len(a.LogProbs) == 0,
	}
	// The fact that the question asks for comes first.
	out.Facts = []string{v.facts[t.asked].Text}
	out.Depths = []float64{h.Depth(h.Place(v.facts[t.asked]).Pos)}
	for k, f := range v.facts {
		if k != t.asked {
			out.Distractors = append(out.Distractors, f.Text)
			out.Depths = append(out.Depths, h.Depth(h.Place(f).Pos))
		}
	}
	if !out.NoLogProb {
		out.LogProb = a.LogProbs[0]
	}
	return out
}
