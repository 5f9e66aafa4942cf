package reports

import (
	"fmt"
	"slices"
	"strings"

	"gonum.org/v1/plot/vg"

	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// addLoss adds the loss on a corpus, by model and by context length.
func (v *view) addLoss(s *section, g *group, w result.View) {
	s.tables = append(s.tables, v.metricsByModel(g, columnsOf(g.about.metrics(w)), table{id: g.id, title: joined("NLL", g.name), notes: []string{g.describe()}}))
	if t, ok := v.fitTable(g); ok {
		s.tables = append(s.tables, t)
	}
	if t, ok := v.cumulativeTable(g); ok {
		s.tables = append(s.tables, t)
	}
	if t, ok := v.positionTable(g); ok {
		s.tables = append(s.tables, t)
	}
	s.figures = append(s.figures, v.nllFigures(g)...)
}

// fitTable shows the parameters of the power laws.
func (v *view) fitTable(g *group) (table, bool) {
	var columns []column
	for _, r := range g.records {
		for name := range r.Metrics {
			c := column{name, clean(strings.TrimPrefix(name, "fit_"))}
			if r.Status == result.OK && strings.HasPrefix(name, "fit_") && !slices.Contains(columns, c) {
				columns = append(columns, c)
			}
		}
	}
	slices.SortFunc(columns, func(a, b column) int { return strings.Compare(a.metric, b.metric) })
	t := v.metricsByModel(g, columns, table{id: g.id + "-fit", title: joined("Power-law fit", g.name), notes: []string{"loss at position n: c + a n^-alpha"}})
	return t, len(columns) > 0
}

// column is a metric that is shown in a column, and the column's head.
type column struct{ metric, head string }

// present returns the metrics that some record of the group has, or all if none has any.
func (g *group) present(metrics []result.MetricInfo) []result.MetricInfo {
	out := slices.DeleteFunc(slices.Clone(metrics), func(m result.MetricInfo) bool {
		return !slices.ContainsFunc(g.records, func(r *result.Record) bool { _, ok := metric(r, m.Name); return ok })
	})
	if len(out) == 0 {
		return metrics
	}
	return out
}

// columnsOf returns columns of metrics.
func columnsOf(metrics []result.MetricInfo) (out []column) {
	for _, m := range metrics {
		out = append(out, column{m.Name, m.Head})
	}
	return out
}

// metricsByModel fills a table with two rows for each record: values and intervals.
func (v *view) metricsByModel(g *group, cols []column, out table) table {
	out.head, out.fixed = []string{"model"}, 1
	references := map[string]bool{}
	for _, c := range cols {
		references[c.metric] = slices.ContainsFunc(g.records, func(r *result.Record) bool { _, ok := v.reference(r, c.metric); return ok })
	}
	for _, c := range cols {
		out.head = append(out.head, c.head)
		if references[c.metric] {
			out.head = append(out.head, "published", "diff")
		}
	}
	for _, r := range g.records {
		row := texts(label(r.Model))
		for _, c := range cols {
			m, ok := metric(r, c.metric)
			switch {
			case ok:
				row = append(row, cell{text: units.Amount(m.Value, m.Unit)})
			case r.Status != result.OK:
				row = append(row, cell{short(r), dim})
			default:
				row = append(row, cell{})
			}
			if references[c.metric] {
				ref, found := v.reference(r, c.metric)
				row = append(row, referenceCells(ref, found, m.Value, m.Unit, ok)...)
			}
		}
		out.rows = append(out.rows, row)
		bounds, any := texts(""), false
		for _, c := range cols {
			m, _ := metric(r, c.metric)
			b := interval(m)
			any = any || b != ""
			bounds = append(bounds, cell{b, dim})
			if references[c.metric] {
				bounds = append(bounds, cell{}, cell{})
			}
		}
		if any {
			out.rows = append(out.rows, bounds)
		}
	}
	return out
}

// cumulativeTable shows the mean loss up to each context length, one column per model.
func (v *view) cumulativeTable(g *group) (table, bool) {
	out := table{id: g.id + "-cumulative", title: joined("NLL up to a context length", g.name), head: []string{"context"}, fixed: 1}
	curve, unit := g.loss()
	ok := out.fillCurves(g, curve, unit+" over all positions before the length", func(s result.Series, i int) string {
		return withBounds(s, i, units.Loss)
	})
	if ok && g.severalTokenizers() {
		out.notes = append(out.notes, differentTokenizers)
	}
	return out, ok
}

// differentTokenizers is the note on losses of models that read a text as different tokens.
const differentTokenizers = "the models have different tokenizers: compare them in bits per byte; a loss in nats per token compares only models of one tokenizer"

// severalTokenizers reports whether the models of a group have different tokenizers.
func (g *group) severalTokenizers() bool {
	return slices.ContainsFunc(g.records, func(r *result.Record) bool { return r.Params["tokenizer"] != g.records[0].Params["tokenizer"] })
}

// loss is the cumulative curve by which the models of a group can be compared, and its unit.
func (g *group) loss() (curve, unit string) {
	if g.severalTokenizers() {
		return "bits_cumulative", "bits per byte"
	}
	return "nll_cumulative", "nats per token"
}

// positionTable shows the loss at each position and its change from the previous position, one
// column per model. Only the change shows whether the loss falls: the mean up to a length falls
// even if the loss is constant, because the high loss at the start counts less.
func (v *view) positionTable(g *group) (table, bool) {
	out := table{id: g.id + "-position", title: joined("NLL at a position", g.name), head: []string{"position"}, fixed: 1}
	changes := map[string]result.Series{}
	at := map[string]map[float64]int{}
	for _, r := range g.records {
		if s, ok := series(r, "nll_bucket_change"); ok {
			changes[r.Model], at[r.Model] = s, places(s.X)
		}
	}
	if len(changes) == 0 {
		return out, false
	}
	return out, out.fillCurves(g, "nll_bucket", "nats per token in a bucket of positions, by its middle; change from the bucket before, paired by text", func(s result.Series, i int) string {
		text := withBounds(s, i, units.Loss)
		if k, ok := at[s.Name][s.X[i]]; ok {
			text += ", " + withBounds(changes[s.Name], k, func(v float64) string { return fmt.Sprintf("%+.4f", v) })
		}
		return text
	})
}

// withBounds formats a point of a curve and its interval, if it has one.
func withBounds(s result.Series, i int, number func(float64) string) string {
	text := number(s.Y[i])
	if s.Lo != nil {
		text += " [" + number(s.Lo[i]) + ", " + number(s.Hi[i]) + "]"
	}
	return text
}

// fillCurves fills a table with one curve per model of a group, one row per x. text formats a
// point. It reports whether there is any curve.
func (out *table) fillCurves(g *group, curve, note string, text func(s result.Series, i int) string) bool {
	curves := map[string]result.Series{}
	at := map[string]map[float64]int{}
	var rows []float64
	var models []string
	seen := map[float64]bool{}
	bands := false
	for _, r := range g.records {
		s, ok := series(r, curve)
		if !ok {
			continue
		}
		bands = bands || s.Lo != nil
		s.Name = r.Model
		curves[r.Model], at[r.Model] = s, places(s.X)
		models = append(models, r.Model)
		for _, x := range s.X {
			if !seen[x] {
				seen[x] = true
				rows = append(rows, x)
			}
		}
	}
	if len(models) == 0 {
		return false
	}
	slices.Sort(rows)
	all := len(rows)
	rows = rows[:min(all, maxRows)]
	if bands {
		note += ", with the 95 % interval over texts"
	}
	out.notes = []string{note}
	if s := firstOf(len(rows), all, "lengths"); s != "" {
		out.notes = append(out.notes, s+"; all are in results.json")
	}
	for _, m := range models {
		out.head = append(out.head, label(m))
	}
	length := units.TokensOf(rows)
	for _, x := range rows {
		row := texts(length(x))
		for _, m := range models {
			c := cell{}
			if i, ok := at[m][x]; ok {
				c.text = text(curves[m], i)
			}
			row = append(row, c)
		}
		out.rows = append(out.rows, row)
	}
	return true
}

// nllFigures draws the loss on a corpus: by position with its fit, cumulative, and split by AR-hit
// and first-occur tokens.
func (v *view) nllFigures(g *group) []*figure {
	loss := func(title string, tall vg.Length) *chart {
		return &chart{title: title, tall: tall, x: axis{label: "position n (tokens)", log: true, binary: true, unit: "tokens"}, y: axis{label: "nats per token", unit: "nats/token"}}
	}
	bucket, cumulative := loss("Loss at each position, with power-law fit", 165), loss("Mean loss up to a context length", 135)
	cumulative.x.label = "context length (tokens)"
	curve, unit := g.loss()
	if cumulative.y.label = unit; g.severalTokenizers() {
		cumulative.y.unit = "bits/byte"
	}
	hit, first := loss("AR-hit tokens", 120), loss("First-occur tokens", 120)
	f := &figure{id: g.id, title: joined("Loss over long contexts", g.name), subtitle: joined("bands: 95 % over texts", g.describe())}
	split := &figure{id: g.id + "-split", title: joined("Loss by kind of token", g.name), subtitle: joined("bands: 95 % over texts", g.describe())}
	styleOf := v.stylesOf(g.models)
	var fits []key
	var shown []string
	for _, r := range g.records {
		st, name := styleOf[r.Model], label(r.Model)
		add := func(c *chart, curve, x string) bool {
			s, ok := series(r, curve)
			if !ok {
				return false
			}
			s = thin(s, maxPoints)
			l := curveLine{style: st, x: s.X, y: s.Y, lo: s.Lo, hi: s.Hi, fine: len(s.X) > 12}
			for i := range s.X {
				bounds := ""
				if s.Lo != nil {
					bounds = "\n95 %: " + units.Loss(s.Lo[i]) + "–" + units.Loss(s.Hi[i])
				}
				l.hints = append(l.hints, hint(name, x+" "+units.Tokens(s.X[i]), units.Loss(s.Y[i])+" "+c.y.unit, bounds))
			}
			c.add(l)
			return true
		}
		any := add(bucket, "nll_bucket", "position")
		any = add(cumulative, curve, "context") || any
		any = add(hit, "ar_hit_bucket", "position") || any
		any = add(first, "first_occur_bucket", "position") || any
		if any {
			shown = append(shown, r.Model)
		}
		if s, ok := series(r, "nll_fit"); ok {
			s = thin(s, maxPoints)
			bucket.add(curveLine{style: st, x: s.X, y: s.Y, dotted: true})
			fits = append(fits, key{style: st, dotted: true, apart: len(fits) == 0, name: fitName(r)})
		}
	}
	f.legend = append(keysOf(styleOf, shown), fits...)
	split.legend = keysOf(styleOf, shown)
	for _, c := range []*chart{bucket, cumulative} {
		if !c.empty() {
			f.rows = append(f.rows, []panel{c})
		}
	}
	if g.severalTokenizers() {
		f.subtitle = joined(f.subtitle, "different tokenizers: compare in bits per byte")
	}
	f.alt = f.title + ": loss by position and up to each context length; the table below lists the cumulative values."
	split.alt = split.title + ": loss in nats per token by position."
	split.rows = [][]panel{{hit, first}}
	return figures(f.ready(bucket, cumulative), split.ready(hit, first))
}

// fitName formats a power law with its parameters.
func fitName(r *result.Record) string {
	a, okA := metric(r, "fit_a")
	b, okB := metric(r, "fit_alpha")
	c, okC := metric(r, "fit_c")
	if !okA || !okB {
		return "fit, " + label(r.Model)
	}
	law := units.Digits(a.Value, 3) + " n^" + units.Digits(-b.Value, 2)
	if okC && c.Value != 0 {
		law = units.Digits(c.Value, 3) + " + " + law
	}
	return "fit " + law
}
