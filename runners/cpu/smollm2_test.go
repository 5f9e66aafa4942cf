package cpu

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yocobench/yocobench/internal/testenv"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/pretrained"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// smollm2 is testdata/real/smollm2.json: what transformers computes in float32 from the values of
// the GGUF file.
type smollm2 struct {
	Logits []struct {
		Prompt    string
		IDs       []int
		Top       [][2]float64
		At        map[int]float64
		LogSumExp float64
	}
	Greedy []struct {
		IDs, New []int
	}
	Text       struct{ Tokens int }
	Perplexity map[string]struct {
		Scored int
		PPL    float64
	}
	NLL struct {
		SumNats float64 `json:"sum_nats"`
		First32 []float64
	} `json:"nll_4096"`
	MultipleChoice []struct {
		Query   string
		Choices []string
		LL      []float64
	} `json:"multiple_choice"`
}

// model is a loaded SmolLM2-135M-Instruct.
type smollm2Model struct {
	runners.Instance
	t   *testing.T
	tok tokenizer.Tokenizer
}

// openSmolLM2 loads the file that tools/smollm2.sh prints.
func openSmolLM2(t *testing.T, o runners.Options) smollm2Model {
	t.Helper()
	path := testenv.SmolLM2(t)
	w, err := pretrained.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	m, err := New().Load(w.Config(), w, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("loaded in %v as %s", time.Since(start).Round(time.Millisecond), o.Weights)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	tok, err := checkpoint.OpenTokenizer(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return smollm2Model{m, t, tok}
}

// sequence makes a sequence for n tokens.
func (m smollm2Model) sequence(n int) runners.Sequence {
	m.t.Helper()
	s, err := m.NewSequence(n)
	if err != nil {
		m.t.Fatal(err)
	}
	return s
}

// step appends a token and returns the logits after it.
func (m smollm2Model) step(s runners.Sequence, token int) []float32 {
	m.t.Helper()
	logits := make([]float32, m.Vocab())
	if err := m.Step(context.Background(), []runners.Sequence{s}, []int{token}, [][]float32{logits}); err != nil {
		m.t.Fatal(err)
	}
	return logits
}

// after prefills a prompt and returns the logits after it.
func (m smollm2Model) after(s runners.Sequence, ids []int) []float32 {
	m.t.Helper()
	if err := m.Prefill(context.Background(), s, ids[:len(ids)-1]); err != nil {
		m.t.Fatal(err)
	}
	return m.step(s, ids[len(ids)-1])
}

// scores returns the log-probabilities of ids[1:].
func (m smollm2Model) scores(ids []int) (lps []float64) {
	m.t.Helper()
	s := m.sequence(len(ids))
	defer s.Close()
	if err := m.Score(context.Background(), s, ids, func(_ int, lp float32) { lps = append(lps, float64(lp)) }); err != nil {
		m.t.Fatal(err)
	}
	return lps
}

// perplexity is llama-perplexity's: of the second half of each whole chunk of n tokens.
func (m smollm2Model) perplexity(ids []int, n int) (ppl float64, scored int) {
	sum := 0.0
	for ; len(ids) >= n; ids = ids[n:] {
		for _, lp := range m.scores(ids[:n])[n/2:] {
			sum -= lp
			scored++
		}
	}
	return math.Exp(sum / float64(scored)), scored
}

// TestSmolLM2 compares a real model, SmolLM2-135M-Instruct in Q4_1, with transformers in float32.
func TestSmolLM2(t *testing.T) {
	m := openSmolLM2(t, runners.Options{})
	var want smollm2
	text, err := os.ReadFile("../../testdata/real/smollm2.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	t.Run("logits", func(t *testing.T) { m.testLogits(t, want) })
	t.Run("greedy", func(t *testing.T) {
		right := 0
		for _, g := range want.Greedy {
			s := m.sequence(len(g.IDs) + len(g.New))
			logits := m.after(s, g.IDs)
			for i, id := range g.New {
				if got := argmax(logits); got != id {
					t.Errorf("token %d after %v is %d, want %d", i, g.IDs, got, id)
				} else {
					right++
				}
				logits = m.step(s, id)
			}
			s.Close()
		}
		if right != 240 {
			t.Errorf("%d greedy tokens are right, want 240", right)
		}
	})
	book, err := os.ReadFile("../../testdata/real/text.txt")
	if err != nil {
		t.Fatal(err)
	}
	ids := m.tok.Encode(string(book))
	if len(ids) != want.Text.Tokens {
		t.Fatalf("the text has %d tokens, want %d", len(ids), want.Text.Tokens)
	}
	t.Run("perplexity", func(t *testing.T) {
		n := 512
		if testing.Short() {
			t.Skip("it scores 18,432 tokens")
		}
		p := want.Perplexity[fmt.Sprint(n)]
		got, scored := m.perplexity(ids, n)
		if scored != p.Scored || !(math.Abs(got/p.PPL-1) <= 2e-4) {
			t.Errorf("the perplexity of %d tokens is %.5f, want %.5f of %d", scored, got, p.PPL, p.Scored)
		}
		// llama-perplexity multiplies the blocks of the file with activations rounded to 8 bits.
		if llamacpp := 4.0384; !(math.Abs(got/llamacpp-1) <= 3e-3) {
			t.Errorf("the perplexity is %.5f, llama-perplexity's %.4f", got, llamacpp)
		}
	})
	t.Run("nll", func(t *testing.T) {
		lps := m.scores(ids[:4096])
		sum := 0.0
		for i, lp := range lps {
			sum -= lp
			if i < len(want.NLL.First32) && !(math.Abs(lp-want.NLL.First32[i]) <= 1e-3) {
				t.Errorf("token %d has log-probability %.5f, want %.5f", i+1, lp, want.NLL.First32[i])
			}
		}
		if !(math.Abs(sum/want.NLL.SumNats-1) <= 2e-4) {
			t.Errorf("4096 tokens have %.3f nats, want %.3f", sum, want.NLL.SumNats)
		}
	})
	t.Run("multiple choice", func(t *testing.T) {
		for _, q := range want.MultipleChoice {
			// Spaces at the end of a query belong to the answer, as in lm-evaluation-harness.
			from := len(m.tok.Encode(strings.TrimRight(q.Query, " ")))
			for i, choice := range q.Choices {
				ll := 0.0
				for _, lp := range m.scores(m.tok.Encode(q.Query + " " + choice))[from-1:] {
					ll += lp
				}
				if !(math.Abs(ll-q.LL[i]) <= 5e-3) {
					t.Errorf("%q after %q: %.5f, want %.5f", choice, q.Query, ll, q.LL[i])
				}
			}
		}
	})
}

func (m smollm2Model) testLogits(t *testing.T, want smollm2) {
	worst := 0.0
	for _, p := range want.Logits {
		if sub, ok := m.tok.(*tokenizer.Subword); ok {
			if ids, err := sub.Tokens(p.Prompt, true); err != nil || !slices.Equal(ids, p.IDs) {
				t.Errorf("%q has the ids %v, want %v (%v)", p.Prompt, ids, p.IDs, err)
			}
		}
		s := m.sequence(len(p.IDs))
		logits := m.after(s, p.IDs)
		s.Close()
		compare := func(what string, got, want float64) {
			if d := math.Abs(got - want); !(d <= 1e-3) {
				t.Errorf("%q: %s is %.5f, want %.5f", p.Prompt, what, got, want)
			} else {
				worst = max(worst, d)
			}
		}
		sum := 0.0
		for _, x := range logits {
			sum += math.Exp(float64(x))
		}
		compare("the log of the sum", math.Log(sum), p.LogSumExp)
		for _, x := range p.Top {
			compare(fmt.Sprintf("logit %g", x[0]), float64(logits[int(x[0])]), x[1])
		}
		for id, x := range p.At {
			compare(fmt.Sprintf("logit %d", id), float64(logits[id]), x)
		}
	}
	t.Logf("the largest error of a logit is %.1e", worst)
}

func argmax(xs []float32) int {
	best := 0
	for i, x := range xs {
		if x > xs[best] {
			best = i
		}
	}
	return best
}
