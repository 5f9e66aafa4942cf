package needle

import (
	"testing"

	"github.com/yocobench/yocobench/runners/tokenizer"
)

// What a cell of a million tokens and 10 trials costs besides the model, with a byte a token and
// with a slow tokenizer of merged words.
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
