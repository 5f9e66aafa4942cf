package reports

import (
	"fmt"
	"slices"

	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// This file converts groups to figures of curves.

// keysOf returns the legend of models, in order.
func keysOf(styleOf map[string]style, models []string) (out []key) {
	for _, m := range models {
		out = append(out, key{style: styleOf[m], name: label(m)})
	}
	return out
}

// hint returns the hover text of a point. bounds is a separate line, or empty.
func hint(name, at, value, bounds string) string {
	return name + "\n" + at + ": " + value + bounds
}

// spreadFigure draws accuracy against length, one panel per number of needles. If there is only one
// length, it draws accuracy against the number of needles.
func (v *view) spreadFigure(g *group, how scoring) *figure {
	lengths, spreads := g.spreads()
	if len(lengths) == 0 {
		return nil
	}
	f := &figure{id: g.id, title: joined(g.about.Title, g.name), subtitle: joined(how.words()+" with 95 % intervals", how.trialsText(g.records), g.describe()), legend: keysOf(v.stylesOf(g.models), g.models)}
	styleOf := v.stylesOf(g.models)
	x0 := g.about.axis(0)
	length := axisText(x0, lengths)
	f.alt = f.title + ": accuracy by " + x0.Label + "; the table below lists the values."
	var counts []float64
	for _, s := range spreads {
		if !slices.Contains(counts, s.needles) {
			counts = append(counts, s.needles)
		}
	}
	if len(lengths) == 1 && len(counts) > 1 {
		c := &chart{x: axis{label: g.third(), log: true, binary: true, unit: "tokens"}, y: axis{label: how.words(), unit: "fraction"}, tall: 150, dodge: true}
		for _, m := range g.models {
			l := curveLine{style: styleOf[m], bars: true}
			for _, s := range spreads {
				if s.model == m {
					l.point(s.at[0], how.metric, s.needles, joined(label(m), length(lengths[0])), g.thirds(s.needles))
				}
			}
			c.add(l)
		}
		f.rows = [][]panel{{c}}
		return f.ready(c)
	}
	var all []*chart
	columns := min(len(counts), 2)
	for i, n := range counts {
		c := &chart{x: chartAxis(x0, x0.Label, lengths), y: axis{label: how.words(), unit: "fraction"}, tall: 105, dodge: true}
		if n != 0 {
			c.title = g.thirds(n)
		}
		c.y.quiet = i%columns > 0
		c.x.quiet = i+columns < len(counts)
		for _, s := range spreads {
			if s.needles != n {
				continue
			}
			l := curveLine{style: styleOf[s.model], bars: true}
			for k, r := range s.at {
				l.point(r, how.metric, lengths[k], label(s.model), length(lengths[k]))
			}
			c.add(l)
		}
		c.y.see(0)
		c.y.see(1)
		all = append(all, c)
	}
	share(xOf, all...)
	share(yOf, all...)
	for i := 0; i < len(all); i += columns {
		f.rows = append(f.rows, panels(all[i:min(i+columns, len(all))]))
	}
	return f.ready(all...)
}

// point adds a record's metric to a curve, or the reason for which it has none.
func (l *curveLine) point(r *result.Record, name string, x float64, who, where string) {
	m, ok := metric(r, name)
	if !ok {
		if words := short(r); words != "" && r.Status != result.OK {
			l.lost = append(l.lost, x)
			l.reasons = append(l.reasons, hint(who, where, words, ""))
		}
		return
	}
	l.x, l.y = append(l.x, x), append(l.y, m.Value)
	lo, hi := m.Value, m.Value
	bounds := ""
	if m.Lo != nil && m.Hi != nil {
		lo, hi, bounds = *m.Lo, *m.Hi, "\n95 %: "+interval(m)
	} else if n := len(m.Samples); n > 1 {
		lo, hi = slices.Min(m.Samples), slices.Max(m.Samples)
		bounds = fmt.Sprintf("\n%d samples: %s–%s", n, units.Amount(lo, m.Unit), units.Amount(hi, m.Unit))
	}
	l.lo, l.hi = append(l.lo, lo), append(l.hi, hi)
	l.hints = append(l.hints, hint(who, where, withUnit(m.Value, m.Unit), bounds))
}

// withUnit is units.Amount with the name of the unit if Amount omits it.
func withUnit(v float64, unit string) string {
	s := units.Amount(v, unit)
	switch unit {
	case "tokens/s", "nats/token", "bits/byte", "tokens", "nats":
		s += " " + unit
	}
	return s
}

// xOf and yOf select an axis of a chart, for share.
func xOf(c *chart) *axis { return &c.x }
func yOf(c *chart) *axis { return &c.y }

// share makes charts use the same range and ticks on an axis.
func share(pick func(*chart) *axis, all ...*chart) {
	for _, a := range all {
		for _, b := range all {
			if from := pick(a); from.some {
				pick(b).see(from.lo)
				pick(b).see(from.hi)
				for _, v := range from.marks {
					pick(b).mark(v)
				}
			}
		}
	}
}

// ready completes a figure. It returns nil if its charts are empty, and adds the legend entry for
// crosses if there are any.
func (f *figure) ready(charts ...*chart) *figure {
	empty, lost := true, false
	for _, c := range charts {
		empty = empty && c.empty()
		for _, l := range c.lines {
			lost = lost || len(l.lost) > 0
		}
	}
	if empty {
		return nil
	}
	if lost {
		f.legend = append(f.legend, key{cross: true, name: "no result (oom, over budget, …)"})
	}
	return f
}

// figures removes empty figures.
func figures(all ...*figure) []*figure {
	return slices.DeleteFunc(all, func(f *figure) bool { return f == nil })
}
