package reports

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// oddNames are model names from which reports must not infer anything.
var oddNames = []string{
	"step-1000", "step-2000", "模型甲", "模型乙", "🦜", "🦜🦜", "=1+1", "transformer-yoco-gret", "yoco", "a", "aa",
	strings.Repeat("same-beginning-", 4) + "1", strings.Repeat("same-beginning-", 4) + "2", "a/b", "a b", "-", "..", "Ünïcödé", "محول",
}

// ofModels returns a journal with every task for models with the given names. The last one is a
// Transformer.
func ofModels(names []string, header result.Run) *result.Journal {
	j := &result.Journal{Runs: []result.Run{header}}
	for i, n := range names {
		arch := "yoco-gret"
		if i == len(names)-1 {
			arch = "transformer"
		}
		for _, l := range []float64{ki, 4 * ki} {
			kv := record("kv", n, arch, "kv "+units.Tokens(l), map[string]any{"length": l, "dtype": []string{"bf16", "f32"}[i%2]})
			kv.Metrics = map[string]result.Metric{"total": bytesMetric(l * float64(100+i)), "weights": bytesMetric(5), "bytes_per_token": bytesMetric(float64(100 + i))}
			prefill := record("prefill", n, arch, "prefill "+units.Tokens(l), map[string]any{"length": l})
			prefill.Metrics = map[string]result.Metric{"ttft": {Value: l * float64(100+i), Unit: "s"}, "tps": {Value: 3, Unit: "tokens/s"}}
			decode := record("throughput", n, arch, "throughput "+units.Tokens(l), map[string]any{"depth": l, "batch": 1.0})
			decode.Metrics = map[string]result.Metric{"decode_tps": {Value: 100 + l*float64(i), Unit: "tokens/s"}, "e2e_tps": {Value: 100, Unit: "tokens/s"}}
			j.Records = append(j.Records, kv, prefill, decode, needleRecord(n, arch, l, 0, 2), needleRecord(n, arch, l, 1, 2))
		}
		j.Records = append(j.Records, nllRecord(n, arch, "prose"))
	}
	for i := range j.Records {
		j.Records[i].Status = result.OK
	}
	return j
}

// shows reports whether a figure names a model, in legends or titles of panels.
func (f *figure) shows(model string) bool {
	for _, k := range f.legend {
		if k.name == label(model) {
			return true
		}
	}
	for _, row := range f.rows {
		for _, p := range row {
			if h, ok := p.(*heat); ok && h.grid.model == model {
				return true
			}
			if c, ok := p.(*chart); ok && c.title == label(model) {
				return true
			}
		}
	}
	return false
}

// text returns all text of a table.
func (t table) text() string {
	var b strings.Builder
	fmt.Fprintln(&b, t.title, t.head, t.rows, t.foot)
	return b.String()
}

// TestEveryModelIsShown checks that every model of a task is in its tables and pictures, whatever
// its name, and that the only Transformer is the baseline of all.
func TestEveryModelIsShown(t *testing.T) {
	sets := [][]string{
		{"step-1000", "step-2000", "tiny-transformer"}, {"mine", "tiny-transformer"}, {"模型甲", "模型乙", "变压器"},
		{"transformer-2", "transformer-1", "yoco"}, {"=1+1", "=1+1+1", "=1"}, oddNames,
	}
	for _, names := range sets {
		v := newView(t.Context(), reread(t, ofModels(names, result.Run{})), nil)
		if len(v.sections) != 5 {
			t.Fatalf("%q: %d sections", names, len(v.sections))
		}
		for _, s := range v.sections {
			for _, n := range names {
				if !slices.ContainsFunc(s.figures, func(f *figure) bool { return f.shows(n) }) {
					t.Errorf("%s: no picture shows %q", s.id, n)
				}
				if !slices.ContainsFunc(s.tables, func(x table) bool { return strings.Contains(x.text(), label(n)) }) {
					t.Errorf("%s: no table shows %q", s.id, n)
				}
			}
			if !slices.Contains([]string{"kv", "prefill", "throughput"}, s.id) {
				continue
			}
			first := s.tables[0]
			for _, n := range names {
				if !slices.Contains(first.head, label(n)) {
					t.Errorf("%s: the first table lacks %q: %q", s.id, n, first.head)
				}
				if !s.figures[0].shows(n) {
					t.Errorf("%s: the first picture lacks %q", s.id, n)
				}
			}
			ratios := 0
			for _, h := range first.head {
				if h == "ratio" {
					ratios++
				}
			}
			if ratios != len(names)-1 {
				t.Errorf("%s of %q: %d ratios for %d models and a baseline", s.id, names, ratios, len(names)-1)
			}
		}
		ids := map[string]bool{}
		for _, s := range v.sections {
			for _, f := range s.figures {
				if ids[f.id] || strings.Trim(f.id, "-") != f.id {
					t.Errorf("%q: a picture's file is named %q", names, f.id)
				}
				ids[f.id] = true
			}
		}
	}
}

