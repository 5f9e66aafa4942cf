package reports

import (
	"slices"

	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// depthCurves holds the scores of a group's models by depth, pooled over lengths. The depths are
// those of a grid: values on the second axis.
type depthCurves struct {
	grids []*grid // of the models that have results
	// columns are the lengths that are pooled: those at which all models have results at all
	// depths. Others would compare depths of different lengths.
	columns []int
}

// depthCurvesOf returns false if there is nothing to compare: fewer than two depths, or no length
// at which all are measured.
func depthCurvesOf(grids []*grid) (d depthCurves, ok bool) {
	for _, t := range grids {
		if slices.ContainsFunc(t.at, func(row []*result.Record) bool { return slices.ContainsFunc(row, t.has) }) {
			d.grids = append(d.grids, t)
		}
	}
	if len(d.grids) == 0 || len(d.grids[0].depths) < 2 {
		return d, false
	}
	for i := range d.grids[0].lengths {
		if !slices.ContainsFunc(d.grids, func(t *grid) bool {
			return slices.ContainsFunc(t.at, func(row []*result.Record) bool { return !t.has(row[i]) })
		}) {
			d.columns = append(d.columns, i)
		}
	}
	return d, len(d.columns) > 0
}

// has reports whether a cell has trials.
func (s scoring) has(r *result.Record) bool {
	_, n := s.trials(r)
	return n > 0
}

// pooled describes the lengths: "pooled over 256 to 8Ki".
func (d depthCurves) pooled() string {
	t := d.grids[0]
	text := axisText(t.group.about.axis(0), t.lengths)
	first, last := text(t.lengths[d.columns[0]]), text(t.lengths[d.columns[len(d.columns)-1]])
	switch {
	case len(d.columns) == 1:
		return "at " + first
	case len(d.columns) == len(t.lengths):
		return "pooled over " + first + " to " + last
	}
	return "pooled over " + first + " to " + last + ", the lengths with results at all depths"
}

// row returns the cells of a depth that are pooled.
func (d depthCurves) row(t *grid, depth int) (out []*result.Record) {
	for _, i := range d.columns {
		out = append(out, t.at[depth][i])
	}
	return out
}

// table shows the scores by model and depth, each above its interval.
func (d depthCurves) table(g *group, w result.View, id string) table {
	t := d.grids[0]
	out := table{id: id, title: joined(w.Title+" by "+g.about.axis(1).Title, g.name), head: []string{"model"}, fixed: 1}
	out.notes = append(out.notes, joined(t.words(), d.pooled(), "intervals: 95 %, Wilson by haystacks", g.describe()))
	for _, x := range t.depths {
		out.head = append(out.head, t.depthText(x))
	}
	for _, t := range d.grids {
		row, bounds := texts(label(t.model)), texts("")
		for i := range t.depths {
			k, n, lo, hi := t.pool(d.row(t, i))
			row = append(row, cell{units.Fraction(k / float64(n)), grade(k / float64(n))})
			bounds = append(bounds, cell{short2(lo) + "–" + short2(hi), dim})
		}
		out.rows = append(out.rows, row, bounds)
	}
	return out
}

// figure draws the scores against depth, at most stack models in a panel.
func (v *view) depthFigure(g *group, d depthCurves, id string) *figure {
	t, y0 := d.grids[0], g.about.axis(1)
	var models []string
	for _, t := range d.grids {
		models = append(models, t.model)
	}
	styleOf := v.stylesOf(g.models)
	f := &figure{id: id, title: joined(g.about.Title+" by "+y0.Title, g.name), subtitle: joined(t.words()+" with 95 % intervals", d.pooled(), t.trialsText(g.records), g.describe()), legend: keysOf(styleOf, models)}
	f.alt = f.title + ": " + t.words() + " by " + y0.Label + "; the table below lists the values."
	percent, name := 1.0, chartAxis(y0, y0.Label, nil)
	if t.fractions() {
		percent, name = 100, axis{label: y0.Label + " (%)"}
	}
	var charts []*chart
	for i := 0; i < len(d.grids); i += stack {
		c := &chart{x: name, y: axis{label: t.words(), unit: "fraction"}, tall: 110, dodge: true}
		for _, t := range d.grids[i:min(i+stack, len(d.grids))] {
			l := curveLine{style: styleOf[t.model], bars: true}
			for k, x := range t.depths {
				hits, n, lo, hi := t.pool(d.row(t, k))
				l.x, l.y, l.lo, l.hi = append(l.x, percent*x), append(l.y, hits/float64(n)), append(l.lo, lo), append(l.hi, hi)
				l.hints = append(l.hints, hint(label(t.model), t.depthText(x), units.Fraction(hits/float64(n)), "\n95 %: "+short2(lo)+"–"+short2(hi)))
			}
			c.add(l)
		}
		c.y.see(0)
		c.y.see(1)
		charts = append(charts, c)
		f.rows = append(f.rows, []panel{c})
	}
	return f.ready(charts...)
}
