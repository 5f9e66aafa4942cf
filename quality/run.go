package quality

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/stats"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// Limits of a group of prompts, which a served model answers at the same time.
const (
	groupPrompts = 64
	groupTokens  = 4 << 20
)

// repeated is the number of samples that the metric repeat is computed on.
const repeated = 16

// run is the state of a running cell.
type run struct {
	*cell
	target    *suites.Target
	completer runners.Completer
	settings  *Settings
	fit       *fitter
	known     bool // fit has the model's tokenizer, no estimate
	measured  bool // the estimate cannot be improved
	trials    []result.Trial
	scores    []float64
	repeat    []float64
	// tokens are those of prompts, prefixes and the limit of answers.
	tokens []int
	notes  []string
}

func (c *cell) start(target *suites.Target, m runners.Completer) *run {
	r := &run{cell: c, target: target, completer: m, settings: c.settings(), known: target.Tokenizer != nil}
	r.fit = r.fitter(target.Counter())
	r.measured = r.known || target.CountTokens == nil
	return r
}

// run measures the cell.
func (c *cell) run(ctx context.Context, target *suites.Target, m runners.Model, progress func(float64)) (result.Outcome, error) {
	completer, err := runners.CompleterOf(m, target.Tokenizer, false)
	if err != nil {
		return result.Outcome{}, err
	}
	r, n := c.start(target, completer), c.samples()
	if err := r.ask(ctx, n, func(done int) { progress(float64(done) / float64(n)) }); err != nil {
		return result.Outcome{}, err
	}
	return result.Outcome{Metrics: r.metrics(), Trials: r.trials, Notes: r.remarks()}, nil
}

func (r *run) fitter(tok tokenizer.Tokenizer) *fitter {
	return newFitter(tok, r.chat, r.length-r.answer())
}

// measure replaces the estimate of the tokenizer by one that is measured on the first question, if
// the target counts tokens.
func (r *run) measure(ctx context.Context) error {
	if r.measured {
		return nil
	}
	d, err := r.draw(0, r.settings)
	if err != nil {
		return err
	}
	least, _ := d.Units()
	s, err := d.Make(least)
	if err != nil {
		return err
	}
	if fitted, err := r.fit.fit(d); err == nil {
		s = fitted.Sample
	}
	tok, err := r.target.CounterFor(ctx, s.Prompt())
	if err != nil {
		return err
	}
	r.fit, r.measured = r.fitter(tok), true
	return nil
}

// ask asks the next n questions. progress gets the number of answers so far.
func (r *run) ask(ctx context.Context, n int, progress func(done int)) error {
	if err := r.measure(ctx); err != nil {
		return err
	}
	from := len(r.trials)
	to := from + n
	r.trials, r.scores = append(r.trials, make([]result.Trial, n)...), append(r.scores, make([]float64, n)...)
	for from < to {
		var samples []*Sample
		var prompts []runners.Prompt
		for tokens := 0; from+len(samples) < to && len(samples) < groupPrompts && tokens < groupTokens; {
			if err := ctx.Err(); err != nil {
				return err
			}
			s, err := r.sample(from + len(samples))
			if err != nil {
				return err
			}
			tokens += s.tokens
			samples, prompts = append(samples, s.Sample), append(prompts, r.prompt(s.Sample))
		}
		done := 0
		more, err := r.completer.Complete(ctx, prompts, r.length, func(k int, answers []runners.Answer) {
			r.judge(from+k, samples[k], answers[0])
			done++
			progress(from + done)
		})
		if err != nil {
			return err
		}
		r.notes = append(r.notes, more...)
		from += len(samples)
	}
	return nil
}

// remarks returns the notes of the cell's record.
func (r *run) remarks() []string {
	notes := append(r.notes, r.target.CounterNotes(r.fit.tok)...)
	if short := r.short(); short > 0 {
		notes = append(notes, fmt.Sprintf("%d of %d prompts are more than a tenth shorter than the length: the next unit of filler does not fit, or there is none", short, len(r.trials)))
	}
	return slices.Concat(notes, r.settings.notes, r.chat.Notes())
}

