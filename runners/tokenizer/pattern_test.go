package tokenizer

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// A pattern that a scanner does not support is run by regexp2, also on invalid UTF-8.
func TestRegex(t *testing.T) {
	p, err := compilePattern(`\d{1,3}(?=(?:\d{3})*\b)|(a|b)+`)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := p.(regex); !ok {
		t.Fatalf("a %T", p)
	}
	got := all(t, p, "é1234567\xff ab\xffc")
	if want := [][2]int{{2, 3}, {3, 6}, {6, 9}, {11, 13}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// Patterns of exponential time are refused when they are read; a quadratic one is stopped.
func TestSlowPatterns(t *testing.T) {
	if testing.Short() {
		t.Skip("the time of a pattern under the race detector says nothing")
	}
	for _, expr := range []string{`(a+)+$`, `(?:(?:a|aa)+)+x`, `(\s*)*y`, `\s*\s*\s*x`, strings.Repeat("a?", 60) + strings.Repeat("a", 60) + "x"} {
		start := time.Now()
		if _, err := compilePattern(expr); err == nil {
			t.Errorf("%q accepted", expr)
		}
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("%q took %v", expr, d)
		}
	}
	for _, expr := range []string{`[a&&b]`, `[a[b]]`, `(?m:a.b)`, `\h`, `a\K`, `(`, `\p{Nope}`, "\xff", strings.Repeat("a", maxPattern+1)} {
		if _, err := compilePattern(expr); err == nil {
			t.Errorf("%q accepted", expr)
		}
	}
}

// A word of two million bytes takes n log n time: in quadratic time this test would not end.
func TestLongWord(t *testing.T) {
	n := 2 << 20
	for _, name := range []string{"gpt2", "llama", "unigram"} {
		tok, text := testCase(t, name), strings.Repeat("theading", n/8)
		start := time.Now()
		ids, ends := tok.Spans(text)
		if len(ids) == 0 || ends[len(ends)-1] != n {
			t.Errorf("%s: %d tokens", name, len(ids))
		}
		t.Logf("%s: %d tokens of %d bytes in %v", name, len(ids), n, time.Since(start))
	}
}
