package reports

import (
	"slices"
	"strings"

	"gonum.org/v1/plot/vg"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// reach returns the lengths at which a family has results.
func (g *group) reach(k family) []float64 {
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
	return numbers(records, g.about.x())
}

// sizeTables compares families that each have one model of the same architectures, such as several
// sizes of YOCO and its Transformer: bytes per token, and total memory at common lengths. whole
// reports the families of which the tables show every model.
func (v *view) sizeTables(g *group, w result.View, families []family) (tables []table, whole []bool) {
	metrics, x0 := g.about.metrics(w), g.about.axis(0)
	m, all := metrics[0], metrics[1]
	perToken := table{id: g.id + "-per-token", title: joined(m.Title+", by baseline", g.name), notes: []string{g.describe()}, fixed: 1}
	total := table{id: g.id + "-sizes", title: joined(all.Title+", by baseline", g.name), notes: []string{g.describe()}, fixed: 2}
	var archs []string
	of := map[string]int{}
	for _, k := range families {
		for _, a := range v.archsOf(k) {
			// Architectures that only one family has cannot be compared.
			if of[a]++; of[a] == 2 {
				archs = append(archs, a)
			}
		}
	}
	if len(archs) == 0 {
		return nil, nil
	}
	for _, k := range families {
		shown := 0
		for _, a := range v.archsOf(k) {
			if slices.Contains(archs, a) {
				shown++
			}
		}
		whole = append(whole, shown == len(k.models))
	}
	perToken.head, total.head = []string{"baseline"}, []string{"baseline", heading(x0)}
	for i, a := range archs {
		for _, t := range []*table{&perToken, &total} {
			t.blocks = append(t.blocks, len(t.head))
			t.head = append(t.head, cleantext.Ellipsis(clean(a), 20))
			if i > 0 {
				t.head = append(t.head, "ratio", "published", "diff")
			}
		}
	}
	var reached []float64
	for _, k := range families {
		reached = append(reached, g.reach(k)...)
	}
	length := axisText(x0, reached)
	for _, k := range families {
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

// archsOf returns the architectures of a family.
func (v *view) archsOf(k family) (out []string) {
	for _, m := range k.order() {
		if !slices.Contains(out, v.archs[m]) {
			out = append(out, v.archs[m])
		}
	}
	return out
}

// sizeRow returns the row of one size at a length: the value of each architecture, its ratio to the
// first one, and the published ratio.
func (v *view) sizeRow(g *group, k family, m result.MetricInfo, archs []string, x float64) ([]cell, bool) {
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
		_, ok := metric(r, m.Name)
		any = any || ok
		row = append(row, valueCell(r, m.Name))
		if i == 0 {
			continue
		}
		base := v.baseOf(k, model)
		q, ok := ratioOf(m, r, find(base))
		c := cell{}
		if ok {
			c.text = units.Times(q)
		}
		ref, found := v.ratioReference(g.about.Name, m, model, base, x)
		row = append(append(row, c), referenceCells(ref, found, q, "ratio", ok)...)
	}
	return row, any
}

// partTables shows the memory of each model by part. Computed values appear below measured ones if
// they differ.
func (v *view) partTables(g *group, w result.View, k family, id string) []table {
	xs, curves := g.curves(k.models)
	x0 := g.about.axis(0)
	length := axisText(x0, xs)
	var out []table
	for _, c := range curves {
		t := table{id: id + "-parts-" + slug(c.model), title: joined(w.Title, label(c.model), g.name), fixed: 1, head: []string{heading(x0)}}
		t.notes = []string{g.describe()}
		var shown []string
		for _, p := range g.about.metrics(w) {
			if slices.ContainsFunc(c.at, func(r *result.Record) bool { _, ok := metric(r, p.Name); return ok }) {
				shown = append(shown, p.Name)
				t.head = append(t.head, p.Head)
			}
		}
		if len(shown) == 0 {
			continue
		}
		t.notes = append(t.notes, g.remarks()...)
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
					cell.text = units.Amount(b.Value, b.Unit)
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
			t.notes = append(t.notes, "Rows marked computed show the prediction from the configuration, where a measured part differs from it.")
		}
		out = append(out, t)
	}
	return out
}

// partStyles holds the styles of the parts in order. The sum is black.
var partStyles = []style{
	{styles[6].color, square, []vg.Length{3, 3}},
	{styles[0].color, circle, nil},
	{styles[2].color, triangle, []vg.Length{8, 2, 1.5, 2}},
	{styles[3].color, diamond, []vg.Length{2, 2}},
	{styles[4].color, wedge, []vg.Length{10, 3}},
}

// partFigure draws the memory by part, one panel per model.
func (v *view) partFigure(g *group, w result.View, k family, name, id string) *figure {
	xs, curves := g.curves(k.order())
	x0, parts := g.about.axis(0), g.about.metrics(w)
	length, sum := axisText(x0, xs), parts[len(parts)-1]
	look := func(i int) style {
		if i == len(parts)-1 {
			return style{ink, noMarker, nil}
		}
		return partStyles[i%len(partStyles)]
	}
	f := &figure{id: id, title: joined(w.Title, name), subtitle: joined(append([]string{g.describe()}, g.remarks()...)...)}
	f.alt = f.title + ": " + cleantext.Ellipsis(clean(sum.Unit), 20) + " by " + across(x0) + "; the tables below list the values."
	columns := max(1, min(len(curves), 3))
	var all []*chart
	used := map[string]bool{}
	for i, c := range curves {
		chart := &chart{title: label(c.model), tall: 170, x: chartAxis(x0, x0.Short, xs), y: axis{label: sum.Label, log: true, binary: sum.Unit == "bytes", unit: sum.Unit, quiet: i%columns > 0}}
		for n, p := range parts {
			l := curveLine{style: look(n), fine: true}
			for n, r := range c.at {
				if _, ok := metric(r, p.Name); ok || p.Name == sum.Name {
					l.point(r, p.Name, xs[n], joined(label(c.model), p.Head), length(xs[n]))
				}
			}
			l.lo, l.hi = nil, nil
			before := len(chart.lines)
			chart.add(l)
			if len(chart.lines) > before {
				used[p.Name] = true
			}
		}
		all = append(all, chart)
	}
	for n, p := range parts {
		if used[p.Name] {
			f.legend = append(f.legend, key{style: look(n), name: p.Head})
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
