package runners

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/yocobench/yocobench/runners/tokenizer"
)

// begun is the tokenizer digits with a BOS, 15, which texts do not begin with.
type begun struct{ digits }

func (begun) Special() tokenizer.Special { return tokenizer.Special{BOS: 15, EOS: 14} }

// A window is the tokens read for a part of a text, and the number of them that are only context.
type window struct {
	tokens []int
	read   int
}

func TestRoll(t *testing.T) {
	const p = 15
	for _, c := range []struct {
		text     string
		tok      tokenizer.Tokenizer
		limit    int
		windows  []window
		unscored int
	}{
		{"1234567", begun{}, 3, []window{{[]int{p, 1, 2, 3}, 1}, {[]int{3, 4, 5, 6}, 1}, {[]int{4, 5, 6, 7}, 3}}, 0},
		{"123456", begun{}, 3, []window{{[]int{p, 1, 2, 3}, 1}, {[]int{3, 4, 5, 6}, 1}}, 0},
		{"12345", begun{}, 4, []window{{[]int{p, 1, 2, 3, 4}, 1}, {[]int{1, 2, 3, 4, 5}, 4}}, 0},
		{"123", begun{}, 1, []window{{[]int{p, 1}, 1}, {[]int{1, 2}, 1}, {[]int{2, 3}, 1}}, 0},
		{"123", begun{}, 0, []window{{[]int{p, 1, 2, 3}, 1}}, 0},
		{"123", begun{}, 8, []window{{[]int{p, 1, 2, 3}, 1}}, 0},
		{"", begun{}, 8, nil, 0},
		{"1234", digits{}, 2, []window{{[]int{1, 2, 3}, 1}, {[]int{2, 3, 4}, 2}}, 1},
		{"1", digits{}, 2, nil, 1},
		{"", digits{}, 0, nil, 0},
	} {
		m := &hashModel{cfg: hashConfig(Attention, 0)}
		want, n := 0.0, 0
		for _, w := range c.windows {
			for i := w.read; i < len(w.tokens); i++ {
				want += float64(float32(m.logProb(w.tokens[:i], w.tokens[i])))
				n++
			}
		}
		got, err := Roll(t.Context(), m, c.tok, c.text, c.limit)
		if err != nil || !(math.Abs(got.LogProb-want) <= 1e-9) || got.Tokens != n || got.Unscored != c.unscored {
			t.Errorf("%q in windows of %d: %+v, %v; want %g of %d tokens", c.text, c.limit, got, err, want, n)
		}
	}
	if _, err := Roll(t.Context(), &hashModel{}, nil, "1", 0); !errors.Is(err, ErrUnsupported) {
		t.Errorf("without a tokenizer: %v", err)
	}
}

// textScorer scores texts as a server does that reports no log-probability of the first token.
type textScorer struct{ Model }

func (textScorer) ScoreText(_ context.Context, text string, _ []int, emit func(Piece)) error {
	for i := range text[1:] {
		emit(Piece{Pos: i + 1, Bytes: 1, LogProb: -2})
	}
	return nil
}

func TestRollOfTexts(t *testing.T) {
	got, err := Roll(t.Context(), textScorer{}, nil, "12345", 3)
	if err != nil || got != (Rolled{LogProb: -8, Tokens: 4, Unscored: 1}) {
		t.Errorf("%+v, %v", got, err)
	}
}
