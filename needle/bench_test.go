package needle

import (
	"testing"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// What a cell of a million tokens costs besides the model.
func BenchmarkMillion(b *testing.B) {
	source, err := corpus.Open(corpus.Spec{Kind: corpus.KindProse}, "")
	if err != nil {
		b.Fatal(err)
	}
	p := defaults()
	p.Kind = Multi
	if err := p.complete(); err != nil {
		b.Fatal(err)
	}
	c := &cell{Params: p, needles: 8, length: 1 << 20, depth: depth{way: spread}, templates: Templates(), source: source}
	var trials []*trial
	for i := range 5 {
		t, err := c.trial(i)
		if err != nil {
			b.Fatal(err)
		}
		trials = append(trials, t)
	}
	for b.Loop() {
		h, err := c.haystack(tokenizer.Bytes{}, 1, trials)
		if err != nil {
			b.Fatal(err)
		}
		r := &run{cell: c, tok: tokenizer.Bytes{}}
		for _, t := range trials {
			r.prompt(t, h.Text)
		}
		places(r.tok, trials[0], h.Text)
	}
}
