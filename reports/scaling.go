package reports

import (
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// curve holds the records of one model over the first axis of a group, at one value of the second
// axis, such as a batch size.
type curve struct {
	model string
	batch float64 // value on the second axis, or 0
	// at[i] is nil if the suite has no such case.
	at []*result.Record
}

// spot is a position in a group: a model and its values on two axes.
type spot struct {
	model    string
	x, batch float64 // batch is 0 if the task has no second axis
}

// spots indexes a group's records.
func (g *group) spots() map[spot]*result.Record {
	if g.index == nil {
		g.index = make(map[spot]*result.Record, len(g.records))
		for _, r := range g.records {
			if x, ok := number(r, g.about.x()); ok {
				g.index[spot{r.Model, x, g.batch(r)}] = r
			}
		}
	}
	return g.index
}

// batch returns a record's value on the second axis.
func (g *group) batch(r *result.Record) float64 {
	a := g.about.axis(1)
	if a == nil {
		return 0
	}
	b, _ := number(r, a.Param)
	return b
}

// batched formats a value on the second axis: "batch 4".
func (g *group) batched(b float64) string {
	a := g.about.axis(1)
	text := a.Title + " " + axisText(a, []float64{b})(b)
	if heading(a) != a.Title {
		text += " " + cleantext.Ellipsis(clean(a.Unit), 20)
	}
	return text
}

// curves returns the curves of the given models of a group.
func (g *group) curves(models []string) (xs []float64, out []curve) {
	xs = numbers(g.records, g.about.x())
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

// ratioOf returns the ratio of a model's value to the baseline's, inverted if lower is better, so
// that a higher ratio is better. A metric without a better direction has no ratio.
func ratioOf(m result.MetricInfo, r, base *result.Record) (float64, bool) {
	a, okA := metric(r, m.Name)
	b, okB := metric(base, m.Name)
	if !okA || !okB || r == base || m.Better == result.None {
		return 0, false
	}
	if m.Better == result.Lower {
		a, b = b, a
	}
	q := a.Value / b.Value
	return q, a.Value > 0 && b.Value > 0 && q > 0 && q < 1e100
}

// ratioReference returns the published figure for that ratio.
func (v *view) ratioReference(task string, m result.MetricInfo, model, base string, x float64) (result.Reference, bool) {
	if base == "" || model == base || m.Better == result.None {
		return result.Reference{}, false
	}
	if m.Better == result.Lower {
		model, base = base, model
	}
	return v.lookUp(task, m.Name, model, base, x)
}

// addScaling adds the views of a group that compare models with their baseline over the first axis.
// ids are the ids in use.
func (v *view) addScaling(s *section, g *group, views []result.View, ids map[string]bool) {
	kins := v.families(g)
	whole := make([]bool, len(kins))
	for _, w := range views {
		if w.Kind == result.ViewSizes && len(kins) > 2 {
			var tables []table
			if tables, whole = v.sizeTables(g, w, kins); tables != nil {
				s.tables = append(s.tables, tables...)
			}
		}
	}
	for i, k := range kins {
		if i < len(whole) && whole[i] && len(g.reach(k)) < 2 {
			continue // fully covered by the size tables
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
		drawn := 0
		for _, w := range views {
			switch w.Kind {
			case result.ViewCurves:
				metrics := g.about.metrics(w)
				for _, m := range metrics {
					if tab, ok := v.pairTable(g, k, m, name, id+"-"+slug(m.Name)); ok {
						s.tables = append(s.tables, tab)
					}
				}
				fid := id
				if drawn > 0 {
					fid += "-" + slug(strings.TrimSuffix(metrics[0].Name, "_tps"))
				}
				drawn++
				s.figures = append(s.figures, figures(v.pairFigure(g, k, metrics, name, fid))...)
			case result.ViewParts:
				s.tables = append(s.tables, v.partTables(g, w, k, id)...)
				s.figures = append(s.figures, figures(v.partFigure(g, w, k, name, id+"-parts"))...)
			case result.ViewDetails:
				if tab, ok := v.detailTable(g, w, k, name, id); ok {
					s.tables = append(s.tables, tab)
				}
			}
		}
	}
}

// pairTable shows one metric of a family's models side by side, with ratios to the baseline and
// published figures.
func (v *view) pairTable(g *group, k family, m result.MetricInfo, name, id string) (table, bool) {
	x0 := g.about.axis(0)
	out := table{id: id, title: joined(m.Title, name), notes: []string{joined(g.describe(), counted(m))}, fixed: 1, head: []string{heading(x0)}}
	p := g.pair(k, m)
	out.notes = append(out.notes, g.remarks()...)
	switch {
	case len(p.batches) > 1:
		out.head, out.fixed = append(out.head, heading(g.about.axis(1))), 2
	case len(p.batches) == 1 && p.batches[0] != 0:
		out.notes[0] = g.batched(p.batches[0]) + " · " + out.notes[0]
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
	length := axisText(x0, p.xs)
	for i, x := range p.xs {
		for _, b := range p.batches {
			row := texts(length(x))
			if len(p.batches) > 1 {
				row = append(row, cell{text: axisText(g.about.axis(1), p.batches)(b)})
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

// pair is one metric of a family's models, to show side by side.
type pair struct {
	g       *group
	k       family
	m       result.MetricInfo
	xs      []float64
	curves  []curve
	batches []float64 // values on the second axis, or only 0
}

func (g *group) pair(k family, m result.MetricInfo) pair {
	p := pair{g: g, k: k, m: m}
	p.xs, p.curves = g.curves(k.models)
	for _, c := range p.curves {
		if !slices.Contains(p.batches, c.batch) {
			p.batches = append(p.batches, c.batch)
		}
	}
	return p
}

// find returns a model's record at the i-th length.
func (p pair) find(model string, batch float64, i int) *result.Record {
	return p.g.spots()[spot{model, p.xs[i], batch}]
}

// pairColumns selects the additional columns of a model.
type pairColumns struct {
	// reference columns are shown if at least half of the values have one; the table of published
	// figures has all.
	reference, ratio, ratioReference bool
	values, references               int
}

func (v *view) pairColumns(p pair, model string) (c pairColumns) {
	for _, b := range p.batches {
		for i, x := range p.xs {
			r := p.find(model, b, i)
			if _, ok := metric(r, p.m.Name); ok {
				c.values++
			}
			if _, ok := v.reference(r, p.m.Name); ok && p.m.Unit != "bytes" {
				c.references++
			}
			if _, ok := ratioOf(p.m, r, p.find(v.baseOf(p.k, model), b, i)); ok {
				c.ratio = true
			}
			if _, ok := v.ratioReference(p.g.about.Name, p.m, model, v.baseOf(p.k, model), x); ok && r != nil {
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

// pairCells returns a model's cells in one row: its value and its additional columns.
func (v *view) pairCells(p pair, c pairColumns, model string, batch float64, i int) []cell {
	r := p.find(model, batch, i)
	cells := []cell{valueCell(r, p.m.Name)}
	if c.reference {
		value, ok := metric(r, p.m.Name)
		ref, found := v.reference(r, p.m.Name)
		cells = append(cells, referenceCells(ref, found, value.Value, p.m.Unit, ok)...)
	}
	ratio, ok := ratioOf(p.m, r, p.find(v.baseOf(p.k, model), batch, i))
	if c.ratio {
		q := cell{}
		if ok {
			q.text = units.Times(ratio)
		}
		cells = append(cells, q)
	}
	if c.ratioReference {
		ref, found := v.ratioReference(p.g.about.Name, p.m, model, v.baseOf(p.k, model), p.xs[i])
		cells = append(cells, referenceCells(ref, found && r != nil, ratio, "ratio", ok)...)
	}
	return cells
}

// valueCell returns the cell of a metric's value, or of the reason for which there is none.
func valueCell(r *result.Record, name string) cell {
	if m, ok := metric(r, name); ok {
		return cell{text: units.Amount(m.Value, m.Unit)}
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

// spanned joins two amounts to a range. It omits the first unit if both are equal.
func spanned(from, to string) string {
	if a, unit, ok := strings.Cut(from, " "); ok && strings.HasSuffix(to, " "+unit) {
		from = a
	}
	return from + "–" + to
}

// detailTable shows additional metrics of a speed: time per token, the largest batch, the share of
// the machine's limit, the ratio of the limits, and the spread of the samples.
func (v *view) detailTable(g *group, w result.View, k family, name, id string) (table, bool) {
	x0, first := g.about.axis(0), w.Of
	out := table{id: id + "-details", title: joined(g.about.Title+": details", name), fixed: 2, head: []string{"model", heading(x0)}}
	out.notes = []string{"min–max: smallest and largest sample; n: number of samples."}
	p := g.pair(k, result.MetricInfo{Name: w.Limit, Better: result.Higher}) // the limits alone predict this ratio of speeds
	xs, curves := p.xs, p.curves
	batched := slices.ContainsFunc(curves, func(c curve) bool { return c.batch != 0 })
	if batched {
		out.head, out.fixed = append(out.head, heading(g.about.axis(1))), 3
	}
	var shown []string
	for _, d := range g.about.metrics(w) {
		if slices.ContainsFunc(g.records, func(r *result.Record) bool { _, ok := metric(r, d.Name); return ok }) {
			shown, out.head = append(shown, d.Name), append(out.head, d.Head)
		}
	}
	ratio := func(c curve, i int) (float64, bool) {
		return ratioOf(p.m, c.at[i], p.find(v.baseOf(k, c.model), c.batch, i))
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
		out.notes = append(out.notes, strings.TrimSuffix("ratio: to "+label(k.base)+", "+w.Note, ", ")+".")
	}
	head, _ := g.about.Metric(first)
	samples := slices.ContainsFunc(g.records, func(r *result.Record) bool { m, ok := metric(r, first); return ok && len(m.Samples) > 1 })
	if samples {
		out.head = append(out.head, head.Head+" min–max", "n")
	}
	if len(shown) == 0 && !samples {
		return out, false
	}
	length := axisText(x0, xs)
	for _, c := range curves {
		for i, x := range xs {
			m, ok := metric(c.at[i], first)
			if !ok {
				continue
			}
			row := texts(label(c.model), length(x))
			if batched {
				row = append(row, cell{text: axisText(g.about.axis(1), p.batches)(c.batch)})
			}
			for _, d := range shown {
				row = append(row, valueCell(c.at[i], d))
			}
			if ratios {
				q := cell{}
				if x, ok := ratio(c, i); ok {
					q.text = units.Times(x)
				}
				row = append(row, q)
			}
			if samples {
				spread, n := cell{}, cell{}
				if len(m.Samples) > 1 {
					spread.text = spanned(units.Amount(slices.Min(m.Samples), m.Unit), units.Amount(slices.Max(m.Samples), m.Unit))
					n.text = units.Tokens(float64(len(m.Samples)))
				}
				row = append(row, spread, n)
			}
			out.rows = append(out.rows, row)
		}
	}
	return out, len(out.rows) > 0
}
