package runners

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// hashModel is a model of 16 tokens whose logits depend on the whole context, with many ties.
type hashModel struct {
	cfg     Config
	forkErr error
	nan     bool
	forks   int // open forks
	cuts    int
}

type hashSequence struct {
	m      *hashModel
	tokens []int
	cap    int
	forked bool
}

func (m *hashModel) Config() Config    { return m.cfg }
func (m *hashModel) Vocab() int        { return m.cfg.Vocab }
func (m *hashModel) CanTruncate() bool { return m.cfg.CanTruncate() }
func (m *hashModel) NewSequence(n int) (Sequence, error) {
	return &hashSequence{m: m, cap: n, tokens: make([]int, 0, n)}, nil
}
func (m *hashModel) Usage() Usage { return Usage{} }
func (m *hashModel) ResetPeak()   {}
func (m *hashModel) Close() error { return nil }
func (m *hashModel) logits(tokens []int, out []float32) {
	h := uint64(len(tokens)) + 1
	for _, t := range tokens {
		h = (h ^ uint64(t+1)) * 0x9e3779b97f4a7c15
	}
	for i := range out {
		h = (h ^ h>>29) * 0xbf58476d1ce4e5b9
		out[i] = float32(h>>60) / 4
	}
	if m.nan && len(tokens) > 4 {
		out[5] = float32(math.NaN())
	}
}
func (m *hashModel) Prefill(_ context.Context, s Sequence, tokens []int) error {
	q := s.(*hashSequence)
	q.tokens = append(q.tokens, tokens...)
	return nil
}
func (m *hashModel) Step(_ context.Context, ss []Sequence, tokens []int, logits [][]float32) error {
	for i, s := range ss {
		q := s.(*hashSequence)
		q.tokens = append(q.tokens, tokens[i])
		m.logits(q.tokens, logits[i])
	}
	return nil
}
func (m *hashModel) Score(_ context.Context, s Sequence, tokens []int, emit func(int, float32)) error {
	q := s.(*hashSequence)
	for i, t := range tokens {
		if i > 0 {
			emit(len(q.tokens), float32(m.logProb(q.tokens, t)))
		}
		q.tokens = append(q.tokens, t)
	}
	return nil
}
func (m *hashModel) logProb(context []int, token int) float64 {
	l := make([]float32, m.cfg.Vocab)
	m.logits(context, l)
	sum := 0.0
	for _, v := range l {
		sum += math.Exp(float64(v))
	}
	return float64(l[token]) - math.Log(sum)
}
func (s *hashSequence) Len() int      { return len(s.tokens) }
func (s *hashSequence) Capacity() int { return s.cap }
func (s *hashSequence) Fork() (Sequence, error) {
	if s.m.forkErr != nil {
		return nil, s.m.forkErr
	}
	s.m.forks++
	return &hashSequence{m: s.m, cap: s.cap, tokens: append(make([]int, 0, s.cap), s.tokens...), forked: true}, nil
}
func (s *hashSequence) Truncate(_ context.Context, n int) error {
	s.m.cuts++
	s.tokens = s.tokens[:n]
	return nil
}
func (s *hashSequence) Close() error {
	if s.forked {
		s.m.forks--
	}
	return nil
}

// hashConfig returns a config for which Truncate is free or not, depending on kind and window.
func hashConfig(kind MixerKind, window int) Config {
	return Config{Label: fmt.Sprint(kind, window), Vocab: 16, Layers: []Layer{{Mixer: Mixer{Kind: kind, Window: window}}}}
}

// plainly is a straightforward greedy decoder.
func plainly(m *hashModel, context []int, n int) (out []int) {
	context = slices.Clone(context)
	l := make([]float32, m.cfg.Vocab)
	for range n {
		m.logits(context, l)
		best := 0
		for i, v := range l {
			if v > l[best] {
				best = i
			}
		}
		out = append(out, best)
		context = append(context, best)
	}
	return out
}

func TestGenerate(t *testing.T) {
	m := &hashModel{cfg: hashConfig(Attention, 0)}
	for _, c := range []struct{ before, prompt, most, stop int }{{0, 1, 5, 99}, {0, 9, 1, 99}, {7, 4, 12, 3}, {3, 2, 0, 99}} {
		s, _ := m.NewSequence(100)
		text := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}[:c.before+c.prompt]
		if err := m.Prefill(t.Context(), s, text[:c.before]); err != nil {
			t.Fatal(err)
		}
		var got []int
		last := time.Duration(0)
		err := Generate(t.Context(), m, s, text[c.before:], c.most, func(g Generated) bool {
			token, at := g.Token, g.At
			if at < last {
				t.Errorf("%+v: time goes back from %v to %v", c, last, at)
			}
			last = at
			got = append(got, token)
			return len(got) < c.stop
		})
		if err != nil {
			t.Fatal(err)
		}
		want := plainly(m, text, min(c.most, c.stop))
		if !slices.Equal(got, want) {
			t.Errorf("%+v: got %v, want %v", c, got, want)
		}
		held := append(slices.Clone(text), want[:max(0, len(want)-1)]...)
		if !slices.Equal(s.(*hashSequence).tokens, held) {
			t.Errorf("%+v: the sequence holds %v, want %v", c, s.(*hashSequence).tokens, held)
		}
	}
}

