package runners

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// paced is a scripted model whose prefill takes a millisecond a token and whose step takes 10 ms.
type paced struct{ scripted }

func (m *paced) Prefill(ctx context.Context, s Sequence, tokens []int) error {
	time.Sleep(time.Duration(len(tokens)) * time.Millisecond)
	return m.scripted.Prefill(ctx, s, tokens)
}

func (m *paced) Step(ctx context.Context, ss []Sequence, tokens []int, logits [][]float32) error {
	time.Sleep(10 * time.Millisecond)
	return m.scripted.Step(ctx, ss, tokens, logits)
}

// A Stepper answers requests one after another: the latencies of a request include its wait for
// earlier ones.
func TestStreamerOfStepper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := StreamerOf(&paced{scripted{script: []int{'4', '2', 257, 'x'}}}, special{})
		if err != nil {
			t.Fatal(err)
		}
		var answers [2]*Response
		var wg sync.WaitGroup
		for i := range answers {
			time.Sleep(time.Millisecond)
			wg.Go(func() {
				a, err := s.Stream(t.Context(), Request{Prompt: "abcd", MaxTokens: 3, Exact: i == 0})
				if err != nil {
					t.Error(err)
				}
				answers[i] = a
			})
		}
		wg.Wait()
		// The prompt has 5 tokens with BOS: 4 ms of prefill, then 10 ms a token. The first answer
		// contains the end token, the second one begins 1 ms later and says "xxx".
		for i, want := range [][]time.Duration{{14, 24, 34}, {47, 57, 67}} {
			a := answers[i]
			if len(a.Chunks) != 3 || a.PromptTokens != 5 || a.OutputTokens != 3 || a.CachedTokens != 0 || a.Finish != "length" {
				t.Fatalf("answer %d: %+v", i, a)
			}
			for k, c := range a.Chunks {
				if c.At != want[k]*time.Millisecond {
					t.Errorf("token %d of answer %d came at %v, want %v ms", k, i, c.At, want[k])
				}
			}
		}
		if answers[1].Text != "xxx" || answers[1].Chunks[0].Bytes != 1 {
			t.Errorf("answer %+v", answers[1])
		}
	})
}

func TestStreamerEndsAtEndToken(t *testing.T) {
	s, _ := StreamerOf(&scripted{script: []int{'4', '2', 257, 'x'}}, special{})
	a, err := s.Stream(t.Context(), Request{Prompt: "ab", MaxTokens: 9})
	if err != nil || a.Text != "42" || a.OutputTokens != 2 || a.Finish != "stop" {
		t.Errorf("answer %+v, %v", a, err)
	}
	if _, err := StreamerOf(&scripted{}, nil); !errors.Is(err, ErrUnsupported) {
		t.Errorf("without a tokenizer: %v", err)
	}
}
