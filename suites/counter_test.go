package suites

import (
	"context"
	"strings"
	"testing"
)

// TestCounterFor measures the bytes of a token by the counts of a server, also impossible ones.
func TestCounterFor(t *testing.T) {
	sample := strings.Repeat("word ", 20)
	for n, want := range map[int]int{0: 25, -1: 25, 20: 20, 100: 100, 200: 200} {
		m := Target{CountTokens: func(context.Context, string) (int, error) { return n, nil }}
		tok, err := m.CounterFor(t.Context(), sample)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(tok.Encode(sample)); got != want {
			t.Errorf("a count of %d: %d tokens, want %d", n, got, want)
		}
	}
	for _, n := range []int{201, 1 << 32, 1<<63 - 1} {
		m := Target{CountTokens: func(context.Context, string) (int, error) { return n, nil }}
		if tok, err := m.CounterFor(t.Context(), sample); err == nil {
			t.Errorf("a count of %d: %v", n, tok.Name())
		}
	}
}
