package tokenizer

import (
	"math"
	"unicode/utf8"
)

// token is a token of a text, with the number of the text's bytes that it covers.
type token struct{ id, size int32 }

// model converts a piece of text, as split by the pre-tokenizer, to tokens.
type model interface {
	// tokens appends the tokens of piece, which is not empty.
	tokens(w *worker, dst []token, piece string) []token
}

// none means that there is no token.
const none = -1

// bpe merges pairs of neighbouring symbols: first the pair with the lowest rank, among equals the
// leftmost. Initially the symbols of a piece are its bytes or its characters.
//
// Three published algorithms are this one with different tables. Byte-pair encoding has a list of
// merges. In SentencePiece's BPE, two symbols may merge if their joined text is a token, and tokens
// are ranked by score. In tiktoken's, the rank is that of the merged token.
type bpe struct {
	// pairs maps left<<32 | right to rank<<32 | merged.
	pairs *table
	// bytes are the symbols of bytes if the vocabulary is byte-level, else nil.
	bytes *[256]int32
	// ascii and runes are the symbols of characters if it is not.
	ascii [utf8.RuneSelf]int32
	runes map[rune]int32
	// fallback are the byte tokens that replace an unknown character, if the vocabulary has them.
	fallback [256]int32
	// unk is the token of an unknown character without fallback. If it is none, the character has
	// no token, and its neighbours may merge if skip is set.
	unk  int32
	skip bool
	// size is the number of tokens. Symbols from size on are characters that are not tokens, but
	// may become part of one.
	size int32
	// extra are the characters of those symbols.
	extra []rune
	// whole are the pieces that become one token even if no merges produce it; nil if there are
	// none.
	whole map[string]int32
}

// manySymbols is the number of symbols from which a heap is used to find the next pair. For fewer
// symbols, scanning all pairs is faster.
const manySymbols = 40

func (m *bpe) tokens(w *worker, dst []token, piece string) []token {
	if id, ok := m.whole[piece]; ok {
		return append(dst, token{id, int32(len(piece))})
	}
	w.symbols = m.symbols(w.symbols[:0], piece)
	if len(w.symbols) < manySymbols {
		w.symbols = m.mergeFew(w.symbols)
	} else {
		w.symbols = m.mergeMany(w, w.symbols)
	}
	start, lead := len(dst), int32(0)
	for _, s := range w.symbols {
		switch {
		case s.id >= m.size: // a character that is not a token
			dst = m.unknown(dst, piece[:s.size])
		case s.id != none:
			dst = append(dst, s)
		}
		piece = piece[s.size:]
		if last := len(dst) - 1; last >= start && dst[last].id == none {
			dst, lead = dst[:last], lead+dst[last].size
		} else if s.id == none {
			lead += s.size
		}
		if last := len(dst) - 1; last >= start {
			dst[last].size += lead
			lead = 0
		}
	}
	return dst
}

// symbols appends the symbols of piece before any merge.
func (m *bpe) symbols(dst []token, piece string) []token {
	if m.bytes != nil {
		for i := range len(piece) {
			if id := m.bytes[piece[i]]; id != none {
				dst = append(dst, token{id, 1})
			} else {
				dst = m.unknown(dst, piece[i:i+1])
			}
		}
		return dst
	}
	for at := 0; at < len(piece); {
		if c := piece[at]; c < utf8.RuneSelf {
			if id := m.ascii[c]; id != none {
				dst = append(dst, token{id, 1})
			} else {
				dst = m.unknown(dst, piece[at:at+1])
			}
			at++
			continue
		}
		r, size := utf8.DecodeRuneInString(piece[at:])
		if id, ok := m.runes[r]; ok && (r != utf8.RuneError || size > 1) {
			dst = append(dst, token{id, int32(size)})
		} else {
			dst = m.unknown(dst, piece[at:at+size])
		}
		at += size
	}
	return dst
}

// unknown appends the tokens of a character that is not a symbol: those of its bytes, the unknown
// token, or nothing.
func (m *bpe) unknown(dst []token, char string) []token {
	start := len(dst)
	for i := range len(char) {
		id := m.fallback[char[i]]
		if id == none {
			dst = dst[:start]
			break
		}
		dst = append(dst, token{id, 1})
	}
	switch {
	case len(dst) > start:
	case m.unk == none && m.skip && start > 0:
		dst[start-1].size += int32(len(char))
	default:
		dst = append(dst, token{m.unk, int32(len(char))})
	}
	return dst
}

