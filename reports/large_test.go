package reports

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/yocobench/yocobench/suites/result"
)

type largeJournal struct {
	name string
	make func(n int) *result.Journal
}

// large holds journals of which a report shows only a part. n sets their size.
var large = []largeJournal{
	{"lengths", func(n int) *result.Journal { return scalingJournal(2, n) }},
	{"models", func(n int) *result.Journal { return scalingJournal(n, 2) }},
	{"cells", func(n int) *result.Journal {
		j := &result.Journal{Runs: []result.Run{{Suite: "cells"}}}
		for i := range n {
			r := record("needle", fmt.Sprint("m", i%3), "yoco-gret", fmt.Sprint("needle ", i),
				map[string]any{"kind": "single", "length": float64(1 + i/3%250), "depth": float64(i/750) / 1000, "trials": 1.0})
			r.Metrics = map[string]result.Metric{"exact": {Value: float64(i%5) / 4, Unit: "fraction"}}
			r.Trials = []result.Trial{{Question: "Which?", Expected: []string{"1"}, Answer: "2", Exact: float64(i % 2)}}
			j.Records = append(j.Records, r)
		}
		return j
	}},
	{"points", func(n int) *result.Journal {
		j := &result.Journal{Runs: []result.Run{{Suite: "points"}}}
		s := result.Series{XUnit: "tokens", YUnit: "nats/token"}
		for i := range 100 * n {
			s.X, s.Y = append(s.X, float64(i+1)), append(s.Y, 1+1/float64(i+1))
		}
		r := record("nll", "m", "yoco-gret", "nll", map[string]any{"corpus": "prose"})
		r.Metrics = map[string]result.Metric{"nll": {Value: 1, Unit: "nats/token"}}
		for _, name := range []string{"nll_bucket", "nll_cumulative", "nll_fit"} {
			s.Name = name
			r.Series = append(r.Series, s)
		}
		j.Records = append(j.Records, r)
		return j
	}},
	{"groups", func(n int) *result.Journal {
		j := &result.Journal{Runs: []result.Run{{Suite: "groups"}}}
		for i := range n {
			r := record("kv", "m", "yoco-gret", fmt.Sprint("kv ", i), map[string]any{"length": 1024.0, "odd": float64(i)})
			r.Metrics, r.Notes = map[string]result.Metric{"total": bytesMetric(float64(i))}, []string{"note " + strings.Repeat("x", i%1000)}
			j.Records = append(j.Records, r)
		}
		return j
	}},
	{"failures", func(n int) *result.Journal {
		j := scalingJournal(2, n)
		for i := range j.Records {
			j.Records[i].Status, j.Records[i].Reason, j.Records[i].Metrics = result.Failed, fmt.Sprint("reason ", i), nil
		}
		return j
	}},
	{"headers", func(n int) *result.Journal {
		j := scalingJournal(2, 3)
		for i := range n {
			h := j.Runs[0]
			h.References = []result.Reference{{Task: "kv", Metric: "total", Model: "m0", Length: float64(i), Value: 1, Unit: "B"}}
			h.Command = fmt.Sprintf("yocobench run x --set seed=%d", i)
			j.Runs = append(j.Runs, h)
		}
		return j
	}},
}

// scalingJournal returns a journal with a kv and a prefill case for each model and length.
func scalingJournal(models, lengths int) *result.Journal {
	j := &result.Journal{Runs: []result.Run{{Suite: "large"}}}
	for m := range models {
		arch := "yoco-gret"
		if m == models-1 {
			arch = "transformer"
		}
		for l := range lengths {
			name, x := fmt.Sprint("m", m), float64(64*(l+1))
			kv := record("kv", name, arch, fmt.Sprint("kv ", x), map[string]any{"length": x})
			kv.Metrics = map[string]result.Metric{"total": bytesMetric(x * float64(m+1)), "weights": bytesMetric(7), "bytes_per_token": bytesMetric(3)}
			p := record("prefill", name, arch, fmt.Sprint("prefill ", x), map[string]any{"length": x})
			p.Metrics = map[string]result.Metric{"ttft": {Value: x, Unit: "s", Samples: []float64{x, x, x}}, "tps": {Value: 1 / x, Unit: "tokens/s"}}
			j.Records = append(j.Records, kv, p)
		}
	}
	return j
}

