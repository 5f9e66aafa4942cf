package reports

import (
	"slices"
	"strings"

	"gonum.org/v1/plot/vg"

	"github.com/yocobench/yocobench/suites/result"
)

// reach gives the lengths at which a family has a result.
func (g *group) reach(k kin) []float64 {
	var records []*result.Record
	of := map[string]bool{}
	for _, m := range k.models {
		of[m] = true
	}
	for _, r := range g.records {
		if of[r.Model] && r.Status == result.OK {
			records = append(records, r)
		}
	}
	return numbers(records, scalingTasks[g.task].x)
}

// sizeTables compare kins of which each has one model of the same architectures, such as several sizes of a
// YOCO and its Transformer: what a token costs in each, and the memory in total at the lengths that they share.
// whole says of which kins they show every model.
func (v *view) sizeTables(g *group, kins []kin) (tables []table, whole []bool) {
	perToken := table{id: g.id + "-per-token", title: joined("KV cache per token, by baseline", g.name), notes: []string{g.describe()}, fixed: 1}
	total := table{id: g.id + "-sizes", title: joined("Memory in total, by baseline", g.name), notes: []string{g.describe()}, fixed: 2}
	m := measure{metric: "bytes_per_token", unit: "bytes"}
	all := scalingTasks["kv"].measures[0]
	var archs []string
	of := map[string]int{}
	for _, k := range kins {
		for _, a := range v.archsOf(k) {
			// An architecture in one kin has nothing to compare here.
			if of[a]++; of[a] == 2 {
				archs = append(archs, a)
			}
		}
	}
	if len(archs) == 0 {
		return nil, nil
	}
	for _, k := range kins {
		shown := 0
		for _, a := range v.archsOf(k) {
			if slices.Contains(archs, a) {
				shown++
			}
		}
		whole = append(whole, shown == len(k.models))
	}
	perToken.head, total.head = []string{"baseline"}, []string{"baseline", "context"}
	for i, a := range archs {
		for _, t := range []*table{&perToken, &total} {
			t.blocks = append(t.blocks, len(t.head))
			t.head = append(t.head, ellipsis(clean(a), 20))
			if i > 0 {
				t.head = append(t.head, "ratio", "published", "diff")
			}
		}
	}
	var reached []float64
	for _, k := range kins {
		reached = append(reached, g.reach(k)...)
	}
	length := tokensOf(reached)
	for _, k := range kins {
		size := strings.TrimPrefix(k.name, "baseline ")
		xs := g.reach(k)
		if len(xs) == 0 {
			continue
		}
		if row, ok := v.sizeRow(g, k, m, archs, xs[len(xs)-1]); ok {
			perToken.rows = append(perToken.rows, append(texts(size), row...))
		}
		for _, x := range xs {
			if len(xs) > 2 && x != xs[0] && x != xs[len(xs)-1] {
				continue
			}
			if row, ok := v.sizeRow(g, k, all, archs, x); ok {
				total.rows = append(total.rows, append(texts(size, length(x)), row...))
			}
		}
	}
	for _, t := range []table{perToken, total} {
		if len(t.rows) > 0 {
			tables = append(tables, t.dropEmpty())
		}
	}
	return tables, whole
}

// archsOf lists the architectures of a kin.
func (v *view) archsOf(k kin) (out []string) {
	for _, m := range k.order() {
		if !slices.Contains(out, v.archs[m]) {
			out = append(out, v.archs[m])
		}
	}
	return out
}

// sizeRow is one size's figures at a length: each architecture's value, and its
// ratio to the first one's beside the published ratio.
func (v *view) sizeRow(g *group, k kin, m measure, archs []string, x float64) ([]cell, bool) {
	find := func(model string) *result.Record { return g.spots()[spot{model, x, 0}] }
	var row []cell
	any := false
	for i, a := range archs {
		model := ""
		for _, name := range k.models {
			if v.archs[name] == a {
				model = name
				break
			}
		}
		r := find(model)
		_, ok := metric(r, m.metric)
		any = any || ok
		row = append(row, valueCell(r, m.metric))
		if i == 0 {
			continue
		}
		base := v.baseOf(k, model)
		q, ok := m.ratio(r, find(base))
		c := cell{}
		if ok {
			c.text = times(q)
		}
		ref, found := v.ratioReference(g.task, m, model, base, x)
		row = append(append(row, c), referenceCells(ref, found, q, "ratio", ok)...)
	}
	return row, any
}

// parts are the shares of a model's memory, in the order shown.
var parts = []struct{ metric, head string }{
	{"weights", "weights"},
	{"global_kv", "global KV"},
	{"window_kv", "window KV"},
	{"state", "state"},
	{"workspace", "workspace"},
	{"total", "total"},
}

