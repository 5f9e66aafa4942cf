package reports

import (
	"bytes"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/suites/result"
)

// tradeoffJournal returns a journal with a quality and a cost of three models, and with cases that
// must not count: one that a model lacks, a failed one, a computed one.
func tradeoffJournal() *result.Journal {
	j := &result.Journal{Runs: []result.Run{{Suite: "s", Tasks: result.Tasks{
		{Name: "find", Title: "Finding", Metrics: []result.MetricInfo{{Name: "hits", Unit: "fraction", Better: result.Higher, Kind: result.Share, Role: result.Quality}}, Axes: []result.Axis{{Param: "length", Unit: "tokens", Log: true}}},
		{Name: "hold", Title: "Holding", Metrics: []result.MetricInfo{{Name: "size", Unit: "bytes", Better: result.Lower, Kind: result.Exact, Role: result.CostRole}}, Axes: []result.Axis{{Param: "length", Unit: "tokens", Log: true}}},
	}}}}
	add := func(task, model, metric, unit string, better result.Better, length, value float64, set func(*result.Record)) {
		r := result.Record{Task: task, Model: model, Arch: model, Label: task, Source: result.Measured, Status: result.OK,
			Params: map[string]any{"length": length}, Metrics: map[string]result.Metric{metric: {Value: value, Unit: unit, Better: better}}}
		if set != nil {
			set(&r)
		}
		j.Records = append(j.Records, r)
	}
	for i, m := range []string{"a", "b", "c"} {
		add("find", m, "hits", "fraction", result.Higher, 1024, []float64{1, 0.5, 0.5}[i], nil)
		add("find", m, "hits", "fraction", result.Higher, 2048, []float64{0.5, 1, 0}[i], nil)
		add("hold", m, "size", "bytes", result.Lower, 1024, 1, nil)
		add("hold", m, "size", "bytes", result.Lower, 4096, []float64{2048, 1024, 1024}[i], nil)
	}
	add("find", "a", "hits", "fraction", result.Higher, 8192, 0, nil) // only a
	add("hold", "b", "size", "bytes", result.Lower, 8192, 9, func(r *result.Record) { r.Status, r.Metrics = result.Failed, nil })
	add("find", "d", "hits", "fraction", result.Higher, 1024, 1, func(r *result.Record) { r.Source = result.Computed })
	add("hold", "d", "size", "bytes", result.Lower, 4096, 1, func(r *result.Record) { r.Source = result.Computed })
	return j
}

func TestTradeoff(t *testing.T) {
	v := newView(t.Context(), tradeoffJournal(), nil)
	q, c := v.merits(result.Quality), v.merits(result.CostRole)
	if len(q) != 1 || len(c) != 1 {
		t.Fatalf("%d qualities and %d costs, want one of each", len(q), len(c))
	}
	p := v.pair(q[0], c[0])
	if p == nil || strings.Join(p.models, " ") != "a b c" || p.cases != 2 || p.x != 4096 {
		t.Fatalf("pair %+v", p)
	}
	for i, want := range []struct {
		of, at float64
		by     string
	}{
		{0.75, 2048, "b"}, {0.75, 1024, ""}, {0.25, 1024, "b"},
	} {
		if by := strings.Join(p.dominated(i), " "); p.of[i] != want.of || p.at[i] != want.at || by != want.by {
			t.Errorf("%s: %g at %g, dominated by %q; want %+v", p.models[i], p.of[i], p.at[i], by, want)
		}
	}
	var out bytes.Buffer
	if err := Terminal(t.Context(), &out, tradeoffJournal(), nil, 80, false); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "hits against size at 4Ki") {
		t.Errorf("no table of quality against cost:\n%s", out.String())
	}
}

// TestNoTradeoff checks that there is no comparison for one model, or without common cases.
func TestNoTradeoff(t *testing.T) {
	for name, drop := range map[string]func(r result.Record) bool{
		"one model": func(r result.Record) bool { return r.Model != "a" },
		"nothing shared": func(r result.Record) bool {
			return r.Task == "find" && (r.Model == "a") == (r.Params["length"] == 1024.)
		},
		"no cost": func(r result.Record) bool { return r.Task == "hold" },
	} {
		j := tradeoffJournal()
		var kept []result.Record
		for _, r := range j.Records {
			if !drop(r) && r.Model != "c" {
				kept = append(kept, r)
			}
		}
		j.Records = kept
		for _, s := range newView(t.Context(), j, nil).sections {
			if s.id == "tradeoff" {
				t.Errorf("%s: a section of quality against cost", name)
			}
		}
	}
}
