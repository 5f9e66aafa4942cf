package reports

import (
	"slices"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// percentiles are the percentiles of a latency NAME: the suffixes of their metrics and their
// headings (result.ViewLatency).
var percentiles = []struct{ suffix, head string }{{"", "p50"}, {"_p90", "p90"}, {"_p99", "p99"}}

// latencyView holds the records of a group by load and model.
type latencyView struct {
	g  *group
	x  *result.Axis
	xs []float64
	at map[spot]*result.Record
	// latencies are the metrics with percentiles, others the other metrics that a record has.
	latencies, others []result.MetricInfo
}

// latencyOf returns the view of a group. It is nil if the group has numbers on no axis.
func latencyOf(g *group, w result.View) *latencyView {
	l := &latencyView{g: g, at: map[spot]*result.Record{}}
	for i := range g.about.Axes {
		if l.xs = numbers(g.records, g.about.Axes[i].Param); len(l.xs) > 0 {
			l.x = &g.about.Axes[i]
			break
		}
	}
	if l.x == nil {
		return nil
	}
	for _, r := range g.records {
		if x, ok := number(r, l.x.Param); ok {
			l.at[spot{model: r.Model, x: x}] = r
		}
	}
	for _, m := range g.about.metrics(w) {
		some := slices.ContainsFunc(g.records, func(r *result.Record) bool { _, ok := metric(r, m.Name); return ok })
		if _, ok := g.about.Metric(m.Name + percentiles[len(percentiles)-1].suffix); ok {
			l.latencies = append(l.latencies, m)
		} else if some {
			l.others = append(l.others, m)
		}
	}
	return l
}

// addLatency adds the tables and the figure of latencies against a load.
func (v *view) addLatency(s *section, g *group, w result.View) {
	l := latencyOf(g, w)
	if l == nil {
		s.tables = append(s.tables, metricsTable(g))
		return
	}
	directed := func(m result.MetricInfo) bool { return m.Better != result.None }
	s.tables = append(s.tables, l.percentileTable(w))
	for _, t := range []table{
		l.otherTable(g.id+"-speed", joined(g.about.Title, g.name), directed),
		l.otherTable(g.id+"-details", joined(g.about.Title+": details", g.name), func(m result.MetricInfo) bool { return !directed(m) }),
	} {
		if len(t.head) > t.fixed {
			s.tables = append(s.tables, t)
		}
	}
	if len(l.xs) > 1 {
		s.figures = append(s.figures, figures(v.latencyFigure(l))...)
	}
}

// each calls f for each record, by load and model.
func (l *latencyView) each(f func(r *result.Record, begin []cell)) {
	text := axisText(l.x, l.xs)
	for _, x := range l.xs {
		for _, m := range l.g.models {
			if r := l.at[spot{model: m, x: x}]; r != nil {
				f(r, texts(trim(text(x)), label(m)))
			}
		}
	}
}

// percentileTable has a row for each latency of each record.
func (l *latencyView) percentileTable(w result.View) table {
	out := table{id: l.g.id, title: joined(l.g.about.Title, w.Title, l.g.name), notes: append([]string{l.g.describe()}, l.g.remarks()...), fixed: 3,
		head: []string{heading(l.x), "model", "latency"}}
	for _, p := range percentiles {
		out.head = append(out.head, p.head)
	}
	last := percentiles[len(percentiles)-1]
	out.head = append(out.head, last.head+", 95 %")
	l.each(func(r *result.Record, begin []cell) {
		for _, m := range l.latencies {
			row := append(slices.Clone(begin), cell{text: m.Head})
			for _, p := range percentiles {
				row = append(row, valueCell(r, m.Name+p.suffix))
			}
			bound := cell{tone: dim}
			if q, _ := metric(r, m.Name+last.suffix); q.Lo != nil && q.Hi != nil {
				bound.text = spanned(units.Amount(*q.Lo, q.Unit), units.Amount(*q.Hi, q.Unit))
			}
			out.rows = append(out.rows, append(row, bound))
			if r.Status != result.OK { // every latency is missing for the same reason
				out.rows[len(out.rows)-1][2].text = ""
				break
			}
		}
	})
	return out.dropEmpty()
}

// otherTable has a row for each record with a result: the metrics without percentiles that pass a
// filter.
func (l *latencyView) otherTable(id, title string, show func(result.MetricInfo) bool) table {
	out := table{id: id, title: title, notes: []string{l.g.describe()}, fixed: 2, head: []string{heading(l.x), "model"}}
	shown := slices.DeleteFunc(slices.Clone(l.others), func(m result.MetricInfo) bool { return !show(m) })
	for _, m := range shown {
		out.head = append(out.head, m.Head)
	}
	l.each(func(r *result.Record, row []cell) {
		for _, m := range shown {
			row = append(row, valueCell(r, m.Name))
		}
		if r.Status == result.OK {
			out.rows = append(out.rows, row)
		}
	})
	return out
}

// latencyColumns is the number of panels in a row.
const latencyColumns = 2

// latencyFigure draws each latency against the load, and the metrics for which higher is better.
func (v *view) latencyFigure(l *latencyView) *figure {
	styleOf := v.stylesOf(l.g.models)
	f := &figure{id: l.g.id, title: joined(l.g.about.Title, l.g.name), legend: keysOf(styleOf, l.g.models)}
	f.subtitle = joined(append([]string{"lines: median; bands: to the 99th percentile; dots: 90th percentile", l.g.describe()}, l.g.remarks()...)...)
	f.alt = f.title + ": percentiles of latencies against " + l.x.Label + "; the table below lists the values."
	var all []*chart
	for _, m := range l.latencies {
		c := l.chart(m, valueAxis(m, l.g.records))
		for _, model := range l.g.models {
			c.add(l.line(model, styleOf[model], m, percentiles[len(percentiles)-1].suffix))
			c.add(curveLine{style: styleOf[model], dotted: true}.of(l, model, m.Name+"_p90"))
		}
		all = append(all, c)
	}
	for _, m := range l.others {
		if m.Better != result.Higher {
			continue
		}
		c := l.chart(m, axis{unit: m.Unit})
		for _, model := range l.g.models {
			c.add(l.line(model, styleOf[model], m, ""))
		}
		c.y.see(0)
		if m.Unit == "fraction" {
			c.y.see(1)
		}
		all = append(all, c)
	}
	all = slices.DeleteFunc(all, (*chart).empty)
	share(xOf, all...)
	for i := 0; i < len(all); i += latencyColumns {
		f.rows = append(f.rows, panels(all[i:min(i+latencyColumns, len(all))]))
	}
	for i, c := range all {
		c.x.quiet = i+latencyColumns < len(all)
	}
	return f.ready(all...)
}

// chart returns an empty chart of a metric over the load.
func (l *latencyView) chart(m result.MetricInfo, y axis) *chart {
	y.label = ""
	return &chart{title: cleantext.Ellipsis(m.Title, 40), x: chartAxis(l.x, l.x.Label, l.xs), y: y, tall: 105}
}

// line returns a model's curve of a metric. If suffix is not empty, the band reaches up to the
// metric of that suffix.
func (l *latencyView) line(model string, st style, m result.MetricInfo, suffix string) curveLine {
	out := curveLine{style: st}
	text := axisText(l.x, l.xs)
	for _, x := range l.xs {
		r := l.at[spot{model: model, x: x}]
		who, at := label(model), joined(trim(text(x)), l.x.Label)
		value, ok := metric(r, m.Name)
		if !ok {
			if words := short(r); r != nil && r.Status != result.OK {
				out.lost, out.reasons = append(out.lost, x), append(out.reasons, hint(who, at, words, ""))
			}
			continue
		}
		top, bounds := value, ""
		if suffix != "" {
			for _, p := range percentiles {
				if q, ok := metric(r, m.Name+p.suffix); ok {
					bounds += "\n" + p.head + ": " + units.Amount(q.Value, q.Unit)
					top = q
				}
			}
		}
		out.add(x, value.Value, hint(who, at, withUnit(value.Value, m.Unit), bounds))
		out.lo, out.hi = append(out.lo, value.Value), append(out.hi, max(value.Value, top.Value))
	}
	return out
}

// of adds a metric of a model to a curve of points without bounds.
func (c curveLine) of(l *latencyView, model, name string) curveLine {
	for _, x := range l.xs {
		if m, ok := metric(l.at[spot{model: model, x: x}], name); ok {
			c.add(x, m.Value, "")
		}
	}
	return c
}

// faultTable counts the errors of requests by kind, of all records of groups.
func faultTable(groups []*group) (table, bool) {
	about := groups[0].about
	out := table{id: slug(about.Name) + "-errors", title: joined(about.Title, "errors of requests"), fixed: 6, prose: true,
		head: []string{"case", "model", "error", "failed", "retried", "first message"}}
	for _, g := range groups {
		for _, r := range g.records {
			for _, f := range r.Faults {
				out.rows = append(out.rows, texts(caseLabel(r), label(r.Model), cleantext.Ellipsis(clean(f.Kind), 60),
					units.Tokens(float64(f.Failed)), units.Tokens(float64(f.Retried)), cleantext.Ellipsis(clean(f.Example), 200)))
			}
		}
	}
	return out.bound(maxRows), len(out.rows) > 0
}
