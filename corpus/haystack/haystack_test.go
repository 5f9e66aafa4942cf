package haystack

import (
	"math"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/runners/chat"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// A fitted haystack fills the context; its prompt is the text with the facts and the question, with
// or without a chat template.
func TestFit(t *testing.T) {
	source, err := corpus.Open(corpus.Spec{Kind: corpus.KindProse}, "")
	if err != nil {
		t.Fatal(err)
	}
	facts := []Fact{{"The sky is green.", 0.25}, {"The moon is a cheese.", 0.5}, {"The end is near.", 1}}
	const question = "What is the moon? "
	tok := tokenizer.Bytes{}
	for _, around := range []*chat.Joint{nil, {Before: []int{1, 2}, Head: "user: ", Tail: "\nanswer: ", After: []int{3}}} {
		for _, length := range []int{200, 1000, 9000} {
			for _, cut := range []bool{false, true} {
				h := New(tok, around)
				if err := h.Fit(source, 7, length, cut, func() int { return h.Size(facts, question) }); err != nil {
					t.Fatal(err)
				}
				ids := h.Prompt(facts, question)
				least := length - 2
				if cut { // the last sentence may be cut off
					least -= 161
				}
				if n := len(ids); n != h.Size(facts, question) || n > length || n < least {
					t.Errorf("%d tokens for a context of %d, size %d", n, length, h.Size(facts, question))
				}
				want := string(h.Body(facts)) + BeforeQuestion + question
				if around != nil {
					want = "\x01\x02user: " + strings.TrimSpace(want) + "\nanswer: \x03"
				}
				if got := tok.Decode(ids); got != want {
					t.Errorf("the prompt is %q, want %q", got, want)
				}
				for _, f := range facts {
					if strings.Count(want, f.Text) != 1 {
						t.Errorf("%q occurs %d times", f.Text, strings.Count(want, f.Text))
					}
					if at := h.Depth(h.Place(f).Pos); !(math.Abs(at-f.Depth)*float64(len(h.Text)) <= 200) {
						t.Errorf("%d tokens: %q is at %g, want %g", length, f.Text, at, f.Depth)
					}
				}
			}
		}
	}
	h := New(tok, nil)
	if err := h.Fit(source, 7, 20, false, func() int { return h.Size(facts, question) }); err == nil {
		t.Error("a context too short for the facts was filled")
	}
}
