package corpus

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// endsSentence reports whether a sentence or a line ends at offset i, or the text starts there.
func endsSentence(text []byte, i int) bool {
	switch {
	case i == 0:
		return true
	case text[i-1] == '\n':
		return true
	case i < len(text) && text[i] == '\n':
		return text[i-1] != '\r' // "\r\n" is one line end
	}
	return stop(text, i)
}

// stop reports whether a sentence ends just before offset i: with a terminator of any script
// (Unicode's Sentence_Terminal, or an ellipsis), perhaps followed by closing quotes or brackets. A
// Latin terminator must be followed by white space and not by a lower-case letter. Abbreviations
// and initials do not end a sentence.
func stop(text []byte, i int) bool {
	if i <= 0 || i > len(text) || i < len(text) && !utf8.RuneStart(text[i]) {
		return false
	}
	mark, opening := i, false // mark is the end of the terminator
	var r rune
	var size int
	for n := 0; ; n++ {
		r, size = utf8.DecodeLastRune(text[:mark])
		if n == maxClosers || !closes(r) || mark == size {
			break
		}
		mark -= size
		opening = opening || unicode.Is(unicode.Pi, r)
	}
	if !unicode.Is(unicode.Sentence_Terminal, r) && r != '…' {
		return false
	}
	if i == len(text) {
		return r != '.' || !abbreviation(text[:mark-1])
	}
	next, _ := utf8.DecodeRune(text[i:])
	if joins(r) || wide(next) && r < utf8.RuneSelf && wideEnds(text[:mark-size]) {
		return !opening && (!closes(next) || unicode.Is(unicode.Pi, next)) && !unicode.Is(unicode.Sentence_Terminal, next) && endsCharacter(text, i)
	}
	if !unicode.IsSpace(next) || r == '.' && next == ' ' && abbreviation(text[:mark-1]) {
		return false
	}
	after := bytes.TrimLeft(text[i:min(len(text), i+maxSpaces)], " ")
	next, _ = utf8.DecodeRune(after)
	return len(after) == 0 || !unicode.IsLower(next)
}

// Limits of the context examined around an offset, so that no text makes the search slow.
const (
	maxClosers = 8   // quotes and brackets after a terminator
	maxSpaces  = 64  // spaces after a terminator
	maxWord    = 16  // bytes of an abbreviation
	maxFlags   = 256 // regional indicators before an offset
)

// joins reports whether terminator r belongs to a script that may have no space between sentences.
func joins(r rune) bool { return r > unicode.MaxLatin1 && !(r >= 0x2000 && r <= 0x206f) }

// wide reports whether r is a Chinese or Japanese character, whose scripts use no spaces.
func wide(r rune) bool { return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) }

func wideEnds(text []byte) bool {
	r, _ := utf8.DecodeLastRune(text)
	return wide(r)
}

// closes reports whether r may appear between a terminator and the end of its sentence.
func closes(r rune) bool {
	switch r {
	case '"', '\'', ')':
		return true
	}
	return r > unicode.MaxASCII && unicode.In(r, unicode.Pe, unicode.Pf, unicode.Pi)
}

// abbreviation reports whether the word before a full stop is an abbreviation.
func abbreviation(before []byte) bool {
	from := len(before)
	for from > max(0, len(before)-maxWord) {
		r, size := utf8.DecodeLastRune(before[:from])
		if r != '.' && !unicode.IsLetter(r) {
			break
		}
		from -= size
	}
	w := string(before[from:])
	switch w {
	case "Mr", "Mrs", "Ms", "Dr", "St", "Prof", "Capt", "Col", "Gen", "Rev", "e.g", "i.e", "cf", "vs", "No", "Vol", "pp", "Fig":
		return true
	}
	r, size := utf8.DecodeRuneInString(w)
	return size == len(w) && unicode.IsUpper(r) && r != 'I'
}

// decimal reports whether the text ends with a digit and a full stop, which may be part of a
// number.
func decimal(text []byte) bool {
	n := len(text)
	return n > 1 && text[n-1] == '.' && text[n-2] >= '0' && text[n-2] <= '9'
}

