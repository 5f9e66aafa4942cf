package reports

import (
	"slices"

	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// bars describes the bars at a metric's points, if there are any.
func (g *group) bars(m result.MetricInfo) string {
	if slices.ContainsFunc(g.records, func(r *result.Record) bool { x, ok := metric(r, m.Name); return ok && len(x.Samples) > 1 }) {
		return "bars: smallest to largest sample"
	}
	return ""
}

// wide reports whether a metric's samples spread so much that bars at the same x would overlap.
func (g *group) wide(m result.MetricInfo) bool {
	return slices.ContainsFunc(g.records, func(r *result.Record) bool {
		x, ok := metric(r, m.Name)
		return ok && len(x.Samples) > 1 && slices.Max(x.Samples) > 1.25*slices.Min(x.Samples)
	})
}

// batchColumns is the maximum number of second-axis values, as columns of one picture.
const batchColumns = 3

// pairFigure draws metrics with a column of panels for each value of the second axis: the first
// metric at the top, its ratio at the bottom, the other metrics in between.
func (v *view) pairFigure(g *group, k family, metrics []result.MetricInfo, name, id string) *figure {
	m, x0 := metrics[0], g.about.axis(0)
	p := g.pair(k, m)
	f := &figure{id: id, title: joined(m.Title, name), legend: keysOf(v.stylesOf(k.models), k.order())}
	f.subtitle = joined(append([]string{g.describe(), counted(m), g.bars(m)}, g.remarks()...)...)
	f.alt = f.title + ": against " + across(x0) + ", with the ratio to the baseline; the tables below list the values."
	columns := max(1, min(len(p.batches), batchColumns))
	var values, ratios []*chart
	others := make([][]*chart, len(metrics)-1)
	for i, b := range p.batches {
		value, ratio := g.pairCharts(p, columns, i%columns > 0)
		if len(p.batches) > 1 {
			value.title = g.batched(b)
		}
		var row []*chart
		for n, o := range metrics[1:] {
			c := &chart{x: value.x, y: valueAxis(o, p.g.records), tall: 110}
			c.y.quiet = value.y.quiet
			others[n], row = append(others[n], c), append(row, c)
		}
		for _, c := range p.curves {
			if c.batch == b {
				v.drawPair(p, c, value, ratio)
				for n, o := range metrics[1:] {
					v.drawOther(p, c, o, row[n])
				}
			}
		}
		values, ratios = append(values, value), append(ratios, ratio)
	}
	share(yOf, values...)
	share(yOf, ratios...)
	all := slices.Concat(values, slices.Concat(others...), ratios)
	share(xOf, all...)
	for i := 0; i < len(values); i += columns {
		to := min(i+columns, len(values))
		f.rows = append(f.rows, panels(values[i:to]))
		for _, charts := range append(slices.Clone(others), ratios) {
			if row := charts[i:to]; slices.ContainsFunc(row, func(c *chart) bool { return !c.empty() }) {
				f.rows = append(f.rows, panels(row))
			}
		}
	}
	quietX(f.rows)
	if slices.ContainsFunc(slices.Concat(values, ratios), func(c *chart) bool {
		return slices.ContainsFunc(c.lines, func(l curveLine) bool { return l.hollow })
	}) {
		f.legend = append(f.legend, key{hollow: true, style: style{color: muted}, name: "published"})
	}
	return f.ready(slices.Concat(values, ratios)...)
}

// pairCharts returns the empty charts of one column: values and ratio.
func (g *group) pairCharts(p pair, columns int, quiet bool) (value, ratio *chart) {
	x0 := g.about.axis(0)
	name := x0.Label
	if columns > 1 {
		name = x0.Short
	}
	ratioLabel := "baseline / model"
	if p.m.Better == result.Higher {
		ratioLabel = "model / baseline"
	}
	x := chartAxis(x0, name, p.xs)
	value = &chart{x: x, y: valueAxis(p.m, g.records), tall: 150, dodge: g.wide(p.m)}
	value.y.quiet = quiet
	ratio = &chart{x: x, y: axis{label: ratioLabel, log: true, unit: "ratio", quiet: quiet}, tall: 95, one: true}
	return value, ratio
}

// valueAxis returns the y axis of a metric. It is logarithmic, unless the metric is a fraction or
// has a value that is not positive.
func valueAxis(m result.MetricInfo, records []*result.Record) axis {
	log := m.Unit != "fraction" && !slices.ContainsFunc(records, func(r *result.Record) bool {
		x, ok := metric(r, m.Name)
		return ok && !(x.Value > 0)
	})
	return axis{label: m.Label, log: log, binary: m.Unit == "bytes", unit: m.Unit}
}

// quietX removes the x labels of all panels except the lowest of each column.
func quietX(rows [][]panel) {
	for i, row := range rows {
		for k, cell := range row {
			if c, ok := cell.(*chart); ok && i+1 < len(rows) && k < len(rows[i+1]) {
				c.x.label = ""
			}
		}
	}
}

// zeroOf returns the value at which a logarithmic axis shows 0: a quarter of the smallest length,
// or 0 if xs has no zero.
func zeroOf(xs []float64) float64 {
	if !slices.Contains(xs, 0) {
		return 0
	}
	for _, x := range xs {
		if x > 0 {
			return x / 4
		}
	}
	return 1
}

// who returns the name of a curve.
func (p pair) who(c curve) string {
	if c.batch == 0 {
		return label(c.model)
	}
	return joined(label(c.model), p.g.batched(c.batch))
}

// drawPair adds one model's curve, its published figures and its ratio to the charts.
func (v *view) drawPair(p pair, c curve, value, ratio *chart) {
	st, who := v.stylesOf(p.k.models)[c.model], p.who(c)
	values, quotient := curveLine{style: st, bars: true}, curveLine{style: st}
	published, publishedRatio := curveLine{style: st, hollow: true}, curveLine{style: st, hollow: true}
	length := axisText(p.g.about.axis(0), p.xs)
	for i, r := range c.at {
		if r == nil {
			continue
		}
		x, at := p.xs[i], length(p.xs[i])
		values.point(r, p.m.Name, x, who, at)
		if ref, ok := v.reference(r, p.m.Name); ok {
			published.publish(ref, p.m.Unit, x, who, at)
		}
		if q, ok := ratioOf(p.m, r, p.find(v.baseOf(p.k, c.model), c.batch, i)); ok {
			quotient.add(x, q, hint(who, at, units.Times(q), ""))
		}
		if ref, ok := v.ratioReference(r.Task, p.m, c.model, v.baseOf(p.k, c.model), x); ok {
			publishedRatio.publish(ref, "ratio", x, who, at)
		}
	}
	value.add(values)
	value.add(published)
	ratio.add(quotient)
	ratio.add(publishedRatio)
}

// drawOther adds one model's curve of another metric to a chart.
func (v *view) drawOther(p pair, c curve, m result.MetricInfo, to *chart) {
	l := curveLine{style: v.stylesOf(p.k.models)[c.model]}
	length := axisText(p.g.about.axis(0), p.xs)
	for i, r := range c.at {
		if y, ok := metric(r, m.Name); ok {
			l.add(p.xs[i], y.Value, hint(p.who(c), length(p.xs[i]), withUnit(y.Value, y.Unit), ""))
		}
	}
	to.add(l)
}

// add adds a point without an interval.
func (l *curveLine) add(x, y float64, hint string) {
	l.x, l.y, l.hints = append(l.x, x), append(l.y, y), append(l.hints, hint)
}

// publish adds a published figure to a curve of published figures.
func (l *curveLine) publish(ref result.Reference, unit string, x float64, who, at string) {
	y, ok := published(ref, unit)
	if !ok {
		return
	}
	words := decimal(y, unit)
	if unit == "tokens/s" {
		words = withUnit(y, unit)
	}
	l.add(x, y, hint(who+", published", at, words, ""))
}
