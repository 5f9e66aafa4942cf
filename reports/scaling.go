package reports

import (
	"slices"
	"strings"

	"github.com/yocobench/yocobench/suites/result"
)

// measure is one figure of a scaling task: which metric, and how its ratio to
// the baseline's is taken.
type measure struct {
	metric, title string
	// up: more is better, and the ratio is model over baseline; otherwise baseline over model.
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
	"kv": {"kv", "Memory", "What does the context cost in memory? Bytes held for one sequence at each context length; ratio: baseline over model.", "length", "context",
		[]measure{{"total", "Memory in total", false, "bytes"}}},
	"prefill": {"prefill", "Prefill", "How long until the first token? Ratio: the baseline's time over the model's.", "length", "prompt",
		[]measure{
			{"ttft", "Time to first token", false, "s"},
			{"tps", "Prompt tokens per second", true, "tokens/s"},
		}},
	"throughput": {"throughput", "Throughput", "How fast does it generate behind a context? Decode counts generated tokens only, end to end counts the time of the prefill too. Ratio: model over baseline.", "depth", "depth",
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

// spot is a place in a scaling group.
type spot struct {
	model    string
	x, batch float64 // batch is 0 where the task has none
}

// spots indexes a scaling group's records.
func (g *group) spots() map[spot]*result.Record {
	if g.index == nil {
		g.index = make(map[spot]*result.Record, len(g.records))
		for _, r := range g.records {
			if x, ok := number(r, scalingTasks[g.task].x); ok {
				g.index[spot{r.Model, x, g.batch(r)}] = r
			}
		}
	}
	return g.index
}

func (g *group) batch(r *result.Record) float64 {
	if g.task != "throughput" {
		return 0
	}
	b, _ := number(r, "batch")
	return b
}

// curves spreads a group's records of the given models.
func (g *group) curves(models []string) (xs []float64, out []curve) {
	xs = numbers(g.records, scalingTasks[g.task].x)
	spots := g.spots()
	seen := map[float64]bool{}
	var batches []float64
	for _, r := range g.records {
		if b := g.batch(r); !seen[b] {
			seen[b] = true
			batches = append(batches, b)
		}
	}
	slices.Sort(batches)
	for _, b := range batches {
		for _, m := range models {
			c := curve{model: m, batch: b, at: make([]*result.Record, len(xs))}
			any := false
			for i, x := range xs {
				c.at[i] = spots[spot{m, x, b}]
				any = any || c.at[i] != nil
			}
			if any {
				out = append(out, c)
			}
		}
	}
	return xs, out
}

// ratio gives a model's figure against the baseline's at the same place, so
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
		whole := make([]bool, len(kins))
		if task == "kv" && len(kins) > 2 {
			var tables []table
			if tables, whole = v.sizeTables(g, kins); tables != nil {
				s.tables = append(s.tables, tables...)
			}
		}
		for i, k := range kins {
			if i < len(whole) && whole[i] && len(g.reach(k)) < 2 {
				continue // the size tables show all of it
			}
			name := g.name
			if len(kins) > 1 {
				name = joined(k.name, g.name)
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

// pairTable shows one figure of a family's models beside each other, with each
// one's ratio to the baseline and what was published.
func (v *view) pairTable(g *group, k kin, m measure, name, id string) (table, bool) {
	t := scalingTasks[g.task]
	out := table{id: id, title: joined(m.title, name), notes: []string{g.describe()}, fixed: 1, head: []string{t.xTitle}}
	p := g.pair(k, m)
	out.notes = append(out.notes, g.remarks()...)
	switch {
	case len(p.batches) > 1:
		out.head, out.fixed = append(out.head, "batch"), 2
	case len(p.batches) == 1 && p.batches[0] != 0:
		out.notes[0] = "batch " + tokens(p.batches[0]) + " · " + out.notes[0]
	}
	models, some := k.order(), false
	columns := map[string]pairColumns{}
	for _, model := range models {
		c := v.pairColumns(p, model)
		columns[model] = c
		some = some || c.values > 0
		out.blocks = append(out.blocks, len(out.head))
		out.head = append(append(out.head, label(model)), c.heads()...)
	}
	length := tokensOf(p.xs)
	for i, x := range p.xs {
		for _, b := range p.batches {
			row := texts(length(x))
			if len(p.batches) > 1 {
				row = append(row, cell{text: tokens(b)})
			}
			empty := true
			for _, model := range models {
				empty = empty && p.find(model, b, i) == nil
				row = append(row, v.pairCells(p, columns[model], model, b, i)...)
			}
			if !empty {
				out.rows = append(out.rows, row)
			}
		}
	}
	return out, some
}

// pair is one measure of a family's models, to be set beside each other.
type pair struct {
	g       *group
	k       kin
	m       measure
	xs      []float64
	curves  []curve
	batches []float64 // 0 alone where the task has none
}

func (g *group) pair(k kin, m measure) pair {
	p := pair{g: g, k: k, m: m}
	p.xs, p.curves = g.curves(k.models)
	for _, c := range p.curves {
		if !slices.Contains(p.batches, c.batch) {
			p.batches = append(p.batches, c.batch)
		}
	}
	return p
}

// find gives a model's record at the i-th length.
func (p pair) find(model string, batch float64, i int) *result.Record {
	return p.g.spots()[spot{model, p.xs[i], batch}]
}

// pairColumns are the columns that a model has beside its values.
type pairColumns struct {
	// reference columns are worth their place where half of the values have
	// one; the table of published figures has all.
	reference, ratio, ratioReference bool
	values, references               int
}

func (v *view) pairColumns(p pair, model string) (c pairColumns) {
	for _, b := range p.batches {
		for i, x := range p.xs {
			r := p.find(model, b, i)
			if _, ok := metric(r, p.m.metric); ok {
				c.values++
			}
			if _, ok := v.reference(r, p.m.metric); ok && p.m.unit != "bytes" {
				c.references++
			}
			if _, ok := p.m.ratio(r, p.find(v.baseOf(p.k, model), b, i)); ok {
				c.ratio = true
			}
			if _, ok := v.ratioReference(p.g.task, p.m, model, v.baseOf(p.k, model), x); ok && r != nil {
				c.ratioReference = true
			}
		}
	}
	c.reference = c.references > 0 && 2*c.references >= c.values
	return c
}

func (c pairColumns) heads() (heads []string) {
	if c.reference {
		heads = append(heads, "published", "diff")
	}
	if c.ratio {
		heads = append(heads, "ratio")
	}
	if c.ratioReference {
		heads = append(heads, "published", "diff")
	}
	return heads
}

// pairCells are a model's cells in one row: its value and what its columns ask for.
func (v *view) pairCells(p pair, c pairColumns, model string, batch float64, i int) []cell {
	r := p.find(model, batch, i)
	cells := []cell{valueCell(r, p.m.metric)}
	if c.reference {
		value, ok := metric(r, p.m.metric)
		ref, found := v.reference(r, p.m.metric)
		cells = append(cells, referenceCells(ref, found, value.Value, p.m.unit, ok)...)
	}
	ratio, ok := p.m.ratio(r, p.find(v.baseOf(p.k, model), batch, i))
	if c.ratio {
		q := cell{}
		if ok {
			q.text = times(ratio)
		}
		cells = append(cells, q)
	}
	if c.ratioReference {
		ref, found := v.ratioReference(p.g.task, p.m, model, v.baseOf(p.k, model), p.xs[i])
		cells = append(cells, referenceCells(ref, found && r != nil, ratio, "ratio", ok)...)
	}
	return cells
}

// remarks are what must be known to read a group's totals and speeds.
func (g *group) remarks() (out []string) {
	if note := g.unfilled(); note != "" {
		out = append(out, note)
	}
	if g.task == "throughput" && slices.ContainsFunc(g.records, func(r *result.Record) bool { return word(r, "batch") == "max" }) {
		out = append(out, "Each at the largest batch that fits the memory budget.")
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

// details are the further metrics of a speed case.
var details = map[string][]struct{ metric, head string }{
	"prefill":    {{"limit_tps", "limit tok/s"}, {"limit_fraction", "of limit"}},
	"throughput": {{"tpot", "time/token"}, {"max_batch", "max batch"}, {"limit_tps", "limit tok/s"}, {"limit_fraction", "of limit"}},
}

// spanned joins two amounts, of which the first goes without its unit where that is the second's.
func spanned(from, to string) string {
	if a, unit, ok := strings.Cut(from, " "); ok && strings.HasSuffix(to, " "+unit) {
		from = a
	}
	return from + "–" + to
}

// byLimit is the ratio to the baseline's speed that the limits alone give.
var byLimit = measure{metric: "limit_tps", up: true}

// detailTable shows the metrics that stand behind a speed: time per token, the
// largest batch, the share of the machine's limit reached, the ratio that the limits give, and the samples' spread.
func (v *view) detailTable(g *group, k kin, name, id string) (table, bool) {
	t := scalingTasks[g.task]
	first := t.measures[0].metric
	out := table{id: id + "-details", title: joined(t.title+": details", name), fixed: 2, head: []string{"model", t.xTitle}}
	out.notes = []string{"min–max: the smallest and largest of the samples, n: how many."}
	p := g.pair(k, byLimit)
	xs, curves := p.xs, p.curves
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
	ratio := func(c curve, i int) (float64, bool) {
		return p.m.ratio(c.at[i], p.find(v.baseOf(k, c.model), c.batch, i))
	}
	ratios := slices.ContainsFunc(curves, func(c curve) bool {
		for i := range xs {
			if _, ok := ratio(c, i); ok {
				return true
			}
		}
		return false
	})
	if ratios {
		out.head = append(out.head, "ratio")
		out.notes = append(out.notes, "ratio: to "+label(k.base)+", as the two limits give it"+map[string]string{"throughput": " for decoding, each at its own batch"}[g.task]+".")
	}
	samples := slices.ContainsFunc(g.records, func(r *result.Record) bool { m, ok := metric(r, first); return ok && len(m.Samples) > 1 })
	if samples {
		out.head = append(out.head, strings.ReplaceAll(first, "_tps", " tok/s")+" min–max", "n")
	}
	if len(shown) == 0 && !samples {
		return out, false
	}
	length := tokensOf(xs)
	for _, c := range curves {
		for i, x := range xs {
			m, ok := metric(c.at[i], first)
			if !ok {
				continue
			}
			row := texts(label(c.model), length(x))
			if batched {
				row = append(row, cell{text: tokens(c.batch)})
			}
			for _, d := range shown {
				row = append(row, valueCell(c.at[i], d))
			}
			if ratios {
				q := cell{}
				if x, ok := ratio(c, i); ok {
					q.text = times(x)
				}
				row = append(row, q)
			}
			if samples {
				spread, n := cell{}, cell{}
				if len(m.Samples) > 1 {
					spread.text = spanned(amount(slices.Min(m.Samples), m.Unit), amount(slices.Max(m.Samples), m.Unit))
					n.text = tokens(float64(len(m.Samples)))
				}
				row = append(row, spread, n)
			}
			out.rows = append(out.rows, row)
		}
	}
	return out, len(out.rows) > 0
}
