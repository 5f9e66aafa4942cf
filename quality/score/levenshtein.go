package score

import (
	"math/bits"
	"strings"
	"unicode/utf8"
)

// Similarity returns one minus the edit distance of the reference and the answer, in code points,
// over the length of the longer one; 0 if either is empty. This is the score of Chroma's repeated
// words. An answer that is more than twice as long as the reference counts everything beyond as
// inserted, so its score, at most 0.5, may be slightly too low.
func Similarity(reference, answer string) float64 {
	if reference == "" || answer == "" {
		return 0
	}
	a, b := []rune(reference), []rune(answer)
	beyond := max(0, len(b)-2*len(a))
	d := distance(a, b[:len(b)-beyond]) + beyond
	return 1 - float64(d)/float64(max(len(a), len(b)))
}

// distance returns the Levenshtein distance, by the bit-parallel algorithm of Myers (1999) in
// Hyyrö's form for long patterns. It takes len(a)/64 * len(b) steps, without what a and b have in
// common at both ends.
func distance(a, b []rune) int {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if len(a) == 0 || len(b) == 0 {
		return len(a) + len(b)
	}
	words := (len(a) + 63) / 64
	equal := make(map[rune][]uint64) // bit i: a[i] is the rune
	for i, r := range a {
		if equal[r] == nil {
			equal[r] = make([]uint64, words)
		}
		equal[r][i/64] |= 1 << (i % 64)
	}
	// Bit i of up says that the distance of a[:i+1] is one more than that of a[:i], bit i of down
	// that it is one less.
	up, down := make([]uint64, words), make([]uint64, words)
	for i := range up {
		up[i] = ^uint64(0)
	}
	none := make([]uint64, words)
	last := (len(a) - 1) % 64 // the bit of the last row, in the last word
	d := len(a)
	for _, r := range b {
		eq := equal[r]
		if eq == nil {
			eq = none
		}
		// The change of the distance from one column to the next, carried from word to word.
		more, less := uint64(1), uint64(0)
		for i := range words {
			u, v := up[i], down[i]
			e := eq[i]
			vertical := e | v
			e |= less
			sum, _ := bits.Add64(e&u, u, 0)
			horizontal := (sum ^ u) | e
			plus := v | ^(horizontal | u)
			minus := u & horizontal
			if i == words-1 {
				d += int(plus >> last & 1)
				d -= int(minus >> last & 1)
			}
			p, m := plus<<1|more, minus<<1|less
			more, less = plus>>63, minus>>63
			up[i] = m | ^(vertical | p)
			down[i] = p & vertical
		}
	}
	return d
}

// SamePlace returns 1 if the first occurrence of word followed by a space begins at the same code
// point in the answer and in the reference, else 0. If the reference ends with word, it is word
// preceded by a space. This is the position accuracy of Chroma's repeated words.
func SamePlace(reference, answer, word string) float64 {
	sought, want := place(reference, word)
	if want < 0 || want != index(answer, sought) {
		return 0
	}
	return 1
}

// PlaceKnown reports whether SamePlace of all answers that begin with this one is the same: the
// word occurs, or the answer is longer than the reference up to the word.
func PlaceKnown(reference, answer, word string) bool {
	sought, want := place(reference, word)
	return want < 0 || strings.Contains(answer, sought) || utf8.RuneCountInString(answer) >= want+utf8.RuneCountInString(sought)
}

// place returns the text that SamePlace looks for, and its position in the reference.
func place(reference, word string) (sought string, at int) {
	sought = word + " "
	if len(reference) > len(word) && reference[len(reference)-len(word)-1:] == " "+word {
		sought = " " + word
	}
	return sought, index(reference, sought)
}

// index returns the position of the first occurrence in code points, or -1.
func index(s, sub string) int {
	i := strings.Index(s, sub)
	if i < 0 {
		return -1
	}
	return utf8.RuneCountInString(s[:i])
}