// sample returns the i-th sample at the cell's length.
func (r *run) sample(i int) (*fitted, error) {
	d, err := r.draw(i, r.settings)
	if err != nil {
		return nil, err
	}
	s, err := r.fit.fit(d)
	if errors.Is(err, errTooShort) {
		err = fmt.Errorf("%w: %w", runners.ErrUnsupported, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s, sample %d: %w", r.Kind.Name, i, err)
	}
	r.tokens = append(r.tokens, s.tokens+r.answer())
	if i < repeated {
		r.repeat = append(r.repeat, r.points(s.Prompt(), s.Sample))
	}
	return s, nil
}

// prompt is a sample as a model gets it.
func (r *run) prompt(s *Sample) runners.Prompt {
	p := runners.Prompt{System: r.chat.System(), Text: s.Prompt()}
	turn := runners.Turn{MaxTokens: r.answer()}
	if r.AnswerPrefix {
		turn.Text = s.Prefix
	}
	if r.known {
		p.Tokens = r.fit.prompt(s, r.AnswerPrefix)
	}
	if r.Done != nil {
		turn.Done = func(answer string) bool { return r.Done(r.reply(answer), s) }
	}
	p.Turns = []runners.Turn{turn}
	return p
}

// reply returns the model's turn: in a chat, a special token ends it.
func (r *run) reply(text string) string {
	if r.chat != nil {
		text, _, _ = strings.Cut(text, "\uFFFD")
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// points returns the score of an answer.
func (r *run) points(answer string, s *Sample) float64 {
	x := r.Score(answer, s)
	if !(x >= 0 && x <= 1) {
		panic(fmt.Sprintf("%s: a score of %g", r.Kind.Name, x))
	}
	return x
}

// judge scores the answer to the i-th sample.
func (r *run) judge(i int, s *Sample, a runners.Answer) {
	answer := r.reply(a.Text)
	score := r.points(answer, s)
	r.scores[i] = score
	r.trials[i] = result.Trial{
		Question: question(s), Expected: s.References, Distractors: s.Distractors, Answer: answer,
		Tokens: a.Tokens, Depths: s.Depths, Score: &score,
	}
}

// short returns the number of prompts without enough filler for the length.
func (r *run) short() (n int) {
	for _, used := range r.tokens {
		if 10*used < 9*r.length {
			n++
		}
	}
	return n
}

// question returns the end of a prompt, which contains the question: its last line, or the last 300
// bytes of that.
func question(s *Sample) string {
	const most = 300
	text := strings.TrimSpace(s.Prompt())
	text = text[strings.LastIndexByte(text, '\n')+1:]
	if n := len(text) - most; n > 0 {
		text = "..." + strings.ToValidUTF8(text[n:], "")
	}
	return text
}

// level is the confidence level of intervals.
const level = 0.95

// metrics computes the metrics of the cell from its trials.
func (r *run) metrics() map[string]result.Metric {
	var tokens []float64
	for _, t := range r.trials {
		tokens = append(tokens, float64(t.Tokens))
	}
	n := float64(len(r.scores))
	mean := stats.Mean(r.scores)
	lo, hi := stats.Wilson(mean*n, n, level)
	return map[string]result.Metric{
		"score":  result.Metric{Value: mean, Unit: "fraction", Better: result.Higher, Samples: r.scores}.Interval(lo, hi, level, "wilson"),
		"guess":  {Value: r.Guess, Unit: "fraction", Better: result.None},
		"repeat": {Value: stats.Mean(r.repeat), Unit: "fraction", Better: result.None},
		"tokens": {Value: math.Round(stats.Mean(tokens)), Unit: "tokens", Better: result.None, Samples: tokens},
	}
}
