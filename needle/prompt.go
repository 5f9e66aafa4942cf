package needle

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites/param"
)

// A prompt has the form on which the embedded models were trained: a haystack in which each fact is
// where a sentence or a line ends (corpus.InsertionPoint; where none ends near, on a line of its
// own), an empty line, and the question. Each further question begins a new line, after the model's
// own answers to those before it.
const (
	beforeQuestion = "\n\n"
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
	n := len(tok.Encode(q.expected()))
	if c.Answer > 0 {
		return max(n+1, c.Answer)
	}
	if c.chat != nil { // an answer in a sentence repeats the question
		n += len(tok.Encode(q.text))
	}
	return n + slack
}

// place returns the place of the fact in a haystack.
func (f fact) place(haystack []byte) corpus.Place {
	return corpus.InsertionPoint(haystack, int(math.Round(f.depth*float64(len(haystack)))))
}

// body returns the haystack with the trial's facts.
func (t *trial) body(haystack []byte) []byte {
	size := len(haystack)
	for _, f := range t.facts {
		size += len(f.text) + 2
	}
	text := make([]byte, 0, size)
	from := 0
	for _, f := range t.facts {
		p := f.place(haystack)
		text = append(text, haystack[from:p.Pos]...)
		text = append(text, p.Before...)
		text = append(text, f.text...)
		text = append(text, p.After...)
		from = p.Pos
	}
	return append(text, haystack[from:]...)
}

// edits returns the edits that convert a text starting with the haystack to the trial's prompt, up
// to the end of its first question.
func (h *haystack) edits(t *trial) (edits []tokenizer.Edit) {
	question := t.questions[0].text
	if h.chat != nil {
		question = strings.TrimRightFunc(question, unicode.IsSpace)
	}
	around := h.chat.Surroundings()
	if around.Head != "" {
		edits = append(edits, tokenizer.Edit{With: around.Head})
	}
	for _, f := range t.facts {
		p := f.place(h.Text)
		edits = append(edits, tokenizer.Edit{From: p.Pos, To: p.Pos, With: p.Before + f.text + p.After})
	}
	return append(edits, tokenizer.Edit{From: len(h.Text), To: h.tokens.Bytes(), With: beforeQuestion + question + around.Tail})
}

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
		n = max(n, c.newHaystack(tok).size(t)+c.later(tok, t)+2*len(t.facts))
	}
	return n + minHaystack
}

// haystack is a text that several trials share.
type haystack struct {
	corpus.Haystack
	// tokens are those of a text that begins with Text. The tokens of prompts are made of them.
	tokens *tokenizer.Text
	// chat is the cell's chat template; begin are the tokens before a prompt that is not a chat.
	chat  *param.Dialogue
	begin []int
}

// newHaystack returns an empty haystack.
func (c *cell) newHaystack(tok tokenizer.Tokenizer) *haystack {
	h := &haystack{tokens: tokenizer.NewText(tok, ""), chat: c.chat}
	if c.chat == nil { // a chat template has its own
		h.begin = tokenizer.Begin(tok)
	}
	return h
}

// prompt is the tokens of a trial's prompt up to the end of its first question, and of the user's
// turn in a chat.
func (h *haystack) prompt(t *trial) []int {
	around, ids := h.chat.Surroundings(), h.tokens.Encode(h.edits(t)...)
	return slices.Concat(h.begin, around.Before, ids, around.After)
}

// size returns the number of tokens of a trial's prompt.
func (h *haystack) size(t *trial) int {
	around := h.chat.Surroundings()
	return len(h.begin) + len(around.Before) + h.tokens.Count(h.edits(t)...) + len(around.After)
}

// haystack is the text of trials that share it: as long as the context of the
// longest of them allows. Facts move to the ends of sentences and tokens merge,
// so the size is found by trying; with a byte a token one or two tries are enough.
// The text is tokenised once, and of each trial the surroundings of its facts.
func (c *cell) haystack(tok tokenizer.Tokenizer, seed uint64, trials []*trial) (*haystack, error) {
	h := c.newHaystack(tok)
	later := make([]int, len(trials))
	for i, t := range trials {
		later[i] = c.later(tok, t)
	}
	size := func() (n int) {
		for i, t := range trials {
			n = max(n, h.size(t)+later[i])
		}
		return n
	}
	empty := size()
	free := c.length - empty // tokens for the haystack and the separators
	best, bestSize := corpus.Haystack{}, -1
	low, high := 0, math.MaxInt // bytes known to fit and known not to fit
	for asked, try := free, 0; try < 12 && low < high-1; try++ {
		var err error
		if h.Haystack, err = c.source.Haystack(seed, asked); err != nil {
			return nil, err
		}
		if c.chat != nil {
			h.Text = bytes.TrimLeftFunc(h.Text, unicode.IsSpace)
		}
		if len(h.Text) > h.tokens.Bytes() {
			h.tokens.Extend(string(h.Text))
		}
		n := size()
		if n <= c.length {
			low = asked
			if n > bestSize {
				best, bestSize = h.Haystack, n
			}
		} else {
			high = asked
		}
		if n <= c.length && c.length-n <= 2 {
			break
		}
		// The next guess assumes the same bytes per token.
		next := int(float64(asked) + float64(c.length-n)*float64(asked)/float64(max(1, n-empty)))
		asked = min(max(next, low+1), high-1)
	}
	if bestSize < 0 {
		return nil, fmt.Errorf("no haystack of %d tokens found", free)
	}
	h.Haystack = best
	if c.depth == (depth{at: 1}) {
		// The facts follow the whole text, so it must not end inside a sentence.
		h.Text = corpus.CutAtBoundary(h.Text)
		for len(h.Text) > 0 && size() > c.length { // truncating may split tokens
			h.Text = corpus.CutAtBoundary(h.Text[:len(h.Text)-1])
		}
	}
	return h, nil
}

// place is the position of a fact in a haystack.
type place struct {
	depth    float64 // fraction of the haystack's tokens before the fact
	boundary corpus.Boundary
}

// places returns the places of a trial's facts.
func (h *haystack) places(t *trial) []place {
	all := float64(h.tokens.Before(len(h.Text)))
	out := make([]place, len(t.facts))
	for i, f := range t.facts {
		p := f.place(h.Text)
		out[i] = place{float64(h.tokens.Before(p.Pos)) / max(all, 1), p.Boundary}
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
