package reports

import (
	"slices"
	"strings"

	"github.com/yocobench/yocobench/suites/result"
)

// measure is one figure of a scaling task: which metric, and how its ratio to
// the Transformer's is taken.
type measure struct {
	metric, title string
	// up: more is better, and the ratio is model over Transformer; otherwise Transformer over model.
	up bool
	// unit is the metric's.
	unit string
}

// scalingTasks are the tasks whose results are curves against a length.
var scalingTasks = map[string]struct {
	id, title, lead string
	// x is the parameter on the x axis, and its name in words.
	x, xTitle string
	measures  []measure
}{
	"kv": {"kv", "Memory", "What does the context cost in memory? Bytes held for one sequence at each context length; ratio: Transformer over model.", "length", "context",
		[]measure{{"total", "Memory in total", false, "bytes"}}},
	"prefill": {"prefill", "Prefill", "How long until the first token? Ratio: the Transformer's time over the model's.", "length", "prompt",
		[]measure{
			{"ttft", "Time to first token", false, "s"},
			{"tps", "Prompt tokens per second", true, "tokens/s"},
		}},
	"throughput": {"throughput", "Throughput", "How fast does it generate behind a context? Decode counts generated tokens only, end to end counts the time of the prefill too. Ratio: model over Transformer.", "depth", "depth",
		[]measure{
			{"decode_tps", "Decode tokens per second", true, "tokens/s"},
			{"e2e_tps", "Tokens per second, prefill counted", true, "tokens/s"},
		}},
}

// curve is one model (at one batch size) over the x values of a scaling group.
type curve struct {
	model string
	batch float64 // 0 where the task has none
	// at[i] is nil where the suite had no such case.
	at []*result.Record
}

// curves spreads a group's records of the given models.
func (g *group) curves(models []string) (xs []float64, out []curve) {
	x := scalingTasks[g.task].x
	xs = numbers(g.records, x)
	batches := []float64{0}
	if g.task == "throughput" {
		if b := numbers(g.records, "batch"); len(b) > 0 {
			batches = b
		}
	}
	for _, b := range batches {
		for _, m := range models {
			c := curve{model: m, batch: b, at: make([]*result.Record, len(xs))}
			any := false
			for _, r := range g.records {
				at, ok := number(r, x)
				k, _ := number(r, "batch")
				if g.task != "throughput" {
					k = 0
				}
				if i := slices.Index(xs, at); ok && r.Model == m && k == b && i >= 0 {
					c.at[i], any = r, true
				}
			}
			if any {
				out = append(out, c)
			}
		}
	}
	return xs, out
}

// ratio gives a model's figure against the Transformer's at the same place, so
// that more is better for the model.
func (m measure) ratio(r, base *result.Record) (float64, bool) {
	a, okA := metric(r, m.metric)
	b, okB := metric(base, m.metric)
	if !okA || !okB || r == base {
		return 0, false
	}
	if !m.up {
		a, b = b, a
	}
	q := a.Value / b.Value
	return q, a.Value > 0 && b.Value > 0 && q > 0 && q < 1e100
}

// ratioReference finds the published figure of that ratio.
func (v *view) ratioReference(task string, m measure, model, base string, x float64) (result.Reference, bool) {
	if base == "" || model == base {
		return result.Reference{}, false
	}
	if !m.up {
		model, base = base, model
	}
	return v.lookUp(task, m.metric, model, base, x)
}

// scalingSection draws one of the scaling tasks.
func (v *view) scalingSection(task string, groups []*group) section {
	t := scalingTasks[task]
	s := section{id: t.id, title: t.title, lead: t.lead}
	ids := map[string]bool{}
	for _, g := range groups {
		kins := v.families(g)
		if task == "kv" && len(kins) > 2 {
			s.tables = append(s.tables, v.sizeTables(g, kins)...)
		}
		for _, k := range kins {
			if task == "kv" && len(kins) > 2 && len(g.reach(k)) < 3 {
				continue // sizeTables tells it all
			}
			name := g.name
			if len(kins) > 1 {
				name = joined(clean(k.name), g.name)
			}
			id := g.id
			if len(kins) > 1 {
				id += "-" + slug(k.name)
			}
			id = unique(ids, strings.Trim(id, "-"))
			for _, m := range t.measures {
				if tab, ok := v.pairTable(g, k, m, name, id+"-"+slug(m.metric)); ok {
					s.tables = append(s.tables, tab)
				}
			}
			if task == "kv" {
				s.tables = append(s.tables, v.partTables(g, k, name, id)...)
			} else if tab, ok := v.detailTable(g, k, name, id); ok {
				s.tables = append(s.tables, tab)
			}
			s.figures = append(s.figures, v.scalingFigures(g, k, name, id)...)
		}
	}
	return s
}

