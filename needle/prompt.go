package needle

import (
	"fmt"
	"math"
	"strings"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// A prompt is what the embedded models were trained on: a haystack in which
// each fact is where a sentence or a line ends (corpus.InsertionPoint; where none
// ends near, on a line of its own), an empty line, and the question. Each further question begins a new line, after
// the model's own answers to those before it.
const (
	beforeQuestion = "\n\n"
	betweenAnswers = "\n"
	betweenValues  = ", "
)

// slack is how many tokens more than the right answer's an answer may take by default: room to
// find the value in "The number is 123456".
const slack = 16

// minHaystack is the least text, in tokens, that a fact is hidden in.
const minHaystack = 32

// expected is the right answer.
func (q question) expected() string { return strings.Join(q.values, betweenValues) }

// most is how many tokens the answer to q may take: one more than the right answer at least.
func (c *cell) most(tok tokenizer.Tokenizer, q question) int {
	n := len(tok.Encode(q.expected()))
	if c.Answer > 0 {
		return max(n+1, c.Answer)
	}
	return n + slack
}

// body puts the trial's facts into a haystack. at is where each of them is, in bytes of the haystack.
func (t *trial) body(haystack []byte) (text []byte, at []corpus.Place) {
	size := len(haystack)
	for _, f := range t.facts {
		size += len(f.text) + 2
	}
	text = make([]byte, 0, size)
	from := 0
	for _, f := range t.facts {
		p := corpus.InsertionPoint(haystack, int(math.Round(f.depth*float64(len(haystack)))))
		text = append(text, haystack[from:p.Pos]...)
		text = append(text, p.Before...)
		text = append(text, f.text...)
		text = append(text, p.After...)
		at, from = append(at, p), p.Pos
	}
	return append(text, haystack[from:]...), at
}

// prompt is the trial's text up to the end of its first question.
func (t *trial) prompt(tok tokenizer.Tokenizer, haystack []byte) []int {
	text, _ := t.body(haystack)
	return tok.Encode(string(text) + beforeQuestion + t.questions[0].text)
}

// later is the number of tokens, at most, that come after the prompt: answers and further questions.
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

// size is what a trial takes of the context: its prompt, and what comes after it.
func (c *cell) size(tok tokenizer.Tokenizer, t *trial, haystack []byte) int {
	return len(t.prompt(tok, haystack)) + c.later(tok, t)
}

// least is the smallest length at which all trials of the cell have room.
func (c *cell) least(tok tokenizer.Tokenizer) (int, error) {
	n := 0
	for i := range c.Trials {
		t, err := c.trial(i)
		if err != nil {
			return 0, err
		}
		// The two separators of a fact are counted here, since an empty haystack has none.
		n = max(n, c.size(tok, t, nil)+2*len(t.facts))
	}
	return n + minHaystack, nil
}

// haystack is the text of trials that share it: as long as the context of the
// longest of them allows. Facts move to the ends of sentences and tokens merge,
// so the size is found by trying; with a byte a token one or two tries are enough.
func (c *cell) haystack(tok tokenizer.Tokenizer, seed uint64, trials []*trial) (corpus.Haystack, error) {
	size := func(h []byte) (n int) {
		for _, t := range trials {
			n = max(n, c.size(tok, t, h))
		}
		return n
	}
	empty := size(nil)
	free := c.length - empty // tokens for the haystack and the separators
	best, bestSize := corpus.Haystack{}, -1
	low, high := 0, math.MaxInt // bytes known to fit, and known not to
	for bytes, try := free, 0; try < 12 && low < high-1; try++ {
		h, err := c.source.Haystack(seed, bytes)
		if err != nil {
			return corpus.Haystack{}, err
		}
		n := size(h.Text)
		if n <= c.length {
			low = bytes
			if n > bestSize {
				best, bestSize = h, n
			}
		} else {
			high = bytes
		}
		if n <= c.length && c.length-n <= 2 {
			break
		}
		// The next guess keeps the bytes a token that this one had.
		next := int(float64(bytes) + float64(c.length-n)*float64(bytes)/float64(max(1, n-empty)))
		bytes = min(max(next, low+1), high-1)
	}
	if bestSize < 0 {
		return corpus.Haystack{}, fmt.Errorf("no haystack of %d tokens found", free)
	}
	if c.depth == (depth{at: 1}) {
		// The facts follow the whole text: it must not end inside a sentence.
		best.Text = corpus.CutAtBoundary(best.Text)
	}
	return best, nil
}

// place is where a fact is in a haystack.
type place struct {
	depth    float64 // tokens of the haystack before it, over all its tokens
	boundary corpus.Boundary
}

// places are those of a trial's facts.
func places(tok tokenizer.Tokenizer, t *trial, haystack []byte) []place {
	_, at := t.body(haystack)
	all := float64(len(tok.Encode(string(haystack))))
	out := make([]place, len(at))
	for i, p := range at {
		out[i] = place{float64(len(tok.Encode(string(haystack[:p.Pos])))) / max(all, 1), p.Boundary}
	}
	return out
}

// misplaced counts the facts of a cell that are not where they were asked for.
type misplaced struct {
	facts, far int
	worst      float64 // the largest difference of a depth, a fraction of the text
	torn       [corpus.CharacterEnd + 1]int
}

// farDepth is the difference of a real depth from the one asked for that is noted.
const farDepth = 0.02

func (m *misplaced) add(f fact, p place) {
	m.facts++
	m.torn[p.boundary]++
	if off := math.Abs(p.depth - f.depth); off > farDepth {
		m.far++
		m.worst = max(m.worst, off)
	}
}

// notes say what the record's depths do not.
func (m *misplaced) notes() (out []string) {
	if m.far > 0 {
		out = append(out, fmt.Sprintf("%d of %d facts are more than %g %% of the text (at most %.2f %%) away from the depth asked for, where a sentence or line ends; depth_real is their real depth",
			m.far, m.facts, 100*farDepth, 100*m.worst))
	}
	for b, n := range m.torn {
		if b := corpus.Boundary(b); n > 0 && b != corpus.SentenceEnd {
			out = append(out, fmt.Sprintf("the text has no end of a sentence or line near %d of %d facts: they are on lines of their own between %s", n, m.facts, b))
		}
	}
	return out
}
