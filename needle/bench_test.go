package needle

import (
	"runtime"
	"testing"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites"
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
						t.places(h)
					}
				}
			})
		}
	}
}

// BenchmarkShardPlan plans a shard of a million cases.
func BenchmarkShardPlan(b *testing.B) {
	text := "name: million\nmodels: [a, b, c]\ntasks:\n  - needle: {lengths: {from: 1Ki, to: 100Ki, factor: 1.014}, depths: {count: 1000}, trials: 1}\n"
	s, err := suites.Parse([]byte(text), "million.yaml", nil, []suites.Task{Task{}})
	if err != nil {
		b.Fatal(err)
	}
	w := suites.Registry{Tasks: []suites.Task{Task{}}, Open: func(_ *suites.Suite, e suites.Entry) (*suites.Target, error) {
		cfg, err := runners.Preset("yoco-gret-3b")
		cfg.Tokenizer = "bytes"
		return suites.Local(e.Name, cfg), err
	}}
	for b.Loop() {
		_, h, err := suites.NewShardPlan(b.Context(), s, w, suites.Part{Shard: suites.Shard{Number: 3, Count: 10_000}})
		if err != nil {
			b.Fatal(err)
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.Sys)/1e9, "GB")
		b.ReportMetric(float64(h.PlanCases), "cases")
	}
}
