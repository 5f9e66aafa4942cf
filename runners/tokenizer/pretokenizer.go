package tokenizer

import "unicode/utf8"

// behavior is what a split does with the matches of its pattern.
type behavior int

const (
	isolated   behavior = iota // each is a piece of its own
	removed                    // they are dropped
	withPrev                   // each ends the piece before it
	withNext                   // each begins the piece after it
	contiguous                 // those that follow each other are a piece
)

// split is a step of a pre-tokenizer: it cuts pieces of text at the matches of a pattern.
type split struct {
	pattern  pattern
	behavior behavior
	// invert cuts at what is between the matches.
	invert bool
}

// preTokenizer cuts text into pieces by steps, each of which cuts the pieces of the one before.
type preTokenizer []split

// each calls f with the pieces of s, in order, and where they are.
func (p preTokenizer) each(s string, f func(at int, piece string)) error {
	var failed error
	for i := len(p) - 1; i >= 0; i-- {
		c := newCutter(&p[i], f)
		f = func(at int, piece string) {
			if failed == nil {
				failed = c.cut(at, piece)
			}
		}
	}
	f(0, s)
	return failed
}

// cutter runs a step on one piece after the other. It is made once for a text, since a piece is
// often shorter than what a closure for each would take.
type cutter struct {
	*split
	next func(at int, piece string)
	// match receives the matches of the pattern.
	match func(from, to int)
	// s is the piece, which is at a place of the text.
	s  string
	at int
	// begin is where the piece begins that is not yet complete, or where the next one will; done is
	// how far s was read; matched: up to a match.
	begin, done int
	matched     bool
}

func newCutter(step *split, next func(at int, piece string)) *cutter {
	c := &cutter{split: step, next: next}
	switch {
	case step.behavior == isolated:
		c.match = func(from, to int) {
			c.emit(from)
			c.emit(to)
		}
	case step.keepsMatches():
		c.match = func(from, to int) {
			c.begin = from
			c.emit(to)
		}
	default:
		c.match = func(from, to int) {
			c.section(c.done, from, c.invert)
			c.section(from, to, !c.invert)
			c.done = to
		}
	}
	return c
}

// keepsMatches reports whether the step drops what is between matches.
func (p *split) keepsMatches() bool { return p.behavior == removed && p.invert }

// cut passes the pieces of s on, which is at a place of a text.
func (c *cutter) cut(at int, s string) error {
	c.at, c.s, c.begin, c.done, c.matched = at, s, 0, 0, false
	if err := c.pattern.matches(s, c.match); err != nil {
		return err
	}
	if c.keepsMatches() {
		return nil
	}
	if c.behavior != isolated {
		c.section(c.done, len(s), c.invert)
	}
	c.emit(len(s))
	return nil
}

// emit passes on the piece that ends at to, if any.
func (c *cutter) emit(to int) {
	if to > c.begin {
		c.next(c.at+c.begin, c.s[c.begin:to])
	}
	c.begin = to
}

// section is a part of s that is a match, or is between two.
func (c *cutter) section(from, to int, match bool) {
	if from == to {
		return
	}
	switch c.behavior {
	case removed:
		if match {
			c.begin = to
		} else {
			c.emit(to)
		}
	case withPrev:
		if !match || c.matched {
			c.emit(from)
		}
		if match {
			c.emit(to)
		}
	case withNext:
		if match || !c.matched {
			c.emit(from)
		}
	case contiguous:
		if match != c.matched {
			c.emit(from)
		}
	}
	c.matched = match
}

// mapped is a pattern that sees each byte of a text as its byte-level character.
type mapped struct{ pattern }

func (p mapped) matches(s string, f func(from, to int)) error {
	chars, done, at := byteLevel(s), 0, 0
	// place is the byte of s whose character begins at chars[i:].
	place := func(i int) int {
		at += utf8.RuneCountInString(chars[done:i])
		done = i
		return at
	}
	return p.pattern.matches(chars, func(from, to int) {
		first := place(from)
		f(first, place(to))
	})
}
