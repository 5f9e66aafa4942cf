package reports

import (
	"slices"

	"github.com/yocobench/yocobench/suites/result"
)

// nllSection draws the loss of every corpus: numbers by model, and by context length.
func (v *view) nllSection(groups []*group) section {
	s := section{id: "nll", title: "Language modelling over long contexts",
		lead: "Does the model keep learning from what it has read? Loss in nats per token at each position, and cumulatively up to each context length. " +
			"AR-hit: the last token of a pair that occurred before in the context; first-occur: the rest."}
	for _, g := range groups {
		s.tables = append(s.tables, v.nllTable(g))
		if t, ok := v.cumulativeTable(g); ok {
			s.tables = append(s.tables, t)
		}
		s.figures = append(s.figures, v.nllFigures(g)...)
	}
	return s
}

// nllColumns are the columns of the summary: the metric and its head.
var nllColumns = []struct{ metric, head string }{
	{"nll", "nats/token"},
	{"bits_per_byte", "bits/byte"},
	{"nll_ar_hit", "AR-hit"},
	{"nll_first_occur", "first-occur"},
}

// nllTable shows the summary metrics of each model of a group, published figures beside them.
func (v *view) nllTable(g *group) table {
	out := table{id: g.id, title: joined("NLL", g.name), head: []string{"model"}, fixed: 1, notes: []string{g.describe()}}
	var fits []string
	for _, r := range g.records {
		if r.Status == result.OK {
			for name := range r.Metrics {
				if len(name) > 4 && name[:4] == "fit_" && !slices.Contains(fits, name) {
					fits = append(fits, name)
				}
			}
		}
	}
	slices.Sort(fits)
	cols := slices.Clone(nllColumns)
	for _, f := range fits {
		cols = append(cols, struct{ metric, head string }{f, "fit " + clean(f[4:])})
	}
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
				row = append(row, cell{text: amount(m.Value, m.Unit)})
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

// cumulativeTable shows the mean loss up to each context length, a column a model.
func (v *view) cumulativeTable(g *group) (table, bool) {
	out := table{id: g.id + "-cumulative", title: joined("NLL up to a context length", g.name),
		head: []string{"context"}, fixed: 1}
	curves := map[string]result.Series{}
	var lengths []float64
	var models []string
	for _, r := range g.records {
		s, ok := series(r, "nll_cumulative")
		if !ok {
			continue
		}
		curves[r.Model] = s
		models = append(models, r.Model)
		for _, x := range s.X {
			if !slices.Contains(lengths, x) {
				lengths = append(lengths, x)
			}
		}
		if len(lengths) > 4096 {
			lengths = lengths[:4096]
		}
	}
	if len(models) == 0 {
		return out, false
	}
	slices.Sort(lengths)
	note := "nats per token over all positions before the length"
	for _, m := range models {
		if curves[m].Lo != nil {
			note += ", with the interval over documents"
			break
		}
	}
	out.notes = []string{note}
	for _, m := range models {
		out.head = append(out.head, label(m))
	}
	for _, x := range lengths {
		row := texts(tokens(x))
		for _, m := range models {
			s := curves[m]
			i := slices.Index(s.X, x)
			if i < 0 {
				row = append(row, cell{})
				continue
			}
			text := sig4(s.Y[i])
			if s.Lo != nil {
				text += " [" + sig4(s.Lo[i]) + ", " + sig4(s.Hi[i]) + "]"
			}
			row = append(row, cell{text: text})
		}
		out.rows = append(out.rows, row)
	}
	return out, true
}
