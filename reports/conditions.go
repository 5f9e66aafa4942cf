package reports

import (
	"slices"

	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// conditions holds one measure of a model under several conditions, by length and, if the task has
// a second axis, at one value on it.
type conditions struct {
	g       *group
	view    result.View
	name    string              // of the model and the value on the second axis, if there is one
	metrics []result.MetricInfo // one for each condition
	lengths []float64
	at      []*result.Record // by length; nil if the suite has no such case
}

// addConditions adds a ViewConditions: a table for each model (and value on the second axis), and a
// picture with a panel for each.
func (v *view) addConditions(s *section, g *group, w result.View, ids map[string]bool) {
	lengths, metrics := numbers(g.records, g.about.x()), g.about.metrics(w)
	if len(lengths) == 0 {
		return
	}
	column := places(lengths)
	var all []*conditions
	for _, m := range g.models {
		for _, kind := range g.kinds() {
			c := &conditions{g: g, view: w, name: joined(label(m), kind), metrics: metrics, lengths: lengths, at: make([]*result.Record, len(lengths))}
			for _, r := range g.records {
				if x, ok := number(r, g.about.x()); ok && r.Model == m && g.kind(r) == kind {
					c.at[column[x]] = r
				}
			}
			if slices.ContainsFunc(c.at, func(r *result.Record) bool { return r != nil }) {
				all = append(all, c)
				s.tables = append(s.tables, c.table(unique(ids, g.id+"-"+slug(w.Title+" "+m+" "+kind))))
			}
		}
	}
	s.figures = append(s.figures, figures(v.conditionsFigure(all, unique(ids, g.id+"-"+slug(w.Title))))...)
}

// diffSuffix is the suffix of the metrics with differences from the first condition.
const diffSuffix = "_diff"

// table shows the values by condition and length, each above its interval, and the differences from
// the first condition.
func (c *conditions) table(id string) table {
	g := c.g
	out := table{id: id, title: joined(c.view.Title, g.name, c.name), head: []string{"condition"}, fixed: 1}
	out.notes = append(out.notes, joined(g.describe()))
	length := axisText(g.about.axis(0), c.lengths)
	for _, l := range c.lengths {
		out.head = append(out.head, length(l))
	}
	add := func(name string, of string, show func(m result.Metric) cell) {
		row, bounds := texts(name), texts("")
		for _, r := range c.at {
			m, ok := metric(r, of)
			if !ok {
				row, bounds = append(row, cell{short(r), dim}), append(bounds, cell{})
				continue
			}
			row, bounds = append(row, show(m)), append(bounds, cell{interval(m), dim})
		}
		out.rows = append(out.rows, row, bounds)
	}
	for _, info := range c.metrics {
		add(info.Head, info.Name, func(m result.Metric) cell {
			if info.Kind == result.Share {
				return cell{units.Fraction(m.Value), grade(m.Value)}
			}
			return cell{text: units.Amount(m.Value, m.Unit)}
		})
	}
	for _, info := range c.metrics {
		if d, ok := g.about.Metric(info.Name + diffSuffix); ok {
			add(d.Head, d.Name, differenceCell)
		}
	}
	if guess, ok := c.guess(); ok {
		out.notes = append(out.notes, "a guess scores "+units.Fraction(guess))
	}
	return out
}

// guess returns the expected value of a guess.
func (c *conditions) guess() (value float64, ok bool) {
	for _, r := range c.at {
		if m, ok := metric(r, c.view.Guess); ok {
			return m.Value, true
		}
	}
	return 0, false
}

// differenceCell shows a difference with its sign; it is coloured if its interval excludes 0.
func differenceCell(m result.Metric) cell {
	text := units.Amount(m.Value, m.Unit)
	if m.Value > 0 {
		text = "+" + text
	}
	switch {
	case m.Lo != nil && m.Hi != nil && *m.Hi < 0:
		return cell{text, poor}
	case m.Lo != nil && m.Hi != nil && *m.Lo > 0:
		return cell{text, good}
	}
	return cell{text: text}
}

// conditionsFigure draws a curve for each condition, with a panel for each model.
func (v *view) conditionsFigure(all []*conditions, id string) *figure {
	first := all[0]
	g, x0 := first.g, first.g.about.axis(0)
	f := &figure{id: id, title: joined(g.about.Title, first.view.Title, g.name), subtitle: joined("with 95 % intervals", g.describe())}
	f.alt = f.title + ": by " + x0.Label + " and condition; the tables below list the values."
	for i, m := range first.metrics {
		f.legend = append(f.legend, key{style: styleAt(i), name: m.Head})
	}
	chance := style{color: muted, marker: noMarker}
	if _, ok := first.guess(); ok {
		f.legend = append(f.legend, key{style: chance, name: "guess", dotted: true})
	}
	columns := min(len(all), 2)
	var charts []*chart
	for i, c := range all {
		p := &chart{title: c.name, x: chartAxis(x0, x0.Label, c.lengths), y: axis{label: first.view.Title, unit: c.metrics[0].Unit}, tall: 130, dodge: true}
		p.y.quiet, p.x.quiet = i%columns > 0, i+columns < len(all)
		length := axisText(x0, c.lengths)
		for k, m := range c.metrics {
			l := curveLine{style: styleAt(k), bars: true}
			for j, r := range c.at {
				l.point(r, m.Name, c.lengths[j], joined(m.Head, c.name), length(c.lengths[j]))
			}
			p.add(l)
		}
		if guess, ok := c.guess(); ok {
			l := curveLine{style: chance, dotted: true}
			for _, x := range c.lengths {
				l.x, l.y = append(l.x, x), append(l.y, guess)
			}
			p.add(l)
		}
		if first.metrics[0].Kind == result.Share {
			p.y.see(0)
			p.y.see(1)
		}
		charts = append(charts, p)
	}
	share(xOf, charts...)
	share(yOf, charts...)
	for i := 0; i < len(charts); i += columns {
		f.rows = append(f.rows, panels(charts[i:min(i+columns, len(charts))]))
	}
	return f.ready(charts...)
}
