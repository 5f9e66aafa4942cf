package tokenizer

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
)

// pattern finds its matches in a text.
type pattern interface {
	// matches calls f with the matches in s, in order; they do not overlap.
	matches(s string, f func(from, to int)) error
}

// literal is a pattern without operators.
type literal string

func (p literal) matches(s string, f func(from, to int)) error {
	for at := 0; ; {
		i := strings.Index(s[at:], string(p))
		if i < 0 {
			return nil
		}
		f(at+i, at+i+len(p))
		at += i + len(p)
	}
}

// runeSet is a pattern of one character of a set, or of as many as follow each other.
type runeSet struct {
	has  func(rune) bool
	runs bool
}

func (p runeSet) matches(s string, f func(from, to int)) error {
	start := -1
	for at := 0; at < len(s); {
		r, n := utf8.DecodeRuneInString(s[at:])
		switch in := p.has(r); {
		case in && !p.runs:
			f(at, at+n)
		case in && start < 0:
			start = at
		case !in && start >= 0:
			f(start, at)
			start = -1
		}
		at += n
	}
	if start >= 0 {
		f(start, len(s))
	}
	return nil
}

// regex is a pattern that is too general for a scanner.
type regex struct{ *regexp2.Regexp }

const (
	// regexTime bounds the time of a match, because a hostile pattern may take exponential time.
	// All matches in a text may take that long in total, plus regexByteTime for each byte.
	regexTime     = 10 * time.Second
	regexByteTime = 20 * time.Microsecond
	// regexStack bounds the backtracking positions of a match. A word of a million characters takes
	// a million.
	regexStack = 1 << 24
)

// compileRegex compiles a pattern for regexp2. It is tried at each position in order, because the
// search of regexp2 v2.13.0 misses matches of alternatives that begin with different negated sets.
func compileRegex(expr string) (regex, error) {
	re, err := regexp2.Compile(`\G(?:`+expr+`)`, regexp2.Multiline, regexp2.OptionMaxBacktrackingStackSize(regexStack))
	if err != nil {
		return regex{}, err
	}
	re.MatchTimeout = regexTime
	return regex{re}, nil
}

func (p regex) matches(s string, f func(from, to int)) error {
	runes := []rune(s)
	byteAt := 0
	end := time.Now().Add(regexTime + time.Duration(len(s))*regexByteTime)
	for at := 0; at < len(runes); {
		if time.Now().After(end) {
			return errSlow
		}
		m, err := p.FindRunesMatchStartingAt(runes, at)
		if err != nil { // it quotes the whole text
			what, _, _ := strings.Cut(err.Error(), " on input ")
			return errors.New(what)
		}
		length := 0
		if m != nil {
			length = m.RuneLength
		}
		start := byteAt
		for range max(1, length) {
			_, n := utf8.DecodeRuneInString(s[byteAt:])
			byteAt += n
			at++
		}
		switch {
		case length > 0:
			f(start, byteAt)
		case m != nil:
			f(start, start)
		}
	}
	return nil
}

// maxPattern bounds a pattern, in bytes. The longest published one has some 1,500.
const maxPattern = 1 << 13

// compilePattern compiles a regular expression of Oniguruma, the engine of Hugging Face's
// tokenizers. It refuses expressions that the engines here would interpret differently.
func compilePattern(expr string) (pattern, error) {
	if len(expr) > maxPattern {
		return nil, fmt.Errorf("the pattern has %d bytes, want up to %d", len(expr), maxPattern)
	}
	if !utf8.ValidString(expr) {
		return nil, errors.New("the pattern is not valid UTF-8")
	}
	var p pattern
	c, err := compileScanner(expr)
	if err == nil {
		p = c
	} else {
		if what := otherMeaning(expr); what != "" {
			return nil, fmt.Errorf("the pattern %q has %s, which is not supported", expr, what)
		}
		if p, err = compileRegex(expr); err != nil {
			return nil, fmt.Errorf("the pattern %q: %w", expr, err)
		}
	}
	if err := probe(p); err != nil {
		return nil, fmt.Errorf("the pattern %q: %w", expr, err)
	}
	return p, nil
}

// otherMeaning names a construct of a pattern that Oniguruma and regexp2 interpret differently.
func otherMeaning(expr string) string {
	inside := false
	for i := 0; i < len(expr); i++ {
		switch {
		case expr[i] == '\\':
			if i++; i < len(expr) && strings.IndexByte("hHRXKGyYNO", expr[i]) >= 0 {
				return "\\" + expr[i:i+1]
			}
		case inside && expr[i] == '[':
			return "a set within a set"
		case inside && strings.HasPrefix(expr[i:], "&&"):
			return "an intersection of sets"
		case expr[i] == '[':
			inside = true
			if strings.HasPrefix(expr[i:], "[^]") {
				i += 2
			} else if strings.HasPrefix(expr[i:], "[]") {
				i++
			}
		case expr[i] == ']':
			inside = false
		case !inside && strings.HasPrefix(expr[i:], "(?") && i+2 < len(expr) && strings.IndexByte("mxs-", expr[i+2]) >= 0:
			return "an option " + expr[i:i+3]
		}
	}
	return ""
}

// probe runs a pattern on texts that expose slow patterns, so that these are refused when the file
// is read, not when it is used.
func probe(p pattern) error {
	if re, ok := p.(regex); ok {
		defer func(d time.Duration) { re.MatchTimeout = d }(re.MatchTimeout)
		re.MatchTimeout = time.Second
	}
	for _, unit := range []string{"a", "A", " ", "\n", "0", "!", "é", "中", "aA", "a ", "a1", " \n", "'s"} {
		for _, end := range []string{"", "\x00", "x", " "} {
			if err := p.matches(strings.Repeat(unit, 2000)+end, func(int, int) {}); err != nil {
				return fmt.Errorf("it is too slow on long words: %w", err)
			}
		}
	}
	return nil
}
