package needle

import (
	"testing"
	"time"

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
	p.Kind, p.Needles = Multi, 8
	if err := p.complete(); err != nil {
		b.Fatal(err)
	}
	c := &cell{Params: p, length: 1 << 20, depth: depth{way: spread}, templates: Templates(), source: source}
	var trials []*trial
	for i := range 5 {
		t, err := c.trial(i)
		if err != nil {
			b.Fatal(err)
		}
		trials = append(trials, t)
	}
	for b.Loop() {
		t0 := time.Now()
		h, err := c.haystack(tokenizer.Bytes{}, 1, trials)
		if err != nil {
			b.Fatal(err)
		}
		t1 := time.Now()
		u := &run{cell: c, tok: tokenizer.Bytes{}}
		u.common(trials, h.Text)
		t2 := time.Now()
		places(u.tok, trials[0], h.Text)
		b.Log(t1.Sub(t0), t2.Sub(t1), time.Since(t2))
	}
}
