package quality

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites/param"
)

// fitter makes samples of an exact length in the tokens of one tokenizer.
type fitter struct {
	tok tokenizer.Tokenizer
	// chat is the chat template, or nil; begin are the tokens before a prompt that is not a chat.
	chat  *param.Dialogue
	begin []int
	// room is the largest number of tokens of a prompt with the prefix.
	room int
	// base is a tokenized text, and text its string. Both begin with Sample.Base of the last
	// sample, so samples that share a text do not tokenize it again.
	base *tokenizer.Text
	text string
	// guess is the number of steps of the first sample. Later samples need about as many, so the
	// search starts there.
	guess int
}

func newFitter(tok tokenizer.Tokenizer, chat *param.Dialogue, room int) *fitter {
	f := &fitter{tok: tok, chat: chat, room: room, guess: -1}
	if chat == nil { // a chat template has its own
		f.begin = tokenizer.Begin(tok)
	}
	return f
}

// fitted is a sample of the right length.
type fitted struct {
	*Sample
	units int
	// tokens is the length of the prompt with the prefix.
	tokens int
}

// errTooShort is wrapped by errors about lengths at which a sample does not fit.
var errTooShort = errors.New("the length is too short")

// fit returns the sample with the largest number of units, in steps, that fits. It tries numbers of
// steps and counts the tokens, which grow almost linearly with the steps, so a few tries suffice.
func (f *fitter) fit(d Draft) (*fitted, error) {
	least, step := d.Units()
	tried := map[int]*fitted{}
	try := func(k int) (*fitted, error) {
		s, err := f.measure(d, least+k*step)
		tried[k] = s
		return s, err
	}
	low, high := -1, math.MaxInt // numbers of steps that fit and that do not
	k := max(f.guess, 0)
	for low+1 < high {
		s, err := try(k)
		if err != nil {
			return nil, err
		}
		if s.tokens > f.room {
			high = k
		} else {
			if low >= 0 && tried[low].tokens == s.tokens && k >= low+4 {
				break // there is no more filler
			}
			low = k
		}
		k = f.next(tried, k, low, high)
	}
	if low < 0 {
		return nil, fmt.Errorf("%w: the shortest question has %d tokens, %d fit", errTooShort, tried[0].tokens, f.room)
	}
	if f.guess < 0 {
		f.guess = low
	}
	return tried[low], nil
}

// next returns the number of steps to try after k, between low and high.
func (f *fitter) next(tried map[int]*fitted, k, low, high int) int {
	if low < 0 && len(tried) > 4 {
		return high / 2
	}
	next := 2*k + 1
	if other, ok := nearest(tried, k); ok && tried[other].tokens != tried[k].tokens {
		// The line through both numbers of tokens.
		next = f.along(k, tried[k].tokens, float64(tried[k].tokens-tried[other].tokens)/float64(k-other))
		if len(tried) > 12 && high < math.MaxInt {
			next = low + (high-low)/2
		}
	} else if f.guess > 0 && k == f.guess {
		next = f.along(k, tried[k].tokens, float64(tried[k].tokens)/float64(k))
	}
	most := high - 1
	if high == math.MaxInt {
		most = 16*low + 64 // limits the extrapolation, because steps differ in length
	}
	return min(max(next, low+1), most)
}

// along returns the number of steps at which f.room is reached, given the tokens at k steps and
// those of a step.
func (f *fitter) along(k, tokens int, perStep float64) int {
	steps := math.Floor(float64(f.room-tokens) / perStep)
	return k + int(min(max(steps, -math.MaxInt32), math.MaxInt32))
}

// nearest returns the number of steps nearest to k among those tried, except k.
func nearest(tried map[int]*fitted, k int) (out int, ok bool) {
	for i := range tried {
		if d, e := dist(i, k), dist(out, k); i != k && (!ok || d < e || d == e && i < out) {
			out, ok = i, true
		}
	}
	return out, ok
}

func dist(a, b int) int { return max(a-b, b-a) }

// measure makes a sample and counts its tokens.
func (f *fitter) measure(d Draft, units int) (*fitted, error) {
	s, err := d.Make(units)
	if err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	f.hold(s.Base)
	edits, after := f.edits(s)
	around := f.chat.Surroundings()
	n := len(f.begin) + len(around.Before) + f.base.Count(edits...) + len(around.After) + len(after)
	return &fitted{Sample: s, units: units, tokens: n}, nil
}

// hold makes f.base a text that begins with text.
func (f *fitter) hold(text string) {
	switch {
	case f.base != nil && strings.HasPrefix(f.text, text):
	case f.base != nil && f.text != "" && strings.HasPrefix(text, f.text):
		f.base.Extend(text)
		f.text = text
	default:
		f.base, f.text = tokenizer.NewText(f.tok, text), text
	}
}

// edits returns the edits that convert f.base to a prompt with the template's text around it and
// the prefix, and the tokens of a prefix that follows a special token.
func (f *fitter) edits(s *Sample) (edits []tokenizer.Edit, after []int) {
	around := f.chat.Surroundings()
	end := around.Tail
	if len(around.After) == 0 {
		end += s.Prefix
	} else if s.Prefix != "" {
		after = f.tok.Encode(s.Prefix)
	}
	if around.Head != "" {
		edits = append(edits, tokenizer.Edit{With: around.Head})
	}
	edits = append(edits, s.Edits...)
	if end != "" || len(s.Base) < len(f.text) {
		edits = append(edits, tokenizer.Edit{From: len(s.Base), To: len(f.text), With: end})
	}
	return edits, after
}

// prompt returns the tokens of a sample's prompt, with or without the prefix.
func (f *fitter) prompt(s *Sample, prefix bool) []int {
	if !prefix {
		s = &Sample{Base: s.Base, Edits: s.Edits}
	}
	f.hold(s.Base)
	edits, after := f.edits(s)
	around := f.chat.Surroundings()
	return slices.Concat(f.begin, around.Before, f.base.Encode(edits...), around.After, after)
}