// pair returns the rank and the result of merging two symbols. If they do not merge, the rank is
// math.MaxUint32.
func (m *bpe) pair(left, right int32) (rank uint32, merged int32) {
	v, ok := m.pairs.get(uint64(uint32(left))<<32 | uint64(uint32(right)))
	if !ok {
		return math.MaxUint32, none
	}
	return uint32(v >> 32), int32(uint32(v))
}

// mergeFew scans all pairs before each merge.
func (m *bpe) mergeFew(s []token) []token {
	if len(s) < 2 {
		return s
	}
	var ranks [manySymbols]uint32
	var results [manySymbols]int32
	n := len(s)
	for i := range n - 1 {
		ranks[i], results[i] = m.pair(s[i].id, s[i+1].id)
	}
	for n > 1 {
		best, at := uint32(math.MaxUint32), -1
		for i, r := range ranks[:n-1] {
			if r < best {
				best, at = r, i
			}
		}
		if at < 0 {
			break
		}
		s[at] = token{results[at], s[at].size + s[at+1].size}
		copy(s[at+1:], s[at+2:n])
		copy(ranks[at+1:], ranks[at+2:n])
		copy(results[at+1:], results[at+2:n])
		n--
		if at > 0 {
			ranks[at-1], results[at-1] = m.pair(s[at-1].id, s[at].id)
		}
		if at < n-1 {
			ranks[at], results[at] = m.pair(s[at].id, s[at+1].id)
		}
	}
	return s[:n]
}

// merge is a pair that may merge: the symbol at left with the next one.
type merge struct {
	rank        uint32
	left        int32
	first, next int32 // the symbols when the pair was found
}

func (a merge) before(b merge) bool { return a.rank < b.rank || a.rank == b.rank && a.left < b.left }

// mergeMany merges with a heap of pairs, in n log n time.
func (m *bpe) mergeMany(w *worker, s []token) []token {
	n := len(s)
	w.next, w.prev = resized(w.next, n), resized(w.prev, n)
	w.heap = w.heap[:0]
	for i := range n {
		w.next[i], w.prev[i] = int32(i+1), int32(i-1)
	}
	find := func(left, right int32) {
		if rank, _ := m.pair(s[left].id, s[right].id); rank != math.MaxUint32 {
			w.heap = push(w.heap, merge{rank, left, s[left].id, s[right].id})
		}
	}
	for i := range n - 1 {
		find(int32(i), int32(i+1))
	}
	for len(w.heap) > 0 {
		var p merge
		w.heap, p = pop(w.heap)
		right := w.next[p.left]
		if s[p.left].size == 0 || int(right) >= n || s[p.left].id != p.first || s[right].id != p.next {
			continue // one of them has merged since
		}
		_, merged := m.pair(p.first, p.next)
		s[p.left] = token{merged, s[p.left].size + s[right].size}
		s[right].size = 0
		after := w.next[right]
		w.next[p.left] = after
		if int(after) < n {
			w.prev[after] = p.left
			find(p.left, after)
		}
		if before := w.prev[p.left]; before >= 0 {
			find(before, p.left)
		}
	}
	kept := s[:0]
	for i := 0; i < n; i = int(w.next[i]) {
		kept = append(kept, s[i])
	}
	return kept
}

func resized(s []int32, n int) []int32 {
	if cap(s) < n {
		return make([]int32, n)
	}
	return s[:n]
}

// push and pop implement a heap without the interface of container/heap, which allocates.
func push(h []merge, m merge) []merge {
	h = append(h, m)
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if !h[i].before(h[up]) {
			break
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
	return h
}

func pop(h []merge) ([]merge, merge) {
	top, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	for i := 0; ; {
		down := 2*i + 1
		if down >= last {
			break
		}
		if down+1 < last && h[down+1].before(h[down]) {
			down++
		}
		if !h[down].before(h[i]) {
			break
		}
		h[i], h[down] = h[down], h[i]
		i = down
	}
	return h, top
}
