package corpus

import (
	"unicode"
	"unicode/utf8"
)

// Place is a position at which a sentence can be inserted: text[:Pos] + Before + sentence + After +
// text[Pos:]. The text before Pos is unchanged, so texts that differ only in the needle share that
// prefix.
type Place struct {
	Pos      int      // offset in bytes
	Before   string   // separator before the sentence
	After    string   // separator after it
	Boundary Boundary // what ends at Pos
}

// Boundary is a kind of boundary in a text. The kinds are ordered from best to worst for inserting
// a sentence.
type Boundary int

const (
	SentenceEnd  Boundary = iota // end of a sentence or line, or start or end of the text
	ClauseEnd                    // after a comma, bracket or the like
	WordEnd                      // after white space
	CharacterEnd                 // between two user-perceived characters
	boundaries
)

// String returns what ends at the boundary, in the plural.
func (b Boundary) String() string {
	return [boundaries]string{"sentences", "clauses", "words", "characters"}[b]
}

// Limits of the search for a Place.
const (
	// tolerance is the acceptable distance as a fraction of the text's length.
	tolerance = 0.02
	// sentenceReach is the acceptable distance to the end of a sentence in bytes: half a long
	// sentence.
	sentenceReach = 160
	// wordReach is the acceptable distance to the end of a clause or word in bytes.
	wordReach = 32
	// maxCharacter bounds a user-perceived character in bytes (a family emoji has 25).
	maxCharacter = 128
	// maxNear bounds the search in long texts.
	maxNear = 64 << 10
)

// near returns the acceptable distance in bytes, in a text of n bytes.
func near(n int) int { return min(int(tolerance*float64(n)), maxNear) }

// InsertionPoint returns the place for a sentence near byte offset at. It is the first of these
// that exists:
//
//  1. the first end of a sentence or line from at on that is at most 2 % of the text away;
//  2. the nearest end of a sentence or line on either side that is at most 2 %
//     of the text or 160 bytes away;
//  3. the nearest end of a clause, or failing that of a word, at most 2 % of the text or 32 bytes away;
//  4. the nearest boundary of characters.
//
// After a sentence, the needle follows as the next sentence; elsewhere it gets its own line. For at
// <= 0 the place is the start of the text, for at >= len(text) its end.
func InsertionPoint(text []byte, at int) Place {
	if at <= 0 || at >= len(text) {
		return placeAt(text, min(max(at, 0), len(text)), SentenceEnd)
	}
	close := near(len(text))
	for i := at; i <= min(at+close, len(text)); i++ {
		if endsSentence(text, i) {
			return placeAt(text, i, SentenceEnd)
		}
	}
	for b, reach := range [boundaries]int{max(close, sentenceReach), max(close, wordReach), max(close, wordReach), maxCharacter} {
		if i, ok := nearest(text, at, reach, Boundary(b)); ok {
			return placeAt(text, i, Boundary(b))
		}
	}
	return placeAt(text, len(cutRune(text, at)), CharacterEnd) // not text
}

// nearest returns the offset of the boundary b nearest to at, at most reach bytes away.
func nearest(text []byte, at, reach int, b Boundary) (int, bool) {
	for d := 0; d <= reach; d++ {
		if i := at + d; i <= len(text) && isBoundary(text, i, b) {
			return i, true
		}
		if i := at - d; i >= 0 && isBoundary(text, i, b) {
			return i, true
		}
	}
	return 0, false
}

func isBoundary(text []byte, i int, b Boundary) bool {
	switch b {
	case SentenceEnd:
		return endsSentence(text, i)
	case ClauseEnd:
		return endsClause(text, i)
	case WordEnd:
		return endsWord(text, i)
	}
	return endsCharacter(text, i)
}

// placeAt returns the Place at offset i, a boundary of kind b, with its separators.
func placeAt(text []byte, i int, b Boundary) Place {
	p := Place{Pos: i, Boundary: b}
	before, after := text[:i], text[i:]
	switch {
	case len(before) == 0 || before[i-1] == '\n':
	case b == SentenceEnd && stop(text, i):
		p.Before = " "
		if len(after) > 0 && !spaceAt(after) {
			p.After = " " // scripts without spaces between sentences
		}
		return p
	case b == SentenceEnd && len(after) == 0 && before[i-1] == ' ' && stop(text, trimmed(before)):
		return p
	default:
		p.Before = "\n"
	}
	if len(after) > 0 && (after[0] != '\n' || p.Before == "") {
		p.After = "\n"
	}
	return p
}

// trimmed returns the length of text without trailing spaces.
func trimmed(text []byte) int {
	n := len(text)
	for n > 0 && text[n-1] == ' ' {
		n--
	}
	return n
}

// spaceAt reports whether text starts with white space.
func spaceAt(text []byte) bool {
	r, _ := utf8.DecodeRune(text)
	return unicode.IsSpace(r)
}

// Insert returns a copy of text with sentence inserted at p, and the offset at which the sentence
// starts.
func Insert(text []byte, p Place, sentence string) (out []byte, begin int) {
	out = make([]byte, 0, len(text)+len(p.Before)+len(sentence)+len(p.After))
	out = append(out, text[:p.Pos]...)
	out = append(out, p.Before...)
	begin = len(out)
	out = append(out, sentence...)
	out = append(out, p.After...)
	return append(out, text[p.Pos:]...), begin
}

// CutAtBoundary cuts text at its last end of a sentence or line, if that removes at most a quarter
// of the text and at most 2 % of it or 160 bytes. Otherwise it cuts at the last end of a clause,
// word or character.
func CutAtBoundary(text []byte) []byte {
	close, n := near(len(text)), len(text)
	sentence, word := max(close, min(sentenceReach, n/4)), max(close, min(wordReach, n/4))
	for b, reach := range [boundaries]int{sentence, word, word, maxCharacter} {
		for i := n; i >= max(0, n-reach); i-- {
			if isBoundary(text, i, Boundary(b)) && (i < n || b > 0 || !decimal(text)) {
				return text[:i]
			}
		}
	}
	return cutRune(text, n)
}