// TestSeveralBaselines checks that each model is shown with its own baseline, and that none is
// omitted.
func TestSeveralBaselines(t *testing.T) {
	names := []string{"y1", "y2", "t1", "z1", "z2", "x", "t2"}
	header := result.Run{Baselines: map[string]string{"y1": "t1", "y2": "t1", "t1": "t1", "z1": "t2", "z2": "gone", "t2": "t2"}}
	j := ofModels(names, header)
	v := newView(t.Context(), reread(t, j), nil)
	for _, s := range v.sections {
		for _, n := range names {
			if !slices.ContainsFunc(s.figures, func(f *figure) bool { return f.shows(n) }) || !slices.ContainsFunc(s.tables, func(x table) bool { return strings.Contains(x.text(), n) }) {
				t.Errorf("%s does not show %s", s.id, n)
			}
		}
	}
	g := v.groups[slices.IndexFunc(v.groups, func(g *group) bool { return g.about.Name == "prefill" })]
	if got := fmt.Sprint(v.families(g)); got != "[{baseline t1 [y1 y2 t1] t1} {baseline t2 [z1 t2] t2} {baseline gone [z2] } {without a baseline [x] }]" {
		t.Errorf("families: %s", got)
	}
	// A journal without baselines and with two Transformers has no ratios and one picture.
	j = ofModels(names, result.Run{})
	for i := range j.Records {
		if j.Records[i].Model == "t1" {
			j.Records[i].Arch = "transformer"
		}
	}
	v = newView(t.Context(), reread(t, j), nil)
	if k := v.families(v.groups[0]); len(k) != 1 || k[0].base != "" || len(k[0].models) != len(names) {
		t.Errorf("two Transformers and no field: %+v", k)
	}
}

// TestNumberTypesShareTables checks that models of different number types share tables that state
// the types.
func TestNumberTypesShareTables(t *testing.T) {
	v := newView(t.Context(), reread(t, ofModels([]string{"a", "b", "c"}, result.Run{})), nil)
	for _, g := range v.groups {
		if g.about.Name == "kv" && (len(g.models) != 3 || !strings.Contains(g.describe(), "dtype bf16: a, c · dtype f32: b")) {
			t.Errorf("kv: models %q, described as %s", g.models, g.describe())
		}
	}
	// If a model was measured in two types, there are separate groups.
	j := ofModels([]string{"a", "b"}, result.Run{})
	for _, r := range j.Records {
		if r.Task == "kv" && r.Model == "a" {
			r.Params = map[string]any{"length": r.Params["length"], "dtype": "f32"}
			j.Records = append(j.Records, r)
		}
	}
	v = newView(t.Context(), j, nil)
	n := 0
	for _, g := range v.groups {
		if g.about.Name == "kv" {
			n++
		}
	}
	if n != 2 {
		t.Errorf("one model in two types: %d groups", n)
	}
}
