package tokenizer

import "unicode/utf8"

// behavior selects what a split does with the matches of its pattern.
type behavior int

const (
	isolated   behavior = iota // each is a piece of its own
	removed                    // they are dropped
	withPrev                   // each ends the piece before it
	withNext                   // each begins the piece after it
	contiguous                 // adjacent ones form one piece
)

// split is a step of a pre-tokenizer: it splits pieces of text at the matches of a pattern.
type split struct {
	pattern  pattern
	behavior behavior
	// invert exchanges the matches and the text between them.
	invert bool
}

// preTokenizer splits text into pieces in steps. Each step splits the pieces of the previous one.
type preTokenizer []split

// each calls f with the pieces of s and their offsets, in order.
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

// cutter runs a step on one piece after another. It is made once per text, because a closure for
// each piece would often take more memory than the piece.
type cutter struct {
	*split
	next func(at int, piece string)
	// match receives the matches of the pattern.
	match func(from, to int)
	// s is the piece, and at its offset in the text.
	s  string
	at int
	// begin is the start of the piece that is not complete yet, or of the next one. s has been read
	// up to done; matched is set if a match ends there.
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

// keepsMatches reports whether the step drops the text between matches.
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

// emit passes on the piece that ends at to, unless it is empty.
func (c *cutter) emit(to int) {
	if to > c.begin {
		c.next(c.at+c.begin, c.s[c.begin:to])
	}
	c.begin = to
}

// section handles a part of s that is a match, or the text between two matches.
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

// mapped applies a pattern to a text with each byte replaced by its byte-level character.
type mapped struct{ pattern }

func (p mapped) matches(s string, f func(from, to int)) error {
	chars, done, at := byteLevel(s), 0, 0
	// place returns the index of the byte of s whose character begins at chars[i:].
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
