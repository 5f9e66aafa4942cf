package needle

import (
	"fmt"
	"math"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/corpus/haystack"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// A prompt has the form on which the embedded models were trained: a haystack in which each fact is
// where a sentence or a line ends (corpus.InsertionPoint; where none ends near, on a line of its
// own), an empty line, and the question. Each further question begins a new line, after the model's
// own answers to those before it.
const (
	betweenAnswers = "\n"
	betweenValues  = ", "
)

// slack is the default number of tokens of an answer beyond those of the right answer, so that the
// value can be found in "The number is 123456".
const slack = 16

// minHaystack is the minimum length of a haystack in tokens.
const minHaystack = 32

// most is how many tokens the answer to q may take: one more than the right answer at least.
func (c *cell) most(tok tokenizer.Tokenizer, q question) int {
	n := tokenizer.AtMost(tok, q.expected())
	if c.Answer > 0 {
		return max(n+1, c.Answer)
	}
	if c.chat != nil { // an answer in a sentence repeats the question
		n += tokenizer.AtMost(tok, q.text)
	}
	return n + slack
}

// hidden returns the facts in the order of the text.
func (t *trial) hidden() []haystack.Fact {
	out := make([]haystack.Fact, len(t.facts))
	for i, f := range t.facts {
		out[i] = haystack.Fact{Text: f.text, Depth: f.depth}
	}
	return out
}

// prompt returns the tokens of the trial's prompt up to the end of its first question, and of the
// user's turn in a chat.
func (t *trial) prompt(h *haystack.Haystack) []int {
	return h.Prompt(t.hidden(), t.questions[0].text)
}

// size returns the number of tokens of prompt.
func (t *trial) size(h *haystack.Haystack) int { return h.Size(t.hidden(), t.questions[0].text) }

// later returns the maximum number of tokens after the prompt: answers and further questions.
func (c *cell) later(tok tokenizer.Tokenizer, t *trial) int {
	n := 0
	for i, q := range t.questions {
		if i > 0 {
			n += len(tok.Encode(betweenAnswers + q.text))
		}
		n += c.most(tok, q)
	}
	return n
}

// least returns the smallest length at which all trials of the cell fit.
func (c *cell) least(tok tokenizer.Tokenizer, trials []*trial) int {
	n := 0
	for _, t := range trials {
		// Add two separators per fact, because an empty haystack has none.
		n = max(n, t.size(c.chat.Haystack(tok))+c.later(tok, t)+2*len(t.facts))
	}
	return n + minHaystack
}

// haystack returns a text for trials that share it: as long as the context of the longest of them
// allows.
func (c *cell) haystack(tok tokenizer.Tokenizer, seed uint64, trials []*trial) (*haystack.Haystack, error) {
	h := c.chat.Haystack(tok)
	later := make([]int, len(trials))
	for i, t := range trials {
		later[i] = c.later(tok, t)
	}
	err := h.Fit(c.source, seed, c.length, c.depth == (depth{at: 1}), func() (n int) {
		for i, t := range trials {
			n = max(n, t.size(h)+later[i])
		}
		return n
	})
	return h, err
}

// place is the position of a fact in a haystack.
type place struct {
	depth    float64 // fraction of the haystack's tokens before the fact
	boundary corpus.Boundary
}

// places returns the places of a trial's facts.
func (t *trial) places(h *haystack.Haystack) []place {
	out := make([]place, len(t.facts))
	for i, f := range t.hidden() {
		p := h.Place(f)
		out[i] = place{h.Depth(p.Pos), p.Boundary}
	}
	return out
}

// misplaced counts the facts of a cell that are not at the requested depth.
type misplaced struct {
	facts, far int
	worst      float64 // the largest difference of depths, as a fraction of the text
	torn       [corpus.CharacterEnd + 1]int
}

// farDepth is the difference of actual and requested depth above which there is a note.
const farDepth = 0.02

func (m *misplaced) add(f fact, p place) {
	m.facts++
	m.torn[p.boundary]++
	if off := math.Abs(p.depth - f.depth); off > farDepth {
		m.far++
		m.worst = max(m.worst, off)
	}
}

// notes returns notes on facts away from their depths.
func (m *misplaced) notes() (out []string) {
	if m.far > 0 {
		out = append(out, fmt.Sprintf("%d of %d facts are more than %g %% of the text (at most %.2f %%) away from the requested depth, at the end of a sentence or line; depth_real is their actual depth",
			m.far, m.facts, 100*farDepth, 100*m.worst))
	}
	for b, n := range m.torn {
		if b := corpus.Boundary(b); n > 0 && b != corpus.SentenceEnd {
			out = append(out, fmt.Sprintf("the text has no end of a sentence or line near %d of %d facts: they are on lines of their own between %s", n, m.facts, b))
		}
	}
	return out
}
