package tokenizer

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// aligned is a text with the origin of its bytes in the original text.
type aligned struct {
	s string
	// ends[i] is the offset in the original text at which the source of s[i] ends. Offsets never
	// decrease. ends is nil if the text is the original one, or if offsets are not needed (plain).
	ends  []int
	plain bool
	// first is set if the text is at the beginning of the whole text.
	first bool
	// base is the offset of s in the original text.
	base int
	// limit bounds the length of s in bytes; 0 means no limit.
	limit int
}

// growth bounds the factor by which normalization may lengthen a text. NFKC expands one character
// of 3 bytes to 33.
const growth = 32

var errGrowth = errors.New("the normalization makes the text too long")

// end returns the offset in the original text at which the first n bytes of s end.
func (a *aligned) end(n int) int {
	if n == 0 {
		return a.base
	}
	if a.ends == nil {
		return a.base + n
	}
	return a.ends[n-1]
}

// part returns the part [from, to) of a.
func (a *aligned) part(from, to int) aligned {
	p := aligned{s: a.s[from:to], plain: a.plain, first: a.first && from == 0, base: a.end(from), limit: a.limit}
	if a.ends != nil {
		p.ends = a.ends[from:to]
	}
	return p
}

// normalizer is a step that changes text before it is split.
type normalizer interface {
	apply(a *aligned) error
}

// builder makes a new aligned text from another.
type builder struct {
	from *aligned
	b    []byte
	ends []int
	over bool
}

// full reports whether n more bytes would exceed the limit.
func (b *builder) full(n int) bool {
	b.over = b.over || b.from.limit > 0 && len(b.b)+n > b.from.limit
	return b.over
}

// write appends text that replaces the part of from.s[:end] not written yet. If text is a copy of
// that part, each byte keeps its origin.
func (b *builder) write(text string, end int) {
	if b.full(len(text)) {
		return
	}
	b.b = append(b.b, text...)
	if !b.from.plain {
		e := b.from.end(end)
		for range len(text) {
			b.ends = append(b.ends, e)
		}
	}
}

// copy adds from.s[from:to].
func (b *builder) copy(from, to int) {
	if b.full(to - from) {
		return
	}
	b.b = append(b.b, b.from.s[from:to]...)
	if !b.from.plain {
		for i := from; i < to; i++ {
			b.ends = append(b.ends, b.from.end(i+1))
		}
	}
}

func (b *builder) done() error {
	if b.over {
		return errGrowth
	}
	b.from.s, b.from.ends = string(b.b), b.ends
	if b.ends == nil && !b.from.plain {
		b.from.ends = []int{}
	}
	return nil
}

// prefix puts text before a text that is not empty.
type prefix struct {
	text string
	// absent restricts this to texts that do not already begin with the prefix, first to the
	// beginning of the whole text.
	absent, first bool
}

func (p prefix) apply(a *aligned) error {
	if a.s == "" || p.first && !a.first || p.absent && strings.HasPrefix(a.s, p.text) {
		return nil
	}
	b := builder{from: a}
	b.write(p.text, 0)
	b.copy(0, len(a.s))
	return b.done()
}

// replace replaces each match by a text.
type replace struct {
	pattern pattern
	text    string
}

func (p replace) apply(a *aligned) error {
	if l, ok := p.pattern.(literal); ok {
		if !strings.Contains(a.s, string(l)) {
			return nil
		}
		if a.plain {
			if n := len(a.s) + strings.Count(a.s, string(l))*len(p.text); a.limit > 0 && n > a.limit {
				return errGrowth
			}
			a.s = strings.ReplaceAll(a.s, string(l), p.text)
			return nil
		}
	}
	b, done := builder{from: a}, 0
	if err := p.pattern.matches(a.s, func(from, to int) {
		b.copy(done, from)
		b.write(p.text, to)
		done = to
	}); err != nil {
		return err
	}
	b.copy(done, len(a.s))
	return b.done()
}

// form is a Unicode normalization form.
type form norm.Form

func (p form) apply(a *aligned) error {
	f := norm.Form(p)
	n := f.QuickSpanString(a.s)
	if n == len(a.s) {
		return nil
	}
	if a.plain {
		a.s = f.String(a.s)
		return nil
	}
	var it norm.Iter
	it.InitString(f, a.s)
	b := builder{from: a}
	for !it.Done() {
		from := it.Pos()
		part := string(it.Next())
		if to := it.Pos(); part == a.s[from:to] {
			b.copy(from, to)
		} else {
			b.write(part, to)
		}
	}
	return b.done()
}

// eachRune maps characters to texts.
type eachRune func(r rune, s string) string

func (p eachRune) apply(a *aligned) error {
	b := builder{from: a}
	for at := 0; at < len(a.s); {
		r, n := utf8.DecodeRuneInString(a.s[at:])
		to := p(r, a.s[at:at+n])
		if to == a.s[at:at+n] {
			b.copy(at, at+n)
		} else {
			b.write(to, at+n)
		}
		at += n
	}
	return b.done()
}

func lowercase(r rune, s string) string {
	switch {
	case r == utf8.RuneError:
		return s
	case r == 'İ': // the only letter whose lower case has two characters
		return "i\u0307"
	}
	return string(unicode.ToLower(r))
}

func stripAccents(r rune, s string) string {
	if unicode.Is(unicode.M, r) {
		return ""
	}
	return s
}

// strip drops white space at the ends.
type strip struct{ left, right bool }

func (p strip) apply(a *aligned) error {
	from, to := 0, len(a.s)
	if p.left {
		from = to - len(strings.TrimLeftFunc(a.s, unicode.IsSpace))
	}
	if p.right {
		to = max(from, len(strings.TrimRightFunc(a.s, unicode.IsSpace)))
	}
	if from == 0 && to == len(a.s) {
		return nil
	}
	b := builder{from: a}
	b.copy(from, to)
	return b.done()
}

// spaces treats spaces as SentencePiece does: it drops those at the ends and all but one of a run,
// and puts one before the text. llama.cpp puts that one before the first other character.
type spaces struct {
	// merge keeps one space before each word and drops all others.
	merge bool
	// lead puts a space before the first word.
	lead bool
}

func (p spaces) apply(a *aligned) error {
	b := builder{from: a}
	led, word := false, false
	for at := 0; at < len(a.s); at++ {
		switch {
		case a.s[at] != ' ':
			if !word {
				word = true
				if p.merge || p.lead && !led {
					b.write("▁", at)
					led = true
				}
			}
			b.copy(at, at+1)
		default:
			word = false
			if !p.merge {
				b.write("▁", at+1)
			}
		}
	}
	return b.done()
}
