package needle

import (
	"testing"

	"github.com/yocobench/yocobench/runners/tokenizer"
)

// BenchmarkMillion measures the cost, apart from the model, of a cell with a million tokens and 10
// trials, for the byte tokenizer and for a slow one that merges words.
func BenchmarkMillion(b *testing.B) {
	for _, tok := range []tokenizer.Tokenizer{tokenizer.Bytes{}, &pieces{}} {
		for _, kind := range kinds {
			b.Run(tok.Name()+"/"+kind, func(b *testing.B) {
				c, trials := cellOf(b, kind, 1<<20)
				for b.Loop() {
					h, err := c.haystack(tok, 1, trials)
					if err != nil {
						b.Fatal(err)
					}
					r := &run{cell: c, tok: tok, known: true}
					for _, t := range trials {
						r.prompt(t, h)
						h.places(t)
					}
				}
			})
		}
	}
}
