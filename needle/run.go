package needle

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

// run is the state of a running cell.
type run struct {
	*cell
	m     runners.Completer
	tok   tokenizer.Tokenizer
	known bool // tok is the model's tokenizer, no estimate
	out   result.Outcome
	off   misplaced
	// done counts trials, for progress.
	done     int
	progress func(float64)
}

// run measures the cell. The trials of each haystack form a group.
func (c *cell) run(ctx context.Context, target *suites.Target, m runners.Model, progress func(float64)) (result.Outcome, error) {
	completer, err := runners.CompleterOf(m, target.Tokenizer, c.Share)
	if err != nil {
		return result.Outcome{}, err
	}
	sample, err := c.source.Haystack(c.haystackSeed(0), suites.SampleBytes)
	if err != nil {
		return result.Outcome{}, err
	}
	tok, err := target.CounterFor(ctx, string(sample.Text))
	if err != nil {
		return result.Outcome{}, err
	}
	r := &run{cell: c, m: completer, tok: tok, known: target.Tokenizer != nil, progress: progress}
	r.out.Trials = make([]result.Trial, c.trials())
	for h := range c.haystacks() {
		var index []int
		var trials []*trial
		for i := h; i < c.trials(); i += c.haystacks() {
			t, err := c.trial(i)
			if err != nil {
				return result.Outcome{}, err
			}
			index, trials = append(index, i), append(trials, t)
		}
		if err := r.group(ctx, h, index, trials); err != nil {
			return result.Outcome{}, err
		}
	}
	r.out.Notes = slices.Concat(r.out.Notes, target.CounterNotes(r.tok), c.chat.Notes(), r.off.notes())
	r.out.Metrics = metrics(r.out.Trials, c.haystacks())
	return r.out, nil
}

// group runs the trials of one haystack.
func (r *run) group(ctx context.Context, number int, index []int, trials []*trial) error {
	h, err := r.haystack(r.tok, r.haystackSeed(number), trials)
	if err != nil {
		return err
	}
	r.out.Notes = append(r.out.Notes, haystack.RepeatNotes(h.Repeats)...)
	prompts := make([]runners.Prompt, len(trials))
	for k, t := range trials {
		prompts[k] = r.prompt(t, h)
	}
	notes, err := r.m.Complete(ctx, prompts, r.length, func(k int, answers []runners.Answer) {
		r.out.Trials[index[k]] = r.judge(trials[k], h, answers)
		r.done++
		r.progress(float64(r.done) / float64(r.trials()))
	})
	if err != nil {
		return fmt.Errorf("haystack %d: %w", number+1, err)
	}
	r.out.Notes = append(r.out.Notes, notes...)
	return nil
}

// prompt is a trial as a model gets it: the text with its facts, and the questions as turns.
func (r *run) prompt(t *trial, h *haystack.Haystack) runners.Prompt {
	p := runners.Prompt{System: r.chat.System(), Text: string(h.Body(t.hidden())) + haystack.BeforeQuestion}
	if r.known {
		p.Tokens = t.prompt(h)
	}
	for _, q := range t.questions {
		turn := runners.Turn{Text: q.text, Continuations: append([]string{q.expected()}, r.wrong(t, q)...), MaxTokens: r.most(r.tok, q), Done: ended(q)}
		if r.chat != nil {
			// A model need not begin with the value, so the value's probability there says nothing.
			turn.Continuations, turn.Done = nil, endedInChat(q, r.Digits)
		}
		p.Turns = append(p.Turns, turn)
	}
	return p
}

// judge scores a trial.
func (r *run) judge(t *trial, h *haystack.Haystack, all []runners.Answer) result.Trial {
	out := result.Trial{}
	where := t.places(h)
	for _, asked := range []bool{true, false} {
		for i, f := range t.facts {
			if f.asked != asked {
				continue
			}
			r.off.add(f, where[i])
			out.Depths = append(out.Depths, where[i].depth)
			if asked {
				out.Facts = append(out.Facts, f.text)
			} else {
				out.Distractors = append(out.Distractors, f.text)
			}
		}
	}
	var questions, answers []string
	for i, q := range t.questions {
		a := all[i]
		line, _, _ := strings.Cut(a.Text, "\n")
		right := exact(line, q)
		if r.chat != nil {
			line = reply(a.Text)
			right = exactInChat(line, q, r.Digits)
		}
		questions, answers = append(questions, q.text), append(answers, strings.ToValidUTF8(line, "\uFFFD"))
		out.Tokens = a.Tokens
		out.Expected = append(out.Expected, q.values...)
		out.Exact += right
		out.Contains += contains(line, q)
		if len(a.LogProbs) == 0 {
			out.NoLogProb = true
		} else {
			out.LogProb += a.LogProbs[0]
			if len(a.LogProbs) > 1 {
				out.Choices, out.LogProbs = append([]string{q.expected()}, r.wrong(t, q)...), a.LogProbs
			}
		}
	}
	n := float64(len(t.questions))
	out.Exact, out.Contains, out.LogProb = out.Exact/n, out.Contains/n, out.LogProb/n
	out.Question, out.Answer = strings.Join(questions, "\n"), strings.Join(answers, "\n")
	return out
}

// ended returns a function that reports whether an answer is complete: at the end of its line, or
// one token after it is right, which shows whether a longer number follows.
func ended(q question) func(string) bool {
	want := q.answer()
	return func(answer string) bool {
		rest, right := strings.CutPrefix(strings.TrimLeft(answer, " "), want)
		return strings.Contains(answer, "\n") || right && rest != ""
	}
}