// reach gives the lengths at which a family has a result.
func (g *group) reach(k kin) []float64 {
	var records []*result.Record
	for _, r := range g.records {
		if slices.Contains(k.models, r.Model) && r.Status == result.OK {
			records = append(records, r)
		}
	}
	return numbers(records, scalingTasks[g.task].x)
}

// sizeTables compare many sizes of models: what a token costs in each, and the
// memory in total at the lengths that they share.
func (v *view) sizeTables(g *group, kins []kin) []table {
	perToken := table{id: g.id + "-per-token", title: joined("KV cache per token, by model size", g.name), notes: []string{g.describe()}, fixed: 1}
	total := table{id: g.id + "-sizes", title: joined("Memory in total, by model size", g.name), notes: []string{g.describe()}, fixed: 2}
	m := measure{metric: "bytes_per_token", unit: "bytes"}
	whole := scalingTasks["kv"].measures[0]
	var archs []string
	for _, k := range kins {
		for _, model := range k.order() {
			if a := v.archs[model]; !slices.Contains(archs, a) {
				archs = append(archs, a)
			}
		}
	}
	perToken.head, total.head = []string{"size"}, []string{"size", "context"}
	for i, a := range archs {
		for _, t := range []*table{&perToken, &total} {
			t.blocks = append(t.blocks, len(t.head))
			t.head = append(t.head, ellipsis(clean(a), 20))
			if i > 0 {
				t.head = append(t.head, "ratio", "published", "diff")
			}
		}
	}
	for _, k := range kins {
		size := ellipsis(clean(k.name), 30)
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
			if row, ok := v.sizeRow(g, k, whole, archs, x); ok {
				total.rows = append(total.rows, append(texts(size, tokens(x)), row...))
			}
		}
	}
	var out []table
	for _, t := range []table{perToken, total} {
		if len(t.rows) > 0 {
			out = append(out, t.dropEmpty())
		}
	}
	return out
}

// sizeRow is one size's figures at a length: each architecture's value, and its
// ratio to the first one's beside the published ratio.
func (v *view) sizeRow(g *group, k kin, m measure, archs []string, x float64) ([]cell, bool) {
	find := func(model string) *result.Record {
		for _, r := range g.records {
			if at, _ := number(r, "length"); r.Model == model && at == x {
				return r
			}
		}
		return nil
	}
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
		q, ok := m.ratio(r, find(k.base))
		c := cell{}
		if ok {
			c.text = times(q)
		}
		ref, found := v.ratioReference(g.task, m, model, k.base, x)
		row = append(append(row, c), referenceCells(ref, found, q, "ratio", ok)...)
	}
	return row, any
}

// pairTable shows one figure of a family's models beside each other, with each
// one's ratio to the Transformer and what was published.
func (v *view) pairTable(g *group, k kin, m measure, name, id string) (table, bool) {
	t := scalingTasks[g.task]
	out := table{id: id, title: joined(m.title, name), notes: []string{g.describe()}, fixed: 1, head: []string{t.xTitle}}
	xs, curves := g.curves(k.models)
	var batches []float64
	for _, c := range curves {
		if !slices.Contains(batches, c.batch) {
			batches = append(batches, c.batch)
		}
	}
	batched := len(batches) > 1
	if batched {
		out.head, out.fixed = append(out.head, "batch"), 2
	} else if len(batches) == 1 && batches[0] != 0 {
		out.notes[0] = "batch " + tokens(batches[0]) + " · " + out.notes[0]
	}
	find := func(model string, batch float64, i int) *result.Record {
		for _, c := range curves {
			if c.model == model && c.batch == batch {
				return c.at[i]
			}
		}
		return nil
	}
	models := k.order()
	type extra struct{ ratio, reference, ratioReference bool }
	has := map[string]extra{}
	any := false
	for _, model := range models {
		var e extra
		for _, b := range batches {
			for i := range xs {
				r := find(model, b, i)
				if _, ok := metric(r, m.metric); ok {
					any = true
				}
				if _, ok := v.reference(r, m.metric); ok && m.unit != "bytes" {
					e.reference = true
				}
				if _, ok := m.ratio(r, find(k.base, b, i)); ok {
					e.ratio = true
				}
				if _, ok := v.ratioReference(g.task, m, model, k.base, xs[i]); ok && r != nil {
					e.ratioReference = true
				}
			}
		}
		has[model] = e
		out.blocks = append(out.blocks, len(out.head))
		out.head = append(out.head, label(model))
		if e.reference {
			out.head = append(out.head, "published", "diff")
		}
		if e.ratio {
			out.head = append(out.head, "ratio")
		}
		if e.ratioReference {
			out.head = append(out.head, "published", "diff")
		}
	}
	if !any {
		return out, false
	}
	for i, x := range xs {
		for _, b := range batches {
			row := texts(tokens(x))
			if batched {
				row = append(row, cell{text: tokens(b)})
			}
			empty := true
			for _, model := range models {
				r, e := find(model, b, i), has[model]
				empty = empty && r == nil
				value, ok := metric(r, m.metric)
				row = append(row, valueCell(r, m.metric))
				if e.reference {
					ref, found := v.reference(r, m.metric)
					row = append(row, referenceCells(ref, found, value.Value, m.unit, ok)...)
				}
				ratio, ok := m.ratio(r, find(k.base, b, i))
				if e.ratio {
					c := cell{}
					if ok {
						c.text = times(ratio)
					}
					row = append(row, c)
				}
				if e.ratioReference {
					ref, found := v.ratioReference(g.task, m, model, k.base, x)
					row = append(row, referenceCells(ref, found && r != nil, ratio, "ratio", ok)...)
				}
			}
			if !empty {
				out.rows = append(out.rows, row)
			}
		}
	}
	return out, true
}

