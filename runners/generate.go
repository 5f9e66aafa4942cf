package runners

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// This file implements greedy decoding on a Stepper (Generate), and greedy decoding combined with
// the log-probabilities of given continuations (AnswerOf).

// Generate appends prompt to s and decodes greedily: it takes the most likely token (the lowest id
// among equals) until there are most of them. It emits each with the time since the call, so the
// first time is the time to first token: Prefill of prompt[:n-1], which exits early in a YOCO, and
// one Step. It ends when emit returns false. Afterwards s holds the prompt and all emitted tokens
// except the last; start the next prompt with that token.
func Generate(ctx context.Context, m Stepper, s Sequence, prompt []int, most int, emit func(g Generated) bool) error {
	clock := ClockOf(m)
	begin := clock.Now()
	d, err := startDecoder(ctx, m, s, prompt, most)
	if err != nil {
		return err
	}
	for i := range most {
		token, err := d.greedy()
		if err != nil {
			return err
		}
		if !emit(Generated{Token: token, At: clock.Now() - begin, d: d}) || i+1 == most {
			break
		}
		if err := d.step(ctx, token); err != nil {
			return err
		}
	}
	return nil
}

// Generated is one token of Generate.
type Generated struct {
	Token int
	// At is the time since the call of Generate.
	At time.Duration
	d  *decoder
}

// LogProb computes the log-probability of the token in nats, given all before it. It can be called
// until the function that got g returns.
func (g Generated) LogProb() float64 { return g.d.logProb(g.Token) }

// Answered is a model's answer and the log-probabilities of given continuations.
type Answered struct {
	// Tokens is the greedy answer.
	Tokens []int
	// LogProbs are the log-probabilities of the continuations in nats after the prompt; nil if
	// there are none or the model cannot compute them.
	LogProbs []float64
}

// Answerer is implemented by Steppers that answer without logits of all tokens.
type Answerer interface {
	// Answer is AnswerOf for this model.
	Answer(ctx context.Context, s Sequence, prompt []int, continuations [][]int, most int, stop func(answer []int) bool) (Answered, error)
}

// AnswerOf is Generate that also computes the log-probabilities of continuations of the same
// prompt. If most is 0, it generates nothing. While the greedy answer agrees with a continuation,
// both come from the same logits. Once they differ, the rest of the continuation is scored on a
// branch that s does not keep: on s itself, cut back afterwards, if that is free
// (Stepper.CanTruncate), else on a fork. If forking fails, s is cut back at the cost described at
// Truncate. stop is called after every token with the answer so far, and ends the answer by
// returning true.
func AnswerOf(ctx context.Context, m Stepper, s Sequence, prompt []int, continuations [][]int, most int, stop func(answer []int) bool) (Answered, error) {
	if a, ok := m.(Answerer); ok {
		return a.Answer(ctx, s, prompt, continuations, most, stop)
	}
	d, err := startDecoder(ctx, m, s, prompt, max(most, Longest(continuations)))
	if err != nil {
		return Answered{}, err
	}
	a := Answered{Tokens: make([]int, 0, most)}
	if len(continuations) > 0 {
		a.LogProbs = make([]float64, len(continuations))
	}
	agree := make([]bool, len(continuations)) // the answer so far is a proper prefix of it
	for k, c := range continuations {
		agree[k] = len(c) > 0
	}
	for done := false; !done; {
		i := len(a.Tokens)
		if done = most == 0; !done {
			if i > 0 {
				if err := d.step(ctx, a.Tokens[i-1]); err != nil {
					return Answered{}, err
				}
			}
			token, err := d.greedy()
			if err != nil {
				return Answered{}, err
			}
			a.Tokens = append(a.Tokens, token)
			done = i+1 == most || stop(a.Tokens)
		}
		for k, c := range continuations {
			if !agree[k] {
				continue
			}
			a.LogProbs[k] += d.logProb(c[i])
			rest := c[i:]
			if agree[k] = !done && a.Tokens[i] == rest[0] && len(rest) > 1; !agree[k] {
				lp, err := d.branch(ctx, rest)
				if err != nil {
					return Answered{}, err
				}
				a.LogProbs[k] += lp
			}
		}
	}
	return a, nil
}

// Longest returns the length of the longest of the given token lists.
func Longest(tokens [][]int) (n int) {
	for _, t := range tokens {
		n = max(n, len(t))
	}
	return n
}

// decoder steps one sequence; it reuses its slices for every step.
type decoder struct {
	m      Stepper
	seq    [1]Sequence
	token  [1]int
	logits [1][]float32
}

// startDecoder appends prompt to s, the last token by Step. more is the number of tokens reserved
// for the answer.
func startDecoder(ctx context.Context, m Stepper, s Sequence, prompt []int, more int) (*decoder, error) {
	n := len(prompt)
	if n == 0 {
		return nil, errors.New("generate: an empty prompt")
	}
	if need := s.Len() + n + max(more-1, 0); need > s.Capacity() {
		return nil, fmt.Errorf("generate: prompt and answer need %d tokens, the sequence has room for %d", need, s.Capacity())
	}
	d := &decoder{m: m, seq: [1]Sequence{s}, logits: [1][]float32{make([]float32, m.Vocab())}}
	if n > 1 {
		if err := m.Prefill(ctx, s, prompt[:n-1]); err != nil {
			return nil, err
		}
	}
	return d, d.step(ctx, prompt[n-1])
}

func (d *decoder) step(ctx context.Context, token int) error {
	d.token[0] = token
	return d.m.Step(ctx, d.seq[:], d.token[:], d.logits[:])
}

// greedy returns the most likely token.
func (d *decoder) greedy() (int, error) {
	if err := CheckFinite(d.logits[0]); err != nil {
		return 0, fmt.Errorf("after %d tokens: %w", d.seq[0].Len(), err)
	}
	best, top := -1, float32(math.Inf(-1))
	for i, v := range d.logits[0] {
		if v > top || best < 0 {
			best, top = i, v
		}
	}
	return best, nil
}

// logProb returns the log-probability of token: log softmax in float64.
func (d *decoder) logProb(token int) float64 {
	l := d.logits[0]
	top := l[0]
	for _, v := range l {
		top = max(top, v)
	}
	sum := 0.0
	for _, v := range l {
		sum += math.Exp(float64(v - top))
	}
	return float64(l[token]-top) - math.Log(sum)
}

// branch returns the log-probability of rest[1:] after the sequence and rest[0]. It leaves the
// sequence unchanged.
func (d *decoder) branch(ctx context.Context, rest []int) (sum float64, err error) {
	if len(rest) < 2 {
		return 0, nil
	}
	s := d.seq[0]
	if d.m.CanTruncate() {
		return d.score(ctx, s, rest, true)
	}
	f, err := s.Fork()
	if errors.Is(err, ErrOutOfMemory) || errors.Is(err, ErrUnsupported) {
		return d.score(ctx, s, rest, true)
	}
	if err != nil {
		return 0, err
	}
	sum, err = d.score(ctx, f, rest, false)
	return sum, errors.Join(err, f.Close())
}

// score sums the log-probabilities of rest[1:] on s, and cuts s back if cut is set.
func (d *decoder) score(ctx context.Context, s Sequence, rest []int, cut bool) (sum float64, err error) {
	n := s.Len()
	err = d.m.Score(ctx, s, rest, func(_ int, lp float32) { sum += float64(lp) })
	if err == nil && cut {
		err = s.Truncate(ctx, n)
	}
	return sum, err
}
