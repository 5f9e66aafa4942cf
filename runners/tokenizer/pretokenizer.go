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
	// mapped is set where the step comes after the byte-level mapping: the pattern sees each byte
	// as its character.
	mapped bool
}

// preTokenizer cuts text into pieces by steps, each of which cuts the pieces of the one before.
type preTokenizer []split

// each calls f with the pieces of s, in order, and where they are.
func (p preTokenizer) each(s string, f func(at int, piece string)) error {
	var failed error
	for i := len(p) - 1; i >= 0; i-- {
		step, next := &p[i], f
		f = func(at int, piece string) {
			if failed == nil {
				failed = step.cut(at, piece, next)
			}
		}
	}
	f(0, s)
	return failed
}

// cut calls f with the pieces of s, which is at a place of a text.
func (p *split) cut(at int, s string, f func(at int, piece string)) error {
	if p.mapped {
		whole := s
		chars := byteLevel(s)
		byteAt := 0
		plain := split{pattern: p.pattern, behavior: p.behavior, invert: p.invert}
		done := 0
		return plain.cut(0, chars, func(from int, piece string) {
			byteAt += utf8.RuneCountInString(chars[done:from])
			n := utf8.RuneCountInString(piece)
			f(at+byteAt, whole[byteAt:byteAt+n])
			byteAt, done = byteAt+n, from+len(piece)
		})
	}
	if p.behavior == isolated || p.behavior == removed && p.invert {
		return p.isolate(at, s, f)
	}
	// begin is where the piece begins that is not yet complete, or where the next one will.
	begin, done, wasMatch := 0, 0, false
	emit := func(to int) {
		if to > begin {
			f(at+begin, s[begin:to])
		}
		begin = to
	}
	section := func(from, to int, match bool) {
		if from == to {
			return
		}
		switch p.behavior {
		case removed:
			if match {
				begin = to
			} else {
				emit(to)
			}
		case withPrev:
			if match && !wasMatch {
				emit(to)
			} else {
				emit(from)
				if match {
					emit(to)
				}
			}
		case withNext:
			if match {
				emit(from)
			} else if !wasMatch {
				emit(from)
			}
		case contiguous:
			if match != wasMatch {
				emit(from)
			}
		}
		wasMatch = match
	}
	err := p.pattern.matches(s, func(from, to int) {
		section(done, from, p.invert)
		section(from, to, !p.invert)
		done = to
	})
	if err != nil {
		return err
	}
	section(done, len(s), p.invert)
	emit(len(s))
	return nil
}

// isolate makes matches and what is between them pieces, or only the matches where the rest is
// removed.
func (p *split) isolate(at int, s string, f func(at int, piece string)) error {
	keep := p.behavior == isolated
	done := 0
	err := p.pattern.matches(s, func(from, to int) {
		if from > done && keep {
			f(at+done, s[done:from])
		}
		if to > from {
			f(at+from, s[from:to])
		}
		done = to
	})
	if err == nil && done < len(s) && keep {
		f(at+done, s[done:])
	}
	return err
}
