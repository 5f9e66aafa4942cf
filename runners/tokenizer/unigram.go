package tokenizer

import (
	"math"
	"unicode/utf8"
)

// unigram splits a piece into the tokens with the largest sum of scores (Viterbi's algorithm).
type unigram struct {
	pieces *trie
	scores []float64
	// unk is the token of a character with which no token begins. Its score is unkScore.
	unk      int32
	unkScore float64
	// fallback are the byte tokens that replace unknown characters, if the vocabulary has them.
	fallback [256]int32
}

// step is the best path to a position in a piece: its last token and the sum of scores.
type step struct {
	token token
	score float64
}

func (m *unigram) tokens(w *worker, dst []token, piece string) []token {
	if cap(w.steps) < len(piece)+1 {
		w.steps = make([]step, len(piece)+1)
	}
	steps := w.steps[:len(piece)+1]
	for i := range steps {
		steps[i].score = math.Inf(-1)
	}
	steps[0].score = 0
	for at := 0; at < len(piece); {
		_, size := utf8.DecodeRuneInString(piece[at:])
		here, known := steps[at].score, false
		node := uint64(0)
		for i := at; i < len(piece); i++ {
			next, ok := m.pieces.next.get(node<<8 | uint64(piece[i]))
			if !ok {
				break
			}
			node = next
			id := m.pieces.values[node]
			if id < 0 {
				continue
			}
			known = known || i+1-at == size
			if s := here + m.scores[id]; s > steps[i+1].score {
				steps[i+1] = step{token{id, int32(i + 1 - at)}, s}
			}
		}
		if s := here + m.unkScore; !known && s > steps[at+size].score {
			steps[at+size] = step{token{m.unk, int32(size)}, s}
		}
		at += size
	}
	start := len(dst)
	for at := len(piece); at > 0; {
		t := steps[at].token
		at -= int(t.size)
		dst = append(dst, t)
	}
	for i, j := start, len(dst)-1; i < j; i, j = i+1, j-1 {
		dst[i], dst[j] = dst[j], dst[i]
	}
	return m.fallBack(dst, start, piece)
}

// fallBack replaces the unknown tokens from start on by byte tokens, if every byte has one.
func (m *unigram) fallBack(dst []token, start int, piece string) []token {
	if m.fallback[0] == none {
		return dst
	}
	var out []token
	at := 0
	for i, t := range dst[start:] {
		if t.id == m.unk && out == nil {
			out = append([]token{}, dst[start:start+i]...)
		}
		if t.id == m.unk {
			for j := range int(t.size) {
				out = append(out, token{m.fallback[piece[at+j]], 1})
			}
		} else if out != nil {
			out = append(out, t)
		}
		at += int(t.size)
	}
	if out == nil {
		return dst
	}
	return append(dst[:start], out...)
}
