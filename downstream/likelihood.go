package downstream

import (
	"slices"
	"unicode/utf8"

	"github.com/yocobench/yocobench/internal/stats"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// choose returns the prompts of a multiple choice. Choices with the same context share one.
func (r *run) choose(i int, it *item) (out []question, err error) {
	for c := range it.choices {
		p, err := r.pair(it, c)
		if err != nil {
			return nil, err
		}
		k := slices.IndexFunc(out, func(q question) bool {
			return q.prompt.Text == p.context && q.tokens == len(p.read) && len(q.scored) < maxChoices
		})
		if k < 0 {
			k = len(out)
			out = append(out, question{item: i, tokens: len(p.read), prompt: runners.Prompt{Text: p.context, Tokens: p.read, Turns: []runners.Turn{{}}}})
		}
		q := &out[k]
		q.scored = append(q.scored, c)
		q.prompt.Turns[0].Continuations = append(q.prompt.Turns[0].Continuations, p.continuation)
		q.room = max(q.room, len(p.read)+p.scored)
	}
	return out, nil
}

// pair is a context and the text that is scored after it.
type pair struct {
	context, continuation string
	// read are the tokens of the context, nil if they are unknown; scored is the number of tokens
	// of the continuation.
	read   []int
	scored int
}

// pair returns the context and the continuation of a choice. If the context alone has n tokens, the
// scored tokens are those after the first n of both texts together. If the last of these reaches
// into the continuation, the continuation begins after it.
func (r *run) pair(it *item, choice int) (pair, error) {
	p := pair{context: it.contexts[choice], continuation: it.continuations[choice]}
	if r.tok == nil {
		if p.context == "" {
			p.splitFirst()
		}
		return p, nil
	}
	if p.context == "" && len(tokenizer.Begin(r.tok)) == 0 {
		if p.read = runners.Prefix(r.tok); p.read == nil {
			p.splitFirst()
		}
	}
	before := r.tok.Encode(p.context)
	if s, ok := r.tok.(tokenizer.Spanner); ok && len(before) > 0 {
		whole := p.context + p.continuation
		ids, ends := s.Spans(whole)
		if n := len(before); n < len(ids) && !slices.Equal(ids[:n], before) {
			context, rest := whole[:ends[n-1]], whole[ends[n-1]:]
			if rest != "" && slices.Equal(r.tok.Encode(context), ids[:n]) {
				p.context, p.continuation, before = context, rest, ids[:n]
			}
		}
	}
	if p.read == nil {
		p.read = append(tokenizer.Begin(r.tok), before...)
	}
	p.scored = len(tokenizer.Continuation(r.tok, p.context, p.continuation))
	if over := len(p.read) + p.scored - r.limit - 1; r.limit > 0 && over > 0 {
		if over >= len(p.read) {
			return p, &suites.Problem{File: r.source.name, Line: it.line, Msg: "choice " + shorten(it.choices[choice], 80) + " is longer than the model reads",
				Hint: "raise max_length, or remove the document"}
		}
		p.read = p.read[over:]
		p.context = r.last(p.context, p.read)
		r.cut++
	}
	return p, nil
}

// last returns the end of a text that encodes to its given last tokens, for a model that takes
// text. It returns the whole text if no end does.
func (r *run) last(text string, tokens []int) string {
	s, ok := r.tok.(tokenizer.Spanner)
	if !ok {
		return text
	}
	ids, ends := s.Spans(text)
	n := len(ids) - len(tokens)
	if n <= 0 {
		return text
	}
	if end := text[ends[n-1]:]; slices.Equal(r.tok.Encode(end), tokens) {
		return end
	}
	return text
}

// splitFirst makes the first character the context, because a model needs a token before the first
// scored one.
func (p *pair) splitFirst() {
	if _, n := utf8.DecodeRuneInString(p.continuation); n < len(p.continuation) {
		p.context, p.continuation = p.continuation[:n], p.continuation[n:]
	}
}

// best returns the index of the largest value, the first among equals.
func best(values []float64) int {
	b := 0
	for i, v := range values {
		if v > values[b] {
			b = i
		}
	}
	return b
}

// chosen scores the choices.
func (r *run) chosen() {
	scores := map[string][]float64{}
	var gold, guess []float64
	for i, it := range r.items {
		t := &r.out.Trials[i]
		for name, size := range map[string]func(string) int{
			"acc":       func(string) int { return 1 },
			"acc_norm":  utf8.RuneCountInString,
			"acc_bytes": func(s string) int { return len(s) },
		} {
			values := make([]float64, len(it.choices))
			for c, text := range it.choices {
				values[c] = t.LogProbs[c] / float64(size(text))
			}
			score := 0.0
			if slices.Contains(it.gold, best(values)) {
				score = 1
			}
			scores[name] = append(scores[name], score)
		}
		t.Exact = scores["acc"][i]
		t.LogProb = t.LogProbs[it.gold[0]]
		for _, g := range it.gold {
			t.Expected = append(t.Expected, r.clip(it.choices[g]))
			t.LogProb = max(t.LogProb, t.LogProbs[g])
		}
		for _, c := range it.choices {
			t.Choices = append(t.Choices, r.clip(c))
		}
		t.Question, t.Answer = r.clip(it.prompt), t.Choices[best(t.LogProbs)]
		correct := slices.Clone(it.gold)
		slices.Sort(correct)
		guess = append(guess, float64(len(slices.Compact(correct)))/float64(len(it.choices)))
		gold = append(gold, t.LogProb)
	}
	r.out.Metrics = map[string]result.Metric{
		"guess":   {Value: stats.Mean(guess), Unit: "fraction", Better: result.None},
		"logprob": {Value: stats.Mean(gold), Unit: "nats", Better: result.Higher, Samples: gold},
	}
	for _, name := range r.metrics {
		r.out.Metrics[name] = shareOf(scores[name])
	}
}