// partTables show where each model's memory goes, with the computed figures
// beneath the measured ones where they differ.
func (v *view) partTables(g *group, k kin, name, id string) []table {
	xs, curves := g.curves(k.models)
	length := tokensOf(xs)
	var out []table
	for _, c := range curves {
		t := table{id: id + "-parts-" + slug(c.model), title: joined("Memory by part", label(c.model), g.name), fixed: 1, head: []string{"context"}}
		t.notes = []string{g.describe()}
		var shown []string
		for _, p := range parts {
			if slices.ContainsFunc(c.at, func(r *result.Record) bool { _, ok := metric(r, p.metric); return ok }) {
				shown = append(shown, p.metric)
				t.head = append(t.head, p.head)
			}
		}
		if len(shown) == 0 {
			continue
		}
		if note := g.unfilled(); note != "" {
			t.notes = append(t.notes, note)
		}
		var equal []string
		differ := 0
		for i, x := range xs {
			if c.at[i] == nil {
				continue
			}
			row, computed, differs := texts(length(x)), texts("computed"), false
			for k, p := range shown {
				row = append(row, valueCell(c.at[i], p))
				a, okA := metric(c.at[i], p)
				b, okB := metric(c.at[i], p+"_computed")
				cell := cell{tone: dim}
				if okA && okB {
					cell.text = amount(b.Value, b.Unit)
					if a.Value != b.Value {
						differs = true
					} else if name := t.head[k+1]; !slices.Contains(equal, name) {
						equal = append(equal, name)
					}
				}
				computed = append(computed, cell)
			}
			t.rows = append(t.rows, row)
			if differs {
				differ++
				t.rows = append(t.rows, computed)
			}
		}
		if g.source == result.Measured && len(equal) > 0 && differ == 0 {
			t.notes = append(t.notes, "Equal to the byte count computed from the configuration: "+strings.Join(equal, ", ")+".")
		}
		if differ > 0 {
			t.notes = append(t.notes, "Rows marked computed give what the configuration predicts, where a measured part differs from it.")
		}
		out = append(out, t)
	}
	return out
}

// unfilled is a remark for memory groups in which some sequences were only made
// and not filled, so that their totals hold no workspace.
func (g *group) unfilled() string {
	with, without := false, false
	for _, r := range g.records {
		if _, ok := metric(r, "total"); ok {
			_, some := metric(r, "workspace")
			with, without = with || some, without || !some
		}
	}
	if with && without && g.task == "kv" {
		return "Lengths without a workspace were allocated but not filled: their totals leave it out."
	}
	return ""
}

// partStyles are the looks of the parts of memory: the total is drawn in ink.
var partStyles = map[string]style{
	"weights":   {styles[6].color, square, []vg.Length{3, 3}},
	"global_kv": {styles[0].color, circle, nil},
	"window_kv": {styles[2].color, triangle, []vg.Length{8, 2, 1.5, 2}},
	"state":     {styles[3].color, diamond, []vg.Length{2, 2}},
	"workspace": {styles[4].color, wedge, []vg.Length{10, 3}},
	"total":     {ink, noMarker, nil},
}

// partFigure draws where the memory goes: a panel for each model.
func (v *view) partFigure(g *group, k kin, name, id string) *figure {
	xs, curves := g.curves(k.order())
	length := tokensOf(xs)
	f := &figure{id: id, title: joined("Memory by part", name), subtitle: joined(g.describe(), g.unfilled())}
	f.alt = f.title + ": bytes by context length, on logarithmic axes; the values stand in the tables below."
	columns := max(1, min(len(curves), 3))
	var all []*chart
	used := map[string]bool{}
	for i, c := range curves {
		chart := &chart{title: label(c.model), tall: 170, x: axis{label: "context (tokens)", log: true, binary: true, unit: "tokens", zero: zeroOf(xs)},
			y: axis{label: "memory", log: true, binary: true, unit: "bytes", quiet: i%columns > 0}}
		for _, p := range parts {
			l := curveLine{style: partStyles[p.metric], fine: true}
			for n, r := range c.at {
				if _, ok := metric(r, p.metric); ok || p.metric == "total" {
					l.point(r, p.metric, xs[n], joined(label(c.model), p.head), length(xs[n]))
				}
			}
			l.lo, l.hi = nil, nil
			before := len(chart.lines)
			chart.add(l)
			if len(chart.lines) > before {
				used[p.metric] = true
			}
		}
		all = append(all, chart)
	}
	for _, p := range parts {
		if used[p.metric] {
			f.legend = append(f.legend, key{style: partStyles[p.metric], name: p.head})
		}
	}
	share(xOf, all...)
	share(yOf, all...)
	for i := 0; i < len(all); i += columns {
		f.rows = append(f.rows, panels(all[i:min(i+columns, len(all))]))
	}
	quietX(f.rows)
	return f.ready(all...)
}