// endsClause reports whether a clause ends just before offset i: after a comma,
// a closing bracket and the like, with the white space that follows.
func endsClause(text []byte, i int) bool {
	if i < 2 || i >= len(text) || !endsCharacter(text, i) {
		return false
	}
	next, _ := utf8.DecodeRune(text[i:])
	mark := i
	for mark > 1 && i-mark < maxSpaces && text[mark-1] == ' ' {
		mark--
	}
	r, size := utf8.DecodeLastRune(text[:mark])
	spaced := mark < i
	switch {
	case unicode.IsSpace(next) || closes(next) && next != '"' && !unicode.Is(unicode.Pi, next):
		return false
	case r == ',' || r == ';':
		before, _ := utf8.DecodeLastRune(text[:mark-size])
		return spaced || next != r && !(unicode.IsDigit(before) && unicode.IsDigit(next)) // 1,000 is one word
	case r == ':' || r == '!' || r == '?':
		return spaced
	case r == ')' || r == ']' || r == '}':
		return spaced || next == '{' || next == '[' || !unicode.IsPunct(next)
	case r == '>':
		return next == '<'
	}
	return r > unicode.MaxLatin1 && (unicode.Is(unicode.Terminal_Punctuation, r) || unicode.In(r, unicode.Pe, unicode.Pf))
}

// endsWord reports whether white space, or an invisible character that allows a line break, ends
// just before offset i.
func endsWord(text []byte, i int) bool {
	if i < 1 || i >= len(text) || !endsCharacter(text, i) {
		return false
	}
	r, _ := utf8.DecodeLastRune(text[:i])
	next, _ := utf8.DecodeRune(text[i:])
	return (unicode.IsSpace(r) && r != '\u00a0' || r == '\u200b') && !unicode.IsSpace(next)
}

// endsCharacter reports whether a user-perceived character ends at offset i. It approximates the
// grapheme clusters of Unicode Annex 29 without their tables; in doubt it returns false.
func endsCharacter(text []byte, i int) bool {
	if i <= 0 || i >= len(text) {
		return i == 0 || i == len(text)
	}
	r, _ := utf8.DecodeLastRune(text[:i])
	next, size := utf8.DecodeRune(text[i:])
	switch {
	case next == utf8.RuneError && size == 1: // not UTF-8, or the middle of a character
		return !continues(text, i)
	case r == '\r' && next == '\n':
		return false
	case r == '\u200d' || next == '\u200d' || next == '\u200c': // joiners
		return false
	case unicode.Is(unicode.M, next) || next == '\u0e33' || next == '\u0eb3': // marks, and two vowels that act like marks
		return false
	case next >= 0x1f3fb && next <= 0x1f3ff: // skin tones
		return false
	case next >= 0xe0020 && next <= 0xe007f: // tags of flags
		return false
	case regional(r) && regional(next):
		return flags(text[:i])%2 == 0
	case jamo(r) && jamo(next):
		return false
	case virama(r):
		return !unicode.IsLetter(next)
	}
	return true
}

// continues reports whether the byte at i belongs to a UTF-8 character that starts before i.
func continues(text []byte, i int) bool {
	for back := 1; back < utf8.UTFMax && back <= i; back++ {
		if utf8.RuneStart(text[i-back]) {
			_, size := utf8.DecodeRune(text[i-back:])
			return size > back
		}
	}
	return false
}

func regional(r rune) bool { return r >= 0x1f1e6 && r <= 0x1f1ff }

// flags returns the number of regional indicators at the end of text.
func flags(text []byte) (n int) {
	for ; n < maxFlags; n++ {
		r, size := utf8.DecodeLastRune(text)
		if !regional(r) {
			break
		}
		text = text[:len(text)-size]
	}
	return n
}

// jamo reports whether r is a Hangul syllable or a part of one. More parts may follow either.
func jamo(r rune) bool {
	return r >= 0x1100 && r <= 0x11ff || r >= 0xa960 && r <= 0xa97f || r >= 0xd7b0 && r <= 0xd7ff
}

// virama reports whether r joins its neighbouring consonants in an Indic script.
func virama(r rune) bool {
	switch r {
	case 0x94d, 0x9cd, 0xa4d, 0xacd, 0xb4d, 0xc4d, 0xccd, 0xd4d, 0x1039, 0x17d2:
		return true
	}
	return false
}

// cutRune returns at most n bytes of text, up to 3 bytes fewer so as not to split a UTF-8
// character.
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

// Sentences returns the sentences and lines of a text, without white space around them and with
// single spaces between their words. The last one may be cut.
func Sentences(text []byte) (list []string) {
	from := 0
	for i := 1; i <= len(text); i++ {
		if i < len(text) && !endsSentence(text, i) {
			continue
		}
		if words := strings.Fields(string(text[from:i])); len(words) > 0 {
			list = append(list, strings.Join(words, " "))
		}
		from = i
	}
	return list
}