// TestAnswer: the tokens are those of greedy decoding, the log-probabilities are those of feeding
// each continuation, and the sequence ends as after greedy decoding, whichever way the branches are
// computed.
func TestAnswer(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, m := range []*hashModel{
		{cfg: hashConfig(Attention, 0)},
		{cfg: hashConfig(Retention, 0)},
		{cfg: hashConfig(Attention, 4), forkErr: ErrUnsupported},
		{cfg: hashConfig(Attention, 4), forkErr: ErrOutOfMemory},
	} {
		for range 300 {
			prompt := make([]int, 1+r.IntN(6))
			for i := range prompt {
				prompt[i] = r.IntN(16)
			}
			// Continuations agree with the greedy answer for a while, perhaps to their ends.
			continuations := make([][]int, r.IntN(4))
			for k := range continuations {
				c := plainly(m, prompt, r.IntN(7))
				if n := len(c); n > 0 && r.IntN(3) > 0 {
					for i := r.IntN(n); i < n; i++ {
						c[i] = r.IntN(16)
					}
				}
				continuations[k] = c
			}
			most, stop := r.IntN(10), 1+r.IntN(9)
			s, _ := m.NewSequence(40)
			a, err := AnswerOf(t.Context(), m, s, prompt, continuations, most, func(answer []int) bool { return len(answer) == stop })
			if err != nil {
				t.Fatal(err)
			}
			want := plainly(m, prompt, min(most, stop))
			if !slices.Equal(a.Tokens, want) {
				t.Fatalf("%s: answered %v, want %v", m.cfg.Label, a.Tokens, want)
			}
			if len(a.LogProbs) != len(continuations) {
				t.Fatalf("%s: %d log-probabilities of %d continuations", m.cfg.Label, len(a.LogProbs), len(continuations))
			}
			for k, c := range continuations {
				lp := 0.0
				for i, e := range c {
					lp += m.logProb(append(slices.Clone(prompt), c[:i]...), e)
				}
				if !(math.Abs(a.LogProbs[k]-lp) <= 1e-5) {
					t.Fatalf("%s: log-probability of %v %g, want %g (answer %v)", m.cfg.Label, c, a.LogProbs[k], lp, want)
				}
			}
			if held := append(slices.Clone(prompt), want[:max(0, len(want)-1)]...); !slices.Equal(s.(*hashSequence).tokens, held) {
				t.Fatalf("%s: the sequence holds %v, want %v", m.cfg.Label, s.(*hashSequence).tokens, held)
			}
		}
		if m.forks != 0 {
			t.Errorf("%s: %d forks left open", m.cfg.Label, m.forks)
		}
		if cuts := m.cfg.CanTruncate() || m.forkErr != nil; cuts != (m.cuts > 0) {
			t.Errorf("%s: cut back %d times", m.cfg.Label, m.cuts)
		}
	}
}

func TestGenerateErrors(t *testing.T) {
	m := &hashModel{cfg: hashConfig(Retention, 0)}
	s, _ := m.NewSequence(8)
	all := func(Generated) bool { return true }
	if err := Generate(t.Context(), m, s, nil, 3, all); err == nil {
		t.Error("an empty prompt was accepted")
	}
	if err := Generate(t.Context(), m, s, make([]int, 6), 4, all); err == nil || s.Len() != 0 {
		t.Errorf("an answer beyond the capacity was started: %v", err)
	}
	if err := Generate(t.Context(), m, s, make([]int, 6), 3, all); err != nil {
		t.Errorf("prompt and answer fit, but: %v", err)
	}
	broken := errors.New("broken")
	m.forkErr = broken
	s, _ = m.NewSequence(30)
	if _, err := AnswerOf(t.Context(), m, s, []int{1}, [][]int{{1, 2, 3}}, 9, func([]int) bool { return false }); !errors.Is(err, broken) {
		t.Errorf("a broken fork gave %v", err)
	}
	m.nan = true
	s, _ = m.NewSequence(30)
	if err := Generate(t.Context(), m, s, []int{1, 2, 3}, 9, all); err == nil {
		t.Error("NaN logits were accepted")
	}
}

func TestGenerateAllocates(t *testing.T) {
	m := &hashModel{cfg: hashConfig(Attention, 0)}
	count := func(most int) float64 {
		s, _ := m.NewSequence(100)
		return testing.AllocsPerRun(10, func() {
			s.(*hashSequence).tokens = s.(*hashSequence).tokens[:0]
			_ = Generate(t.Context(), m, s, []int{1, 2}, most, func(Generated) bool { return true })
		})
	}
	if few, many := count(2), count(80); many > few {
		t.Errorf("%g allocations for 80 tokens, %g for 2", many, few)
	}
}
