package tokenizer

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// otherPatterns are patterns of published tokenizer.json files that are in no table of this
// package.
var otherPatterns = []string{
	`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
	`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
	`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
	`[\p{Han}]+|[^\r\n\p{L}\p{N}]?\p{L}+`,
	`\P{L}(?=\p{L})|[a-c-]{2}x?|[^\S\n]+`,
	`\P{L}(?=\p{L})|[a-c-]{2}x?|[k\S\n]+`,
	cl100kPattern,
}

// knownPatterns returns all patterns of the tables, without duplicates.
func knownPatterns() []string {
	all := slices.Clone(otherPatterns)
	for _, p := range ggufPre {
		all = append(all, p.patterns...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

var possessive = regexp.MustCompile(`(\[[^\]]*\]|\\p\{[A-Z]\}|\\s)(\+|\*|\?|\{1,3\})\+`)

// reference compiles a pattern for regexp2, with atomic groups in place of possessive counts.
func reference(t testing.TB, expr string) regex {
	t.Helper()
	re, err := compileRegex(possessive.ReplaceAllString(expr, "(?>$1$2)"))
	if err != nil {
		t.Fatal(err)
	}
	return re
}

func all(t testing.TB, p pattern, s string) (m [][2]int) {
	t.Helper()
	if err := p.matches(s, func(from, to int) { m = append(m, [2]int{from, to}) }); err != nil {
		t.Fatal(err)
	}
	return m
}

// compare checks that a scanner and regexp2 find the same matches in a text.
func compare(t testing.TB, expr string, c *scanner, re regex, s string) {
	t.Helper()
	got, want := all(t, c, s), all(t, re, s)
	if !slices.Equal(got, want) {
		t.Fatalf("%s\nin %q:\n got %v\nwant %v", expr, s, got, want)
	}
}

// atoms are characters that different patterns treat differently.
var atoms = []string{
	" ", "  ", "\n", "\r\n", "\r", "\t", "\v", "\u0085", "\u00a0", "\u2028", "\u3000", "\u180e", "\u200b", "a", "B", "z", "Z", "the", "'s", "'S", "'ſ", "'re", "'LL", "'d", "7", "42", "1999", "²", "½", "٣", "Ⅷ",
	".", ",", "!?", "-", "_", "(", ")", "/", "\"", "é", "e\u0301", "ß", "ǅ", "ʰ", "И", "ж", "ע", "न", "्", "ก", "中", "文", "の", "カ", "한", "😀", "\u200d", "\ufeff", "\ufffd", "\U000e0041", "\U0010ffff", "\x00", "∑", "<", "|", "$", "+", "`", "~", "^", "=",
}

func randomText(r *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		b.WriteString(atoms[r.IntN(len(atoms))])
	}
	return b.String()
}

// Scanners support every published pattern and find the same matches as regexp2.
func TestScannerMatchesRegexp2(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute under the race detector")
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, expr := range knownPatterns() {
		c, err := compileScanner(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		re := reference(t, expr)
		for range 300 {
			compare(t, expr, c, re, randomText(r, 1+r.IntN(40)))
		}
		for _, a := range atoms {
			compare(t, expr, c, re, strings.Repeat(a, 70))
		}
		// All characters of the first two planes, between letters and after spaces.
		var b strings.Builder
		for c := rune(1); c < 0x20000; c += 1 + r.Int32N(7) {
			if c < 0xd800 || c > 0xdfff {
				fmt.Fprintf(&b, "%c%s", c, []string{"", "", "a", " ", "1", "\n"}[r.IntN(6)])
			}
		}
		compare(t, expr, c, re, b.String())
	}
}

// Patterns that a scanner does not support are left to regexp2.
func TestScannerRefuses(t *testing.T) {
	for _, expr := range []string{`a*`, `a|`, ``, `(a)`, `(?:ab)*`, `a+?`, `^a`, `a$`, `.`, `\b`, `(?<=a)b`, `(?!ab)c`, `[[a]]`, `[a&&b]`, `\1`, `a{2`, `a{3,2}`, `[b-a]`, `[`, `(`, `a)`, `\`, `\p{Nope}`, `\p{L`} {
		if _, err := compileScanner(expr); err == nil {
			t.Errorf("a scanner for %q", expr)
		}
	}
}

// A scanner's work is bounded: a pattern that takes more than linear time fails.
func TestScannerIsBounded(t *testing.T) {
	c, err := compileScanner(`\s*\s*\s*x`)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.matches(strings.Repeat(" ", 20000), func(int, int) {}); err == nil {
		t.Error("a cubic pattern was not stopped")
	}
	for _, expr := range knownPatterns() {
		c, err := compileScanner(expr)
		if err != nil {
			t.Fatal(err)
		}
		for _, unit := range []string{"a", "A", "aA", " ", "\n", " \n", "\r", "0", "!", "é", "中", "'", "'s", "\u0301", "<|"} {
			for _, end := range []string{"", "a", "\x00"} {
				if err := c.matches(strings.Repeat(unit, 50000)+end, func(int, int) {}); err != nil {
					t.Errorf("%s on many %q and %q: %v", expr, unit, end, err)
				}
			}
		}
	}
}

func FuzzScanner(f *testing.F) {
	for _, expr := range otherPatterns {
		f.Add(expr, "I'm  a \n\n  test 12345!! naïve 中文")
	}
	f.Add(`[^a-c\]\-[x]]+`, "abc")
	f.Fuzz(func(t *testing.T, expr, text string) {
		if len(expr) > 200 || len(text) > 300 {
			return
		}
		c, err := compileScanner(expr)
		if err != nil {
			return
		}
		n, at := 0, 0
		err = c.matches(text, func(from, to int) {
			if from < at || to <= from || to > len(text) {
				t.Fatalf("%q in %q: a match from %d to %d after %d", expr, text, from, to, at)
			}
			n, at = n+1, to
		})
		if err != nil || strings.ContainsAny(expr, "+") && possessive.MatchString(expr) {
			return
		}
		re, err := compileRegex(expr)
		if err != nil {
			return // regexp2 lacks possessive counts and some escapes
		}
		compare(t, expr, c, re, text)
	})
}
