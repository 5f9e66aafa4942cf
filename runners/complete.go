package runners

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/runners/tokenizer"
)

// Turn is one request of a Prompt.
type Turn struct {
	// Text is appended to the context before the model answers. In the first turn it follows
	// Prompt.Text; in a later turn it follows the model's previous answer, on a new line.
	Text string
	// Continuations are texts whose log-probabilities after the prompt are computed, such as the
	// correct answer and wrong ones.
	Continuations []string
	// MaxTokens limits the answer, in the model's tokens. If it is 0, the model only scores
	// Continuations; such a turn is the last.
	MaxTokens int
	// Done is called with the answer so far after each token and ends the answer by returning true.
	// A model that cannot be stopped ignores it; the caller then truncates the answer.
	Done func(answer string) bool
}

// Prompt is a text followed by one or more turns.
type Prompt struct {
	Text  string
	Turns []Turn
	// Tokens encodes Text and the first turn's text, or is nil. A model with its own tokenizer
	// reads the text and ignores Tokens.
	Tokens []int
	// System is a system message, for a served model that applies a chat template itself; others
	// ignore it.
	System string
}

// Answer is the answer to one Turn.
type Answer struct {
	Text string
	// Tokens is the length of the context before the answer, in the model's tokens.
	Tokens int
	// LogProbs are the log-probabilities of Turn.Continuations in nats, in their order; nil if the
	// model did not report them.
	LogProbs []float64
}

// Completer is a model that completes prompts by greedy decoding.
type Completer interface {
	// Complete answers a group of prompts. It calls done from one goroutine, in any order, with the
	// answers of prompt i, one for each turn. A common prefix of the prompts may be computed once.
	// room is the number of tokens needed by the longest prompt and its answers. notes are remarks
	// for the journal.
	Complete(ctx context.Context, group []Prompt, room int, done func(i int, answers []Answer)) (notes []string, err error)
}

// CompleterOf returns m as a Completer: m itself if it implements Completer, else an adapter for a
// Stepper and its tokenizer. If share is set, the adapter prefills the common prefix of a group
// once.
func CompleterOf(m Model, tok tokenizer.Tokenizer, share bool) (Completer, error) {
	if c, ok := m.(Completer); ok {
		return c, nil
	}
	s, err := As[Stepper](m, Complete)
	if err != nil {
		return nil, err
	}
	if tok == nil {
		return nil, fmt.Errorf("%w: no tokenizer", ErrUnsupported)
	}
	return stepCompleter{s, tok, share}, nil
}

// stepCompleter answers one prompt after another, each on a fork of the group's common prefix.
type stepCompleter struct {
	m     Stepper
	tok   tokenizer.Tokenizer
	share bool
}

// betweenTurns separates an answer from the next turn, unless the answer already ends with it.
const betweenTurns = "\n"

func (c stepCompleter) Complete(ctx context.Context, group []Prompt, room int, done func(int, []Answer)) (notes []string, err error) {
	tokens := make([][]int, len(group))
	for i, p := range group {
		if tokens[i] = p.Tokens; tokens[i] == nil {
			tokens[i] = append(tokenizer.Begin(c.tok), c.tok.Encode(p.Text+p.Turns[0].Text)...)
			room = max(room, len(tokens[i])+later(p.Turns, c.tok))
		}
	}
	b := &trunk{m: c.m, capacity: room}
	defer b.close()
	if n := commonPrefix(tokens); n > 0 && c.share {
		if err := b.fill(ctx, tokens[0][:n]); err != nil {
			return nil, err
		}
	}
	for i, p := range group {
		answers, err := c.answer(ctx, b, p, tokens[i], i == len(group)-1)
		if err != nil {
			return nil, err
		}
		done(i, answers)
	}
	if b.lost != nil {
		notes = append(notes, fmt.Sprintf("every trial was prefilled separately: %v", b.lost))
	}
	return notes, nil
}

// answer runs the turns of one prompt.
func (c stepCompleter) answer(ctx context.Context, b *trunk, p Prompt, tokens []int, last bool) ([]Answer, error) {
	s, err := b.branch(last)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	next, before, end := tokens[s.Len():], p.Text, tokenizer.SpecialOf(c.tok).End
	var out []Answer
	for i, t := range p.Turns {
		read := s.Len() + len(next)
		continuations := make([][]int, len(t.Continuations))
		for k, text := range t.Continuations {
			continuations[k] = tokenizer.Continuation(c.tok, before+t.Text, text)
		}
		ended := func(answer []int) bool { return slices.Contains(end, answer[len(answer)-1]) }
		a, err := AnswerOf(ctx, c.m, s, next, continuations, t.MaxTokens, func(answer []int) bool {
			return ended(answer) || t.Done != nil && t.Done(c.tok.Decode(answer))
		})
		if err != nil {
			return nil, err
		}
		// The last token of the answer has not been appended to the sequence yet; one that ends the
		// answer is not appended at all.
		answer := a.Tokens
		next = slices.Clone(answer[max(0, len(answer)-1):])
		if len(answer) > 0 && ended(answer) {
			answer, next = answer[:len(answer)-1], nil
		}
		text := c.tok.Decode(answer)
		out = append(out, Answer{Text: text, Tokens: read, LogProbs: a.LogProbs})
		if i+1 == len(p.Turns) {
			break
		}
		before = betweenTurns
		if !strings.HasSuffix(text, betweenTurns) {
			next = append(next, c.tok.Encode(betweenTurns)...)
		}
		next = append(next, c.tok.Encode(p.Turns[i+1].Text)...)
	}
	return out, nil
}