// order gives the models of a family with its baseline first, as ratios read.
func (k kin) order() []string {
	var out []string
	if k.base != "" {
		out = append(out, k.base)
	}
	for _, m := range k.models {
		if m != k.base {
			out = append(out, m)
		}
	}
	return out
}

// valueCell is a metric's value, or the reason why there is none.
func valueCell(r *result.Record, name string) cell {
	if m, ok := metric(r, name); ok {
		return cell{text: amount(m.Value, m.Unit)}
	}
	if r == nil || r.Status == result.OK {
		return cell{}
	}
	c := cell{short(r), dim}
	if r.Status == result.Failed {
		c.tone = bad
	}
	return c
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
		equal, differ := 0, 0
		for i, x := range xs {
			if c.at[i] == nil {
				continue
			}
			row, computed, differs := texts(tokens(x)), texts("computed"), false
			for _, p := range shown {
				row = append(row, valueCell(c.at[i], p))
				a, okA := metric(c.at[i], p)
				b, okB := metric(c.at[i], p+"_computed")
				cell := cell{tone: dim}
				if okA && okB {
					cell.text = amount(b.Value, b.Unit)
					if a.Value != b.Value {
						differs = true
					} else {
						equal++
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
		if equal > 0 && differ == 0 {
			t.notes = append(t.notes, "Every part measured equals the byte count computed from the configuration.")
		} else if differ > 0 {
			t.notes = append(t.notes, "Rows marked computed give what the configuration predicts, where a measured part differs from it.")
		}
		out = append(out, t)
	}
	return out
}

// details are the further metrics of a speed case.
var details = map[string][]struct{ metric, head string }{
	"prefill":    {{"limit_tps", "limit tok/s"}, {"limit_fraction", "of limit"}},
	"throughput": {{"tpot", "time/token"}, {"max_batch", "max batch"}, {"limit_tps", "limit tok/s"}, {"limit_fraction", "of limit"}},
}

// detailTable shows the metrics that stand behind a speed: time per token, the
// largest batch, the share of the machine's limit reached, and the samples' spread.
func (v *view) detailTable(g *group, k kin, name, id string) (table, bool) {
	t := scalingTasks[g.task]
	first := t.measures[0].metric
	out := table{id: id + "-details", title: joined(t.title+": details", name), fixed: 2, head: []string{"model", t.xTitle}}
	out.notes = []string{"min–max: the smallest and largest of the samples, n: how many."}
	xs, curves := g.curves(k.models)
	batched := slices.ContainsFunc(curves, func(c curve) bool { return c.batch != 0 })
	if batched {
		out.head, out.fixed = append(out.head, "batch"), 3
	}
	var shown []string
	for _, d := range details[g.task] {
		if slices.ContainsFunc(g.records, func(r *result.Record) bool { _, ok := metric(r, d.metric); return ok }) {
			shown, out.head = append(shown, d.metric), append(out.head, d.head)
		}
	}
	samples := slices.ContainsFunc(g.records, func(r *result.Record) bool { m, ok := metric(r, first); return ok && len(m.Samples) > 1 })
	if samples {
		out.head = append(out.head, strings.ReplaceAll(first, "_tps", " tok/s")+" min–max", "n")
	}
	if len(shown) == 0 && !samples {
		return out, false
	}
	for _, c := range curves {
		for i, x := range xs {
			m, ok := metric(c.at[i], first)
			if !ok {
				continue
			}
			row := texts(label(c.model), tokens(x))
			if batched {
				row = append(row, cell{text: tokens(c.batch)})
			}
			for _, d := range shown {
				row = append(row, valueCell(c.at[i], d))
			}
			if samples {
				spread, n := cell{}, cell{}
				if len(m.Samples) > 1 {
					spread.text = amount(slices.Min(m.Samples), m.Unit) + "–" + amount(slices.Max(m.Samples), m.Unit)
					n.text = tokens(float64(len(m.Samples)))
				}
				row = append(row, spread, n)
			}
			out.rows = append(out.rows, row)
		}
	}
	return out, len(out.rows) > 0
}
