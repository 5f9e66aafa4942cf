// Package haystack hides facts in texts that fill a context.
//
// A prompt is a haystack in which each fact is inserted where a sentence or a line ends
// (corpus.InsertionPoint), an empty line, and the question. Prompts that differ in their facts or
// questions can share a haystack, which is then tokenized once.
package haystack

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/runners/chat"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// BeforeQuestion is between the haystack and the question.
const BeforeQuestion = "\n\n"

// Fact is a sentence and the fraction of the haystack before it. The facts of a prompt are in the
// order of their depths.
type Fact struct {
	Text  string
	Depth float64
}

// Haystack is a text that several prompts share.
type Haystack struct {
	corpus.Haystack
	// tokens are those of a text that begins with Text. The tokens of prompts are made of them.
	tokens *tokenizer.Text
	// chat is the chat template around prompts, or nil. begin are the tokens before a prompt that
	// is not a chat.
	chat  *chat.Joint
	begin []int
}

// New returns an empty haystack. around is a chat template, or nil for plain completions.
func New(tok tokenizer.Tokenizer, around *chat.Joint) *Haystack {
	h := &Haystack{tokens: tokenizer.NewText(tok, ""), chat: around}
	if around == nil { // a chat template has its own
		h.begin = tokenizer.Begin(tok)
	}
	return h
}

// Place returns the place of a fact.
func (h *Haystack) Place(f Fact) corpus.Place {
	return corpus.InsertionPoint(h.Text, int(math.Round(f.Depth*float64(len(h.Text)))))
}

// Body returns the haystack with the facts, without the question.
func (h *Haystack) Body(facts []Fact) []byte {
	size := len(h.Text)
	for _, f := range facts {
		size += len(f.Text) + 2
	}
	text := make([]byte, 0, size)
	from := 0
	for _, f := range facts {
		p := h.Place(f)
		text = append(text, h.Text[from:p.Pos]...)
		text = append(text, p.Before...)
		text = append(text, f.Text...)
		text = append(text, p.After...)
		from = p.Pos
	}
	return append(text, h.Text[from:]...)
}

func (h *Haystack) around() chat.Joint {
	if h.chat == nil {
		return chat.Joint{}
	}
	return *h.chat
}

// edits convert a text that begins with the haystack to the prompt.
func (h *Haystack) edits(facts []Fact, question string) (edits []tokenizer.Edit) {
	if h.chat != nil {
		question = strings.TrimRightFunc(question, unicode.IsSpace)
	}
	around := h.around()
	if around.Head != "" {
		edits = append(edits, tokenizer.Edit{With: around.Head})
	}
	for _, f := range facts {
		p := h.Place(f)
		edits = append(edits, tokenizer.Edit{From: p.Pos, To: p.Pos, With: p.Before + f.Text + p.After})
	}
	return append(edits, tokenizer.Edit{From: len(h.Text), To: h.tokens.Bytes(), With: BeforeQuestion + question + around.Tail})
}

// Prompt returns the tokens of the haystack with the facts and the question, and with the chat
// template.
func (h *Haystack) Prompt(facts []Fact, question string) []int {
	around := h.around()
	return slices.Concat(h.begin, around.Before, h.tokens.Encode(h.edits(facts, question)...), around.After)
}

// Size returns the number of tokens of Prompt.
func (h *Haystack) Size(facts []Fact, question string) int {
	around := h.around()
	return len(h.begin) + len(around.Before) + h.tokens.Count(h.edits(facts, question)...) + len(around.After)
}

// Depth returns the fraction of the haystack's tokens before byte offset pos.
func (h *Haystack) Depth(pos int) float64 {
	return float64(h.tokens.Before(pos)) / max(float64(h.tokens.Before(len(h.Text))), 1)
}

// Fit sets the haystack's text: the longest prefix of the source's text for which size, the number
// of tokens of the longest prompt with its answers, is at most length. Facts move to the ends of
// sentences and tokens merge, so the size is found by trying. If cut is set, the text ends at the
// end of a sentence, for facts that follow the whole text.
func (h *Haystack) Fit(source corpus.Source, seed uint64, length int, cut bool, size func() int) error {
	h.Text = nil
	empty := size()
	free := length - empty // tokens for the haystack and the separators
	best, bestSize := corpus.Haystack{}, -1
	low, high := 0, math.MaxInt // bytes known to fit and known not to fit
	for asked, try := free, 0; try < 12 && low < high-1; try++ {
		var err error
		if h.Haystack, err = source.Haystack(seed, asked); err != nil {
			return err
		}
		if h.chat != nil {
			h.Text = bytes.TrimLeftFunc(h.Text, unicode.IsSpace)
		}
		if len(h.Text) > h.tokens.Bytes() {
			h.tokens.Extend(string(h.Text))
		}
		n := size()
		if n <= length {
			low = asked
			if n > bestSize {
				best, bestSize = h.Haystack, n
			}
		} else {
			high = asked
		}
		if n <= length && length-n <= 2 {
			break
		}
		// The next guess assumes the same bytes per token.
		next := int(float64(asked) + float64(length-n)*float64(asked)/float64(max(1, n-empty)))
		asked = min(max(next, low+1), high-1)
	}
	if bestSize < 0 {
		return fmt.Errorf("no haystack of %d tokens found", free)
	}
	h.Haystack = best
	if cut {
		h.Text = corpus.CutAtBoundary(h.Text)
		for len(h.Text) > 0 && size() > length { // truncating may split tokens
			h.Text = corpus.CutAtBoundary(h.Text[:len(h.Text)-1])
		}
	}
	return nil
}

// RepeatNotes returns the note of a record whose haystack repeats its text n times, or nothing if n
// is 0.
func RepeatNotes(n int) []string {
	if n == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the text is shorter than the haystack: it was repeated %d times", n)}
}