// later returns the maximum number of tokens after the first turn's text.
func later(turns []Turn, tok tokenizer.Tokenizer) (n int) {
	for i, t := range turns {
		longest := t.MaxTokens
		for _, c := range t.Continuations {
			longest = max(longest, len(tok.Encode(c)))
		}
		n += longest
		if i > 0 {
			n += len(tok.Encode(betweenTurns + t.Text))
		}
	}
	return n
}

// commonPrefix returns the number of leading tokens that all prompts share, less than the length of
// any of them. It returns 0 for a single prompt.
func commonPrefix(prompts [][]int) int {
	if len(prompts) < 2 {
		return 0
	}
	first := prompts[0]
	n := len(first) - 1
	for _, p := range prompts[1:] {
		n = min(n, len(p)-1)
		for i := range n {
			if p[i] != first[i] {
				n = i
				break
			}
		}
	}
	return n
}

// trunk is the common prefix of a group's prompts, prefilled once into one sequence. Each prompt
// runs on a fork, so at most two sequences are held. The last prompt takes the trunk itself.
type trunk struct {
	m        Stepper
	capacity int
	s        Sequence // nil: nothing is shared
	lost     error    // why the prefix could not be shared
}

func (b *trunk) fill(ctx context.Context, tokens []int) (err error) {
	if b.s, err = b.m.NewSequence(b.capacity); err != nil {
		return err
	}
	return b.m.Prefill(ctx, b.s, tokens)
}

// branch returns a sequence for one prompt, which the caller closes. It starts with the shared
// prefix. If the model cannot fork, or has no memory for a fork, the sequence is empty and sharing
// ends.
func (b *trunk) branch(last bool) (Sequence, error) {
	if b.s != nil && last {
		s := b.s
		b.s = nil
		return s, nil
	}
	if b.s != nil {
		s, err := b.s.Fork()
		if err == nil {
			return s, nil
		}
		if !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrOutOfMemory) {
			return nil, err
		}
		b.lost = err
		b.close()
	}
	return b.m.NewSequence(b.capacity)
}

func (b *trunk) close() {
	if b.s != nil {
		_ = b.s.Close() // the answers do not depend on it
		b.s = nil
	}
}

// Piece is one scored token of a text.
type Piece struct {
	// Pos is the token's position in the text, Bytes the number of bytes of text that it encodes.
	Pos, Bytes int
	// LogProb is the token's log-probability in nats, given all tokens before it.
	LogProb float32
}

// Scorer is a model that reports the log-probabilities of a text.
type Scorer interface {
	// ScoreText emits a Piece for each token of the text except the first, in order. text and
	// tokens represent the same text; a model with its own tokenizer reads text and ignores tokens.
	ScoreText(ctx context.Context, text string, tokens []int, emit func(Piece)) error
}

// ScorerOf returns m as a Scorer: m itself if it implements Scorer, else an adapter for a Stepper
// and its tokenizer.
func ScorerOf(m Model, tok tokenizer.Tokenizer) (Scorer, error) {
	if s, ok := m.(Scorer); ok {
		return s, nil
	}
	s, err := As[Stepper](m, Score)
	if err != nil {
		return nil, err
	}
	if tok == nil {
		return nil, fmt.Errorf("%w: no tokenizer", ErrUnsupported)
	}
	return stepScorer{s, tok}, nil
}

type stepScorer struct {
	m   Stepper
	tok tokenizer.Tokenizer
}

func (c stepScorer) ScoreText(ctx context.Context, text string, tokens []int, emit func(Piece)) error {
	begin := tokenizer.Begin(c.tok)
	s, err := c.m.NewSequence(len(begin) + len(tokens))
	if err != nil {
		return err
	}
	defer s.Close()
	next, bytes := 1, TokenBytes(c.tok, text, tokens)
	err = c.m.Score(ctx, s, slices.Concat(begin, tokens), func(pos int, lp float32) {
		pos -= len(begin)
		if pos < 1 {
			return // the first token of the text, after BOS
		}
		next++
		emit(Piece{Pos: pos, Bytes: bytes(pos), LogProb: lp})
	})
	if err == nil && next != len(tokens) {
		err = fmt.Errorf("the model scored %d of %d tokens", next-1, len(tokens)-1)
	}
	return err
}

// TokenBytes returns a function that returns the number of bytes of text that token pos > 0
// encodes. tokens are the tokens of text.
func TokenBytes(tok tokenizer.Tokenizer, text string, tokens []int) func(pos int) int {
	if t, ok := tok.(tokenizer.Spanner); ok {
		if ids, ends := t.Spans(text); slices.Equal(ids, tokens) {
			return func(pos int) int { return ends[pos] - ends[pos-1] }
		}
	}
	one := []int{0}
	return func(pos int) int {
		one[0] = tokens[pos]
		return len(tok.Decode(one))
	}
}
