package needle

import (
	"slices"
	"testing"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// spacedDigits is a tokenizer in which a space and the digit after it are one token, with a BOS
// that the texts of the model begin with.
type spacedDigits struct{ tokenizer.Bytes }

func (spacedDigits) Name() string { return "spaced" }

func (spacedDigits) Special() tokenizer.Special {
	return tokenizer.Special{BOS: 1000, EOS: -1, AddBOS: true}
}

func (t spacedDigits) Encode(text string) []int {
	ids, _ := t.Spans(text)
	return ids
}

func (spacedDigits) Spans(text string) (ids, ends []int) {
	for i := 0; i < len(text); i++ {
		id := int(text[i])
		if text[i] == ' ' && i+1 < len(text) && text[i+1] >= '0' && text[i+1] <= '9' {
			i++
			id = 256 + int(text[i])
		}
		ids, ends = append(ids, id), append(ends, i+1)
	}
	return ids, ends
}

// A prompt begins with BOS where the tokenizer asks for it, and the space before the value belongs
// to the answer where both are one token; the size of the prompt counts both.
func TestPromptOfWordPieces(t *testing.T) {
	source, err := corpus.Open(corpus.Spec{Kind: corpus.KindProse}, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, tok := range []tokenizer.Tokenizer{tokenizer.Bytes{}, spacedDigits{}} {
		c := &cell{Params: defaults(), needles: 1, length: 700, depth: depth{at: 0.5}, seed: 3, templates: Templates()[:1], source: source, tok: tok}
		one, err := c.trial(0)
		if err != nil {
			t.Fatal(err)
		}
		h, err := c.haystack(tok, 5, []*trial{one})
		if err != nil {
			t.Fatal(err)
		}
		ids, q := one.prompt(h), one.questions[0]
		if len(ids) != one.size(h) || len(ids)+c.later(tok, one) > c.length || len(ids)+c.later(tok, one) < c.length-60 {
			t.Errorf("%s: %d tokens, a size of %d and %d later do not make %d", tok.Name(), len(ids), one.size(h), c.later(tok, one), c.length)
		}
		if tok.Name() == "bytes" {
			if ids[0] == 1000 || q.lead != "" || ids[len(ids)-1] != ' ' {
				t.Errorf("bytes: a prompt of %v ... %v, the answer begins with %q", ids[:3], ids[len(ids)-3:], q.lead)
			}
			continue
		}
		if ids[0] != 1000 || q.lead != " " || ids[len(ids)-1] != 's' || q.expected() != " "+q.answer() {
			t.Errorf("spaced: a prompt of %v ... %v, the answer begins with %q", ids[:3], ids[len(ids)-3:], q.lead)
		}
		for _, right := range []string{q.expected() + ".", q.answer() + "."} {
			if exact(right, q) != 1 || !ended(q)(right) {
				t.Errorf("%q is not right", right)
			}
		}
		if slices.Contains(ids[1:], 1000) {
			t.Error("BOS occurs again")
		}
	}
}
