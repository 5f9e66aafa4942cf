package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gonum.org/v1/plot/vg"

	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// A merit summarises a model by one number: quality or cost (MetricInfo.Role). Models are compared
// over the cases that they have in common.

// merit is a metric of a role for several models.
type merit struct {
	task   *task
	metric result.MetricInfo
	// at holds the measured values by model and case.
	at map[string]map[string]point
}

// point is a metric's value y at x on the first axis.
type point struct{ x, y float64 }

// merits returns the metrics of a role.
func (v *view) merits(role result.Role) (out []*merit) {
	for _, name := range v.order {
		for _, info := range v.tasks[name].Metrics {
			if info.Role != role {
				continue
			}
			m := &merit{task: v.tasks[name], metric: info, at: map[string]map[string]point{}}
			for _, g := range v.groups {
				if g.about != v.tasks[name] || g.source != result.Measured {
					continue
				}
				for _, r := range g.records {
					x, ok := metric(r, info.Name)
					if !ok {
						continue
					}
					if m.at[r.Model] == nil {
						m.at[r.Model] = map[string]point{}
					}
					_, place := v.tasks[name].split(r)
					m.at[r.Model][g.id+" "+place] = point{g.about.place(r), x.Value}
				}
			}
			out = append(out, m)
		}
	}
	return out
}

// common returns the cases that all models have.
func (m *merit) common(models []string) (cases []string) {
	for c := range m.at[models[0]] {
		if !slices.ContainsFunc(models, func(o string) bool { _, ok := m.at[o][c]; return !ok }) {
			cases = append(cases, c)
		}
	}
	slices.Sort(cases)
	return cases
}

// mean returns the mean over cases; last returns the value at the largest value on the first axis.
func (m *merit) mean(model string, cases []string) float64 {
	sum := 0.0
	for _, c := range cases {
		sum += m.at[model][c].y
	}
	return sum / float64(len(cases))
}

func (m *merit) last(cases []string) string {
	return slices.MaxFunc(cases, func(a, b string) int {
		one, other := m.at, m.at
		for model := range one {
			return cmp.Compare(one[model][a].x, other[model][b].x)
		}
		return 0
	})
}

// tradeoff holds a quality and a cost for every model.
type tradeoff struct {
	quality, cost *merit
	models        []string
	cases         int     // number of cases of the quality
	x             float64 // value of the cost's axis
	of, at        []float64
}

// pair compares the models with both metrics over their common cases. It returns nil if there are
// none.
func (v *view) pair(quality, cost *merit) *tradeoff {
	t := &tradeoff{quality: quality, cost: cost}
	for _, m := range v.models {
		if len(quality.at[m]) > 0 && len(cost.at[m]) > 0 {
			t.models = append(t.models, m)
		}
	}
	if len(t.models) < 2 {
		return nil
	}
	of, at := quality.common(t.models), cost.common(t.models)
	if len(of) == 0 || len(at) == 0 {
		return nil
	}
	far := cost.last(at)
	t.cases, t.x = len(of), cost.at[t.models[0]][far].x
	for _, m := range t.models {
		t.of, t.at = append(t.of, quality.mean(m, of)), append(t.at, cost.at[m][far].y)
	}
	return t
}

// better reports whether a is better than b in the direction of a metric.
func better(info result.MetricInfo, a, b float64) bool {
	if info.Better == result.Lower {
		return a < b
	}
	return a > b
}

// dominated returns the models that are no worse than the i-th in both metrics and better in one.
func (t *tradeoff) dominated(i int) (by []string) {
	for k, m := range t.models {
		worse := better(t.quality.metric, t.of[i], t.of[k]) || better(t.cost.metric, t.at[i], t.at[k])
		if !worse && (better(t.quality.metric, t.of[k], t.of[i]) || better(t.cost.metric, t.at[k], t.at[i])) {
			by = append(by, m)
		}
	}
	return by
}

// addTradeoffs adds the section of quality against cost, if the run measured both.
func (v *view) addTradeoffs() {
	s := section{id: "tradeoff", title: "Quality against cost",
		lead: "Quality and cost of each model, averaged over the cases that all models have. A model is dominated if another is no worse in both and better in one."}
	for _, q := range v.merits(result.Quality) {
		var row []*chart
		f := &figure{id: "tradeoff-" + slug(q.metric.Name), title: q.metric.Title + " against cost", subtitle: "hollow: dominated by another model"}
		var models []string
		for _, c := range v.merits(result.CostRole) {
			t := v.pair(q, c)
			if t == nil {
				continue
			}
			s.tables = append(s.tables, v.tradeoffTable(t))
			row = append(row, v.tradeoffChart(t))
			for _, m := range t.models {
				if !slices.Contains(models, m) {
					models = append(models, m)
				}
			}
		}
		if len(row) == 0 {
			continue
		}
		for i, c := range row {
			c.y.quiet = i > 0
		}
		share(yOf, row...)
		f.legend = keysOf(v.stylesOf(models), models)
		f.alt = f.title + ": a point for each model; the tables below list the values."
		f.rows = [][]panel{panels(row)}
		s.figures = append(s.figures, figures(f.ready(row...))...)
	}
	if len(s.tables) > 0 {
		v.sections = append(v.sections, s)
	}
}

// costText describes the cost.
func (t *tradeoff) costText() string {
	if t.x == 0 {
		return t.cost.metric.Title
	}
	return t.cost.metric.Title + " at " + units.Tokens(t.x)
}

func (v *view) tradeoffTable(t *tradeoff) table {
	q, c := t.quality.metric, t.cost.metric
	out := table{
		id: "tradeoff-" + slug(q.Name) + "-" + slug(c.Name), title: q.Title + " against " + lowered(t.costText()),
		notes: []string{fmt.Sprintf("%s: mean over %s", q.Name, units.Plural(float64(t.cases), "case"))},
		head:  []string{"model", q.Head, c.Head, "dominated by"}, fixed: 1,
	}
	for i, m := range t.models {
		by := t.dominated(i)
		for k := range by {
			by[k] = label(by[k])
		}
		out.rows = append(out.rows, texts(label(m), units.Amount(t.of[i], q.Unit), units.Amount(t.at[i], c.Unit), strings.Join(by, ", ")))
	}
	return out
}

func (v *view) tradeoffChart(t *tradeoff) *chart {
	q, c := t.quality.metric, t.cost.metric
	out := &chart{
		tall: 2.4 * vg.Inch,
		x:    axis{label: t.costText(), log: true, binary: c.Unit == "bytes", unit: c.Unit},
		y:    axis{label: q.Label, unit: q.Unit},
	}
	styleOf := v.stylesOf(t.models)
	for i, m := range t.models {
		out.add(curveLine{style: styleOf[m], x: t.at[i : i+1], y: t.of[i : i+1], hollow: len(t.dominated(i)) > 0,
			hints: []string{hint(label(m), units.Amount(t.at[i], c.Unit), units.Amount(t.of[i], q.Unit), "")}})
	}
	return out
}

// lowered makes the first letter of a heading lower case, unless it starts with an abbreviation.
func lowered(s string) string {
	if len(s) > 1 && s[1] >= 'a' && s[1] <= 'z' {
		return strings.ToLower(s[:1]) + s[1:]
	}
	return s
}
