package runners

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/yocobench/yocobench/runners/tokenizer"
)

// Rolled is the log-probability of a whole text.
type Rolled struct {
	// LogProb is the sum over the scored tokens in nats, and Tokens their number.
	LogProb float64
	Tokens  int
	// Unscored is the number of tokens at the beginning of the text that have no log-probability,
	// because no token precedes them.
	Unscored int
}

// Roll computes the log-probability of a text of any length. The model reads it in consecutive
// windows of at most limit tokens; 0 means one window. The first window begins with the prefix
// token. Every other one begins with the last token of the window before it, and the last window
// with as many of the tokens before it as it has room for.
//
// A Scorer that is not a Stepper scores the text as a whole, and not its first token.
func Roll(ctx context.Context, m Model, tok tokenizer.Tokenizer, text string, limit int) (r Rolled, err error) {
	step, ok := m.(Stepper)
	if !ok {
		s, err := ScorerOf(m, tok)
		if err != nil {
			return r, err
		}
		var tokens []int
		if tok != nil {
			tokens = tok.Encode(text)
		}
		r.Unscored = 1
		return r, s.ScoreText(ctx, text, tokens, func(p Piece) { r.LogProb += float64(p.LogProb); r.Tokens++ })
	}
	if tok == nil {
		return r, fmt.Errorf("%w: no tokenizer", ErrUnsupported)
	}
	tokens := tok.Encode(text)
	prefix := Prefix(tok)
	if prefix == nil && len(tokens) > 0 {
		prefix, tokens, r.Unscored = tokens[:1], tokens[1:], 1
	}
	if limit <= 0 {
		limit = max(1, len(tokens))
	}
	for at := 0; at < len(tokens); {
		next := min(at+limit, len(tokens))
		window, read := slices.Concat(prefix, tokens[:next]), len(prefix)
		if at > 0 {
			from := next - limit - 1
			window, read = tokens[from:next], at-from
		}
		lp, err := scoreAfter(ctx, step, window, read)
		if err != nil {
			return r, err
		}
		r.LogProb += lp
		r.Tokens += next - at
		at = next
	}
	return r, nil
}

// Prefix returns the token that precedes a text of which all tokens are scored: BOS, else EOS. It
// returns nil if the tokenizer has neither.
func Prefix(tok tokenizer.Tokenizer) []int {
	s := tokenizer.SpecialOf(tok)
	for _, id := range []int{s.BOS, s.EOS} {
		if id >= 0 {
			return []int{id}
		}
	}
	return nil
}

// scoreAfter returns the log-probability of tokens[read:] after tokens[:read]; read is at least 1.
func scoreAfter(ctx context.Context, m Stepper, tokens []int, read int) (sum float64, err error) {
	s, err := m.NewSequence(len(tokens))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if read > 1 {
		if err := m.Prefill(ctx, s, tokens[:read-1]); err != nil {
			return 0, err
		}
	}
	n := 0
	err = m.Score(ctx, s, tokens[read-1:], func(_ int, lp float32) { sum += float64(lp); n++ })
	if want := len(tokens) - read; err == nil && n != want {
		err = fmt.Errorf("the model scored %d of %d tokens", n, want)
	}
	return sum, err
}
