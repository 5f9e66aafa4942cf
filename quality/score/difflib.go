package score

import (
	"slices"
	"strings"
)

// Ratio returns the similarity of a and b, 0 to 1, as Python's difflib does:
// SequenceMatcher(None, a, b).ratio(). It is twice the number of matching code points over the
// number of code points of both strings, and 1 for two empty strings. It is not symmetric. In a b
// of 200 code points or more, a character that makes up more than 1 % of b is popular: it begins
// no match, but continues one.
//
// Finding one block of matches takes time proportional to len(a) times the number of occurrences
// of a character in b (200, or 1 % of b), and there are up to min(len(a), len(b)) blocks. A caller
// bounds the lengths.
func Ratio(a, b string) float64 {
	m := newMatcher([]rune(a), []rune(b))
	if len(m.a)+len(m.b) == 0 {
		return 1
	}
	return 2 * float64(m.matches()) / float64(len(m.a)+len(m.b))
}

// maxExcess is the length of an answer that Prefixed compares in full, as a multiple of the
// reference's.
const maxExcess = 8

// Prefixed returns the score of OpenAI's MRCR: 0 if the answer does not begin with prefix, else the
// Ratio of the rest to the reference, which has no prefix. If the rest is more than 8 times as long
// as the reference, only that much of it is compared. The score, at most 0.22, then still has the
// full length of the answer in the denominator.
func Prefixed(answer, reference, prefix string) float64 {
	rest, ok := strings.CutPrefix(answer, prefix)
	if !ok {
		return 0
	}
	a, b := []rune(rest), []rune(reference)
	if len(a)+len(b) == 0 {
		return 1
	}
	m := newMatcher(a[:min(len(a), maxExcess*len(b))], b)
	return 2 * float64(m.matches()) / float64(len(a)+len(b))
}

// matcher finds matching blocks of a and b.
type matcher struct {
	a, b []rune
	// at has the positions of each code point of b that is not popular, in ascending order.
	at map[rune][]int
	// run[j+1] is the length of the match that ends at the current position of a and at b[j], last
	// is that of the position before.
	run, last []int
}

// popular is the length of b from which on frequent characters begin no match.
const popular = 200

func newMatcher(a, b []rune) *matcher {
	m := &matcher{a: a, b: b, at: make(map[rune][]int), run: make([]int, len(b)+1), last: make([]int, len(b)+1)}
	for j, r := range b {
		m.at[r] = append(m.at[r], j)
	}
	if len(b) >= popular {
		for r, at := range m.at {
			if len(at) > len(b)/100+1 {
				delete(m.at, r)
			}
		}
	}
	return m
}

// span is a part of a and a part of b.
type span struct{ alo, ahi, blo, bhi int }

// matches returns the number of code points in matching blocks: the longest match, and those on
// both sides of it.
func (m *matcher) matches() (total int) {
	todo := []span{{0, len(m.a), 0, len(m.b)}}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		i, j, n := m.longest(s)
		if n == 0 {
			continue
		}
		total += n
		if s.alo < i && s.blo < j {
			todo = append(todo, span{s.alo, i, s.blo, j})
		}
		if i+n < s.ahi && j+n < s.bhi {
			todo = append(todo, span{i + n, s.ahi, j + n, s.bhi})
		}
	}
	return total
}

// longest returns the longest match a[i:i+n] = b[j:j+n] in s that begins with a character that is
// not popular, extended on both sides. Of several, it is the one that begins first in a, then in b.
func (m *matcher) longest(s span) (i, j, n int) {
	i, j = s.alo, s.blo
	var before []int // where last is not 0
	for x := s.alo; x < s.ahi; x++ {
		at := within(m.at[m.a[x]], s.blo, s.bhi)
		for _, y := range at {
			k := m.last[y] + 1
			m.run[y+1] = k
			if k > n {
				i, j, n = x-k+1, y-k+1, k
			}
		}
		for _, y := range before {
			m.last[y+1] = 0
		}
		m.run, m.last = m.last, m.run
		before = at
	}
	for _, y := range before {
		m.last[y+1] = 0
	}
	for i > s.alo && j > s.blo && m.a[i-1] == m.b[j-1] {
		i, j, n = i-1, j-1, n+1
	}
	for i+n < s.ahi && j+n < s.bhi && m.a[i+n] == m.b[j+n] {
		n++
	}
	return i, j, n
}

// within returns the positions from lo to before hi.
func within(at []int, lo, hi int) []int {
	from, _ := slices.BinarySearch(at, lo)
	to, _ := slices.BinarySearch(at, hi)
	return at[from:to]
}
