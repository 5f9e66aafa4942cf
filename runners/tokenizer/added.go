package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// added is a token that is found in the text before all other steps: a special token such as
// <|im_end|>, or one that was added to the vocabulary.
type added struct {
	id      int32
	text    string
	special bool
	// lstrip and rstrip extend the token over the white space before and after it.
	lstrip, rstrip bool
	// word is set if the token must not be next to a letter or digit.
	word bool
}

// addedTokens finds added tokens. If several match at one place, the longest one counts.
type addedTokens struct {
	list []added
	trie *trie
}

func newAdded(list []added) *addedTokens {
	a := &addedTokens{list: list, trie: newTrie(len(list))}
	for i, t := range list {
		a.trie.add(t.text, int32(i))
	}
	return a
}

// found is an added token at [from, to) in a text, including the white space that it takes.
type found struct {
	id       int32
	from, to int
}

// find calls text with each non-empty part of s between added tokens, and token with each token, in
// order. Unless special is set, special tokens are treated as text.
func (a *addedTokens) find(s string, special bool, text func(from, to int), tok func(found)) {
	done := 0
	if len(a.list) > 0 {
		for at := 0; at < len(s); {
			if !a.trie.first[s[at]] {
				at++
				continue
			}
			n, i := a.trie.longest(s[at:])
			if n == 0 {
				at++
				continue
			}
			t := &a.list[i]
			f := found{t.id, at, at + n}
			at += n
			if t.special && !special || t.word && !atWordBoundaries(s, f.from, f.to) {
				continue
			}
			if t.lstrip {
				for f.from > done {
					r, size := utf8.DecodeLastRuneInString(s[done:f.from])
					if !unicode.IsSpace(r) {
						break
					}
					f.from -= size
				}
			}
			if t.rstrip {
				for f.to < len(s) {
					r, size := utf8.DecodeRuneInString(s[f.to:])
					if !unicode.IsSpace(r) {
						break
					}
					f.to += size
				}
			}
			if f.from > done {
				text(done, f.from)
			}
			done = max(done, f.to) // white space taken by a token may itself be a token
			f.to = done
			tok(f)
		}
	}
	if done < len(s) {
		text(done, len(s))
	}
}

// atWordBoundaries reports whether s[from:to] has no word character next to it.
func atWordBoundaries(s string, from, to int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:from])
	after, _ := utf8.DecodeRuneInString(s[to:])
	return !(from > 0 && wordRune(before)) && !(to < len(s) && wordRune(after))
}

func wordRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.Is(unicode.Nd, r) || unicode.Is(unicode.Pc, r)
}