// TestLargeJournals checks that the report of a large journal is bounded and says what it omits,
// and that CSV and JSON are complete.
func TestLargeJournals(t *testing.T) {
	for _, c := range large {
		t.Run(c.name, func(t *testing.T) {
			j := c.make(3000)
			v := newView(t.Context(), j, nil)
			rows, figures := 0, 0
			for _, s := range v.sections {
				figures += len(s.figures)
				for _, x := range s.tables {
					rows += len(x.rows)
					if len(x.rows) > maxRows || len(x.head) > 4*maxModels+2 && x.heat == nil {
						t.Errorf("table %s has %d rows and %d columns", x.id, len(x.rows), len(x.head))
					}
				}
			}
			if figures > maxFigures || rows > 4*maxDrawn {
				t.Errorf("%d pictures, %d rows", figures, rows)
			}
			for _, f := range []Format{Text, Markdown, HTML} {
				files, err := v.render(f)
				if err != nil {
					t.Fatal(err)
				}
				if c.name != "headers" && c.name != "cells" && !bytes.Contains(files[0].data, []byte("first ")) {
					t.Errorf("%s does not say that it omits something", files[0].name)
				}
				if n := len(files[0].data); n > 16<<20 {
					t.Errorf("%s has %d bytes", files[0].name, n)
				}
			}
			files, err := v.render(CSV)
			if err != nil {
				t.Fatal(err)
			}
			want := 1
			for _, r := range j.Records {
				want += max(1, len(r.Metrics))
			}
			if n := bytes.Count(files[0].data, []byte("\n")); n != want {
				t.Errorf("results.csv has %d lines, want %d", n, want)
			}
		})
	}
}

// TestBoundKeepsTheBaseline checks that the baseline is drawn even if it is the last of many
// models.
func TestBoundKeepsTheBaseline(t *testing.T) {
	v := newView(t.Context(), scalingJournal(3*maxModels, 2), nil)
	for _, g := range v.groups {
		if k := v.families(g); len(k) != 1 || k[0].base != fmt.Sprint("m", 3*maxModels-1) || !strings.Contains(g.describe(), fmt.Sprintf("first %d of %d models", maxModels, 3*maxModels)) {
			t.Errorf("%s: %d families, base %q, %s", g.about.Name, len(k), k[0].base, g.describe())
		}
	}
}

// TestDrawingStops checks that every format stops when the context ends, and that no partial file
// is written.
func TestDrawingStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	j := scalingJournal(20, 100)
	start := time.Now()
	for _, f := range Formats() {
		if names, err := Write(ctx, t.TempDir(), j, nil, []Format{f}); !errors.Is(err, context.Canceled) || len(names) > 0 {
			t.Errorf("%s: %v, %q written", f, err, names)
		}
	}
	var buf bytes.Buffer
	for name, err := range map[string]error{"text": Terminal(ctx, &buf, j, nil, 80, false), "markdown": MarkdownTo(ctx, &buf, j, nil), "html": HTMLTo(ctx, &buf, j, nil)} {
		if !errors.Is(err, context.Canceled) || buf.Len() > 0 {
			t.Errorf("%s: %v, %d bytes", name, err, buf.Len())
		}
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("took %s", d)
	}
	// The same while drawing.
	v := newView(t.Context(), j, nil)
	v.ctx = ctx
	for _, f := range Formats() {
		if _, err := v.render(f); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// BenchmarkReports renders all text formats of journals of increasing size. The time should grow
// linearly.
func BenchmarkReports(b *testing.B) {
	for _, c := range large {
		for _, n := range []int{1000, 4000, 16000} {
			j := c.make(n)
			b.Run(fmt.Sprintf("%s/n=%d", c.name, n), func(b *testing.B) {
				for b.Loop() {
					v := newView(b.Context(), j, nil)
					for _, f := range []Format{Text, Markdown, CSV, HTML} {
						if _, err := v.render(f); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}

// BenchmarkPictures draws all pictures of large journals, at a low resolution.
func BenchmarkPictures(b *testing.B) {
	for _, c := range large {
		for _, n := range []int{3000, 60000} {
			v := newView(b.Context(), c.make(n), nil)
			b.Run(fmt.Sprintf("%s/n=%d", c.name, n), func(b *testing.B) {
				for b.Loop() {
					if _, err := v.pictures(PNG, 24); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
