package runners

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners/tokenizer"
)

// scripted is a Stepper that says the tokens of a script, and keeps what it read.
type scripted struct {
	script []int // one token a step
	said   int
	read   []int // all that it read, whatever the sequence
}

type scriptedSequence struct{ tokens, capacity int }

func (s *scriptedSequence) Len() int                                { return s.tokens }
func (s *scriptedSequence) Capacity() int                           { return s.capacity }
func (s *scriptedSequence) Fork() (Sequence, error)                 { c := *s; return &c, nil }
func (s *scriptedSequence) Truncate(_ context.Context, n int) error { s.tokens = n; return nil }
func (s *scriptedSequence) Close() error                            { return nil }

func (m *scripted) Close() error      { return nil }
func (m *scripted) Vocab() int        { return 300 }
func (m *scripted) CanTruncate() bool { return true }
func (m *scripted) NewSequence(n int) (Sequence, error) {
	return &scriptedSequence{capacity: n}, nil
}

func (m *scripted) Prefill(_ context.Context, s Sequence, tokens []int) error {
	s.(*scriptedSequence).tokens += len(tokens)
	m.read = append(m.read, tokens...)
	return nil
}

func (m *scripted) Step(_ context.Context, ss []Sequence, tokens []int, logits [][]float32) error {
	ss[0].(*scriptedSequence).tokens++
	m.read = append(m.read, tokens...)
	clear(logits[0])
	logits[0][m.script[min(m.said, len(m.script)-1)]] = 5
	m.said++
	return nil
}

func (m *scripted) Score(_ context.Context, s Sequence, tokens []int, emit func(int, float32)) error {
	at := s.Len()
	s.(*scriptedSequence).tokens += len(tokens)
	m.read = append(m.read, tokens...)
	for i := range tokens[1:] {
		emit(at+i+1, -float32(tokens[i+1]))
	}
	return nil
}

// special is the byte tokenizer with a BOS, 256, that texts begin with, and an end of a turn, 257.
type special struct{ tokenizer.Bytes }

func (special) Special() tokenizer.Special {
	return tokenizer.Special{BOS: 256, EOS: 258, AddBOS: true, End: []int{257, 258}}
}

// A text begins with BOS where the tokenizer asks for it, and an answer ends before the token that
// ends a turn, which no later turn sees.
func TestCompleteWithSpecialTokens(t *testing.T) {
	m := &scripted{script: []int{'4', '2', 257, 'x', 'y', 'z'}}
	c, err := CompleterOf(m, special{}, true)
	if err != nil {
		t.Fatal(err)
	}
	var got []Answer
	_, err = c.Complete(t.Context(), []Prompt{{Text: "ab", Turns: []Turn{
		{Text: "cd", MaxTokens: 9, Continuations: []string{"42"}}, {Text: "ef", MaxTokens: 3},
	}}}, 0, func(_ int, a []Answer) { got = a })
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Text != "42" || got[0].Tokens != 5 || got[1].Text != "xyz" {
		t.Errorf("answers %+v", got)
	}
	if want := append([]int{256}, bytesOf("abcd42\nefxy")...); !slices.Equal(m.read, want) {
		t.Errorf("read %v, want %v", m.read, want)
	}
}

// A turn without an answer only scores: the log-probabilities are those of the continuations after
// the prompt, and nothing is generated.
func TestCompleteOnlyScores(t *testing.T) {
	m := &hashModel{cfg: hashConfig(Attention, 0)}
	c, err := CompleterOf(m, digits{}, true)
	if err != nil {
		t.Fatal(err)
	}
	group := []Prompt{
		{Text: "12", Turns: []Turn{{Text: "3", Continuations: []string{"45", "6", "789"}}}},
		{Text: "12", Turns: []Turn{{Text: "4", Continuations: []string{"5"}}}},
	}
	got := make([][]Answer, len(group))
	if _, err := c.Complete(t.Context(), group, 0, func(i int, a []Answer) { got[i] = a }); err != nil {
		t.Fatal(err)
	}
	for i, p := range group {
		a, turn := got[i][0], p.Turns[0]
		if a.Text != "" || a.Tokens != 3 || len(a.LogProbs) != len(turn.Continuations) {
			t.Fatalf("answer %+v", a)
		}
		for k, text := range turn.Continuations {
			want := 0.0
			for n := range text {
				want += m.logProb(digits{}.Encode(p.Text+turn.Text+text[:n]), int(text[n]-'0'))
			}
			if !(math.Abs(a.LogProbs[k]-want) <= 1e-5) {
				t.Errorf("log-probability of %s after %s is %g, want %g", text, p.Text+turn.Text, a.LogProbs[k], want)
			}
		}
	}
}

// digits is a tokenizer of digits, for models with a vocabulary of 16.
type digits struct{ tokenizer.Bytes }

func (digits) Encode(text string) (ids []int) {
	for _, b := range []byte(text) {
		ids = append(ids, int(b-'0'))
	}
	return ids
}

func TestScoreWithSpecialTokens(t *testing.T) {
	m := &scripted{}
	s, err := ScorerOf(m, special{})
	if err != nil {
		t.Fatal(err)
	}
	var got []Piece
	if err := s.ScoreText(t.Context(), "abc", bytesOf("abc"), func(p Piece) { got = append(got, p) }); err != nil {
		t.Fatal(err)
	}
	if want := []Piece{{Pos: 1, Bytes: 1, LogProb: -'b'}, {Pos: 2, Bytes: 1, LogProb: -'c'}}; !slices.Equal(got, want) {
		t.Errorf("pieces %v, want %v", got, want)
	}
	if want := append([]int{256}, bytesOf("abc")...); !slices.Equal(m.read, want) {
		t.Errorf("read %v, want %v", m.read, want)
	}
}

func bytesOf(s string) []int { return tokenizer.Bytes{}.Encode(s) }

// pairs is a tokenizer whose tokens are " 4" and single bytes.
type pairs struct{ tokenizer.Bytes }

func (pairs) Encode(text string) (ids []int) {
	for text != "" {
		if strings.HasPrefix(text, " 4") {
			ids, text = append(ids, 256), text[2:]
			continue
		}
		ids, text = append(ids, int(text[0])), text[1:]
	}
	return ids
}

// The expected answer's tokens are those that follow the prompt.
func TestContinuation(t *testing.T) {
	for _, tt := range []struct {
		context, text string
		want          []int
	}{
		{"is", " 42", []int{256, '2'}},
		{"is ", "42", []int{'4', '2'}}, // a token reaches across
		{"", "42", []int{'4', '2'}},
		{strings.Repeat("ä", 1000) + "is", " 42", []int{256, '2'}},
	} {
		if got := tokenizer.Continuation(pairs{}, tt.context, tt.text); !slices.Equal(got, tt.want) {
			t.Errorf("%q after %q: %v, want %v", tt.text, tt.context[max(0, len(tt.context)-4):], got, tt.want)
		}
	}
}
