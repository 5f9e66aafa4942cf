package corpus

import "unicode/utf8"

// Place is where a sentence can be put into a text without tearing one apart:
// text[:Pos] + Before + sentence + After + text[Pos:]. What stands before Pos
// stays as it is, so texts that differ only in the needle share that prefix.
type Place struct {
	Pos    int    // bytes from the beginning of the text
	Before string // what separates the sentence from the text before it
	After  string // what separates it from the text after it
}

// InsertionPoint returns the first place at or after byte offset at: the start
// of the text (for at <= 0), the end of a sentence, the end of a line, or the
// end of the text, which is also the answer for an offset beyond it.
// After a sentence the needle follows as the next one; elsewhere it gets a
// line of its own.
func InsertionPoint(text []byte, at int) Place {
	if at <= 0 {
		if len(text) == 0 {
			return Place{}
		}
		return Place{After: "\n"}
	}
	for i := at; i < len(text); i++ {
		if sentenceEnds(text, i) {
			return Place{Pos: i, Before: " "}
		}
		if text[i-1] == '\n' {
			return Place{Pos: i, After: "\n"}
		}
		if text[i] == '\n' {
			return Place{Pos: i, Before: "\n"}
		}
	}
	p := Place{Pos: len(text)}
	switch {
	case len(text) == 0 || text[p.Pos-1] == '\n':
	case text[p.Pos-1] == ' ':
	case sentenceEnds(text, p.Pos):
		p.Before = " "
	default:
		p.Before = "\n"
	}
	return p
}

// Insert returns a copy of text with sentence at place p, and the offset at
// which the sentence begins.
func Insert(text []byte, p Place, sentence string) (out []byte, begin int) {
	out = make([]byte, 0, len(text)+len(p.Before)+len(sentence)+len(p.After))
	out = append(out, text[:p.Pos]...)
	out = append(out, p.Before...)
	begin = len(out)
	out = append(out, sentence...)
	out = append(out, p.After...)
	return append(out, text[p.Pos:]...), begin
}

// CutSentence returns the longest beginning of text that ends with a sentence
// or a line, or text itself if it has no such place.
func CutSentence(text []byte) []byte {
	for i := len(text); i > 0; i-- {
		if text[i-1] == '\n' || sentenceEnds(text, i) {
			return text[:i]
		}
	}
	return text
}

// cutRune returns at most n bytes of text without tearing a UTF-8 character:
// up to 3 bytes fewer.
func cutRune(text []byte, n int) []byte {
	if n >= len(text) {
		return text
	}
	for back := 0; back < utf8.UTFMax && n-back >= 0; back++ {
		if utf8.RuneStart(text[n-back]) {
			return text[:n-back]
		}
	}
	return text[:n] // not UTF-8
}

// sentenceEnds reports whether a sentence ends just before offset i: a full
// stop, question or exclamation mark, perhaps a closing quote or bracket, then
// white space and no small letter. Abbreviations and initials do not end one.
func sentenceEnds(text []byte, i int) bool {
	if i <= 0 || i > len(text) || i < len(text) && text[i] != ' ' && text[i] != '\n' && text[i] != '\r' {
		return false
	}
	mark := i - 1
	for mark > 0 && (text[mark] == '"' || text[mark] == '\'' || text[mark] == ')') {
		mark--
	}
	switch text[mark] {
	case '!', '?':
	case '.':
		if abbreviation(text[:mark]) && (i == len(text) || text[i] == ' ') {
			return false
		}
	default:
		return false
	}
	next := i
	for next < len(text) && text[next] == ' ' {
		next++
	}
	return next == len(text) || text[next] < 'a' || text[next] > 'z'
}

// abbreviation reports whether the word before a full stop is cut short.
func abbreviation(before []byte) bool {
	from := len(before)
	for from > 0 && (before[from-1]|0x20 >= 'a' && before[from-1]|0x20 <= 'z' || before[from-1] == '.') {
		from--
	}
	w := string(before[from:])
	switch w {
	case "Mr", "Mrs", "Ms", "Dr", "St", "Prof", "Capt", "Col", "Gen", "Rev", "e.g", "i.e", "cf", "vs", "No", "Vol", "pp", "Fig":
		return true
	}
	return len(w) == 1 && w[0] >= 'A' && w[0] <= 'Z' && w != "I"
}
