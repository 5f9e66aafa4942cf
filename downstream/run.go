package downstream

import (
	"context"
	"fmt"
	"slices"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// run is the state of a running case.
type run struct {
	*bench
	tok      tokenizer.Tokenizer // nil if unknown
	items    []*item
	out      result.Outcome
	cut      int // prompts whose beginning the model did not read
	done     int
	progress func(float64)
}

// run measures the case.
func (b *bench) run(ctx context.Context, target *suites.Target, m runners.Model, progress func(float64)) (result.Outcome, error) {
	r := &run{bench: b, tok: target.Tokenizer, progress: progress}
	now, err := b.source.read(b.from, b.to, func(d *document) error {
		it, err := b.item(d)
		r.items = append(r.items, it)
		return err
	})
	if err == nil && now.hash != b.hash {
		err = fmt.Errorf("%s has changed since the run was planned", b.source.name)
	}
	if err != nil {
		return result.Outcome{}, err
	}
	r.out.Trials = make([]result.Trial, len(r.items))
	if b.OutputType == rolling {
		err = r.roll(ctx, m)
	} else {
		err = r.complete(ctx, target, m)
	}
	if err != nil {
		return result.Outcome{}, err
	}
	if r.cut > 0 {
		r.out.Notes = append(r.out.Notes, fmt.Sprintf("%d prompts are longer than %d tokens: the model did not read their beginning", r.cut, b.limit))
	}
	slices.Sort(r.out.Notes)
	r.out.Notes = slices.Compact(r.out.Notes)
	return r.out, nil
}

// groupSize is the number of documents whose prompts are passed to the model together. Their common
// beginning is computed once, and a served model may answer them at the same time.
const groupSize = 32

// complete runs multiple choice and generated answers.
func (r *run) complete(ctx context.Context, target *suites.Target, m runners.Model) error {
	completer, err := runners.CompleterOf(m, target.Tokenizer, true)
	if err != nil {
		return err
	}
	for from := 0; from < len(r.items); from += groupSize {
		to := min(from+groupSize, len(r.items))
		var asked []question
		for i := from; i < to; i++ {
			qs, err := r.questions(i)
			if err != nil {
				return err
			}
			asked = append(asked, qs...)
		}
		group, room := make([]runners.Prompt, len(asked)), 0
		for k, q := range asked {
			group[k] = q.prompt
			room = max(room, q.room)
		}
		var bad error
		notes, err := completer.Complete(ctx, group, room, func(k int, answers []runners.Answer) {
			if err := r.answered(asked[k], answers[0]); err != nil && bad == nil {
				bad = err
			}
			r.done++
			r.progress((float64(from) + float64(to-from)*float64(k+1)/float64(len(asked))) / float64(len(r.items)))
		})
		if err == nil {
			err = bad
		}
		if err != nil {
			return fmt.Errorf("%s:%d to %d: %w", r.source.name, r.items[from].line, r.items[to-1].line, err)
		}
		r.out.Notes = append(r.out.Notes, notes...)
	}
	if r.OutputType == multipleChoice {
		r.chosen()
	} else {
		r.matched()
	}
	return nil
}

// question is a prompt of an item. scored are the choices whose continuations it scores.
type question struct {
	item   int
	scored []int
	prompt runners.Prompt
	// tokens is the number of tokens of the prompt that are read, room that with the answer.
	tokens, room int
}

// questions returns the prompts of an item.
func (r *run) questions(i int) ([]question, error) {
	it := r.items[i]
	if r.OutputType == generateUntil {
		q, err := r.ask(i)
		return []question{q}, err
	}
	return r.choose(i, it)
}

// answered stores the answer to a question.
func (r *run) answered(q question, a runners.Answer) error {
	t := &r.out.Trials[q.item]
	t.Tokens = max(t.Tokens, a.Tokens)
	if r.OutputType == generateUntil {
		t.Answer = cut(a.Text, r.Generation.Until)
		return nil
	}
	if len(a.LogProbs) != len(q.scored) {
		return fmt.Errorf("%w: the model reports no log-probabilities of given texts", runners.ErrUnsupported)
	}
	if t.LogProbs == nil {
		t.LogProbs = make([]float64, len(r.items[q.item].choices))
	}
	for k, choice := range q.scored {
		t.LogProbs[choice] = a.LogProbs[k]
	}
	return nil
}

// ask returns the prompt of a generated answer.
func (r *run) ask(i int) (question, error) {
	text, most := r.items[i].prompt, r.Generation.MaxGenToks
	q := question{item: i, prompt: runners.Prompt{Text: text, Turns: []runners.Turn{{
		MaxTokens: most, Done: func(answer string) bool { return ended(answer, r.Generation.Until) },
	}}}}
	if r.tok != nil {
		tokens := append(tokenizer.Begin(r.tok), r.tok.Encode(text)...)
		if len(tokens) == 0 {
			if tokens = runners.Prefix(r.tok); tokens == nil {
				return q, &suites.Problem{File: r.source.name, Line: r.items[i].line, Msg: "doc_to_text is empty, and the model has no token that begins a text"}
			}
		}
		if over := len(tokens) + most - r.limit; r.limit > 0 && over > 0 {
			tokens = tokens[over:]
			q.prompt.Text = r.last(text, tokens)
			r.cut++
		}
		q.prompt.Tokens, q.tokens, q.room = tokens, len(tokens), len(tokens)+most
	}
	return q, nil
}

// matched scores the generated answers.
func (r *run) matched() {
	var scores []float64
	for i, it := range r.items {
		t := &r.out.Trials[i]
		answer := r.filter(t.Answer)
		if answer != t.Answer {
			t.Extracted = r.clip(answer)
		}
		t.Question, t.Answer, t.NoLogProb = r.clip(it.prompt), r.clip(t.Answer), true
		for _, target := range it.targets {
			t.Expected = append(t.Expected, r.clip(target))
		}
		if r.match.equal(answer, it.targets) {
			t.Exact = 1
		}
		scores = append(scores, t.Exact)
	}
	r.out.Metrics = map[string]result.Metric{"exact_match": shareOf(scores)}
}

// recordBytes limits the texts of a record's trials.
const recordBytes = 8 << 20

// clip shortens a text for the record.
func (r *run) clip(text string) string {
	return shorten(text, min(2000, max(100, recordBytes/4/len(r.items))))
}
