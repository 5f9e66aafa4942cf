package runners

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/yocobench/yocobench/runners/tokenizer"
)

// Turn is one request for text within a Prompt.
type Turn struct {
	// Text ends the prompt of the turn. In the first turn it follows Prompt.Text; in a later one it
	// follows the model's own answer to the turn before, on a new line.
	Text string
	// Expected is an answer whose log-probability is wanted; empty where none is.
	Expected string
	// MaxTokens bounds the answer in tokens of the model.
	MaxTokens int
	// Done ends the answer early: it gets the answer so far after each token. A model that cannot
	// be stopped may go on; the caller cuts what is too much.
	Done func(answer string) bool
}

// Prompt is a text and the turns that follow it.
type Prompt struct {
	Text  string
	Turns []Turn
	// Tokens are those of Text and the first turn's text, where the caller has made them. A model
	// that has its own tokenizer reads the text and ignores them.
	Tokens []int
}

// Answer is the answer to a turn.
type Answer struct {
	Text string
	// Tokens is the length of what the model had read before it answered, in its tokens.
	Tokens int
	// LogProb is the log-probability in nats of Turn.Expected; HasLogProb is false where the model
	// gave none.
	LogProb    float64
	HasLogProb bool
}

// Completer is a model that completes prompts greedily.
type Completer interface {
	// Complete answers a group of prompts and hands each one's answers, a turn each, to done, which
	// is called from one goroutine, in any order. Prompts of a group may begin alike: what they
	// share may be computed once. room is the number of tokens that the longest prompt and its
	// answers take. notes are remarks for the record.
	Complete(ctx context.Context, group []Prompt, room int, done func(i int, answers []Answer)) (notes []string, err error)
}

// CompleterOf returns m as a Completer: m itself if it is one, else a Stepper with its tokenizer.
// share lets a Stepper prefill once what a group's prompts have in common.
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

// stepCompleter answers one prompt after another, each on a fork of what the group has in common.
type stepCompleter struct {
	m     Stepper
	tok   tokenizer.Tokenizer
	share bool
}

// betweenTurns begins a later turn, unless the answer before ends with it.
const betweenTurns = "\n"

func (c stepCompleter) Complete(ctx context.Context, group []Prompt, room int, done func(int, []Answer)) (notes []string, err error) {
	tokens := make([][]int, len(group))
	for i, p := range group {
		if tokens[i] = p.Tokens; tokens[i] == nil {
			tokens[i] = c.tok.Encode(p.Text + p.Turns[0].Text)
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
	next := tokens[s.Len():]
	var out []Answer
	for i, t := range p.Turns {
		read := s.Len() + len(next)
		a, err := AnswerOf(ctx, c.m, s, next, c.tok.Encode(t.Expected), t.MaxTokens, func(answer []int) bool {
			return t.Done != nil && t.Done(c.tok.Decode(answer))
		})
		if err != nil {
			return nil, err
		}
		text := c.tok.Decode(a.Tokens)
		out = append(out, Answer{Text: text, Tokens: read, LogProb: a.LogProb, HasLogProb: t.Expected != ""})
		if i+1 == len(p.Turns) {
			break
		}
		// The sequence does not hold the answer's last token yet.
		next = []int{a.Tokens[len(a.Tokens)-1]}
		if !strings.HasSuffix(text, betweenTurns) {
			next = append(next, c.tok.Encode(betweenTurns)...)
		}
		next = append(next, c.tok.Encode(p.Turns[i+1].Text)...)
	}
	return out, nil
}

// commonPrefix is the number of tokens with which all prompts begin, less than any of them; 0 for
// one prompt.
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

// trunk is what the prompts of a group have in common: one sequence prefilled once. With a fork
// for the prompt at work, two sequences are held at most, and one for the last
// prompt, which takes the trunk itself.
type trunk struct {
	m        Stepper
	capacity int
	s        Sequence // nil: nothing is shared
	lost     error    // why it could not be shared
}

func (b *trunk) fill(ctx context.Context, tokens []int) (err error) {
	if b.s, err = b.m.NewSequence(b.capacity); err != nil {
		return err
	}
	return b.m.Prefill(ctx, b.s, tokens)
}

// branch is a sequence for one prompt, which the caller closes. It begins with
// what is shared; where the model has no fork or no memory for one, it is empty
// and nothing is shared any more.
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

// Piece is a scored token of a text.
type Piece struct {
	// Pos is the token's position in the text; Bytes the number of bytes of the text that it
	// represents.
	Pos, Bytes int
	// LogProb is its log-probability in nats, given all before it.
	LogProb float32
}

// Scorer is a model that gives the log-probabilities of a text.
type Scorer interface {
	// ScoreText scores a text of tokens: of each but the first a Piece, in order. text is the same
	// in bytes; a model that has its own tokenizer reads that and ignores tokens.
	ScoreText(ctx context.Context, text string, tokens []int, emit func(Piece)) error
}

// ScorerOf returns m as a Scorer: m itself if it is one, else a Stepper with its tokenizer.
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

func (c stepScorer) ScoreText(ctx context.Context, _ string, tokens []int, emit func(Piece)) error {
	s, err := c.m.NewSequence(len(tokens))
	if err != nil {
		return err
	}
	defer s.Close()
	next, one := 1, []int{0}
	err = c.m.Score(ctx, s, tokens, func(pos int, lp float32) {
		next++
		one[0] = tokens[pos]
		emit(Piece{Pos: pos, Bytes: len(c.tok.Decode(one)), LogProb: lp})
	})
	if err == nil && next != len(tokens) {
		err = fmt.Errorf("the model scored %d of %d tokens", next-1, len(tokens)-1)
	}
	return err
}
