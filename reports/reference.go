package reports

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// reference returns the published figure for a metric of a record.
func (v *view) reference(r *result.Record, metric string) (result.Reference, bool) {
	if r == nil {
		return result.Reference{}, false
	}
	return v.lookUp(r.Task, metric, r.Model, "", v.tasks[r.Task].place(r))
}

// refKey identifies the subject of a reference.
type refKey struct {
	task, metric, model, over string
	length                    float64
}

// lookUp returns the published figure for a metric of a model, or for its ratio over another
// model's. A figure for the given length takes precedence over one for all lengths.
func (v *view) lookUp(task, metric, model, over string, length float64) (result.Reference, bool) {
	if v.published == nil {
		v.published = map[refKey]result.Reference{}
		for _, run := range v.journal.Runs {
			of := map[refKey]bool{}
			for _, ref := range run.References {
				// Within a run the first one counts; later runs override earlier ones.
				if k := (refKey{ref.Task, ref.Metric, ref.Model, ref.Over, ref.Length}); !of[k] {
					of[k], v.published[k] = true, ref
				}
			}
		}
	}
	ref, ok := v.published[refKey{task, metric, model, over, length}]
	if !ok {
		ref, ok = v.published[refKey{task, metric, model, over, 0}]
	}
	return ref, ok
}

// references returns the distinct references of all runs, up to the maximum that is shown.
func (v *view) references() (out []result.Reference) {
	seen := map[result.Reference]bool{}
	for _, run := range v.journal.Runs {
		for _, ref := range run.References {
			if !seen[ref] && len(out) < maxRows {
				seen[ref] = true
				out = append(out, ref)
			}
		}
	}
	return out
}

// sourceUnits maps units in publications to units in records, with the factor.
var sourceUnits = map[string]struct {
	unit string
	by   float64
}{
	"B": {"bytes", 1}, "KB": {"bytes", 1e3}, "MB": {"bytes", 1e6}, "GB": {"bytes", 1e9}, "TB": {"bytes", 1e12},
	"KiB": {"bytes", 1 << 10}, "MiB": {"bytes", 1 << 20}, "GiB": {"bytes", 1 << 30},
	"ms": {"s", 1e-3}, "seconds": {"s", 1}, "min": {"s", 60}, "tok/s": {"tokens/s", 1}, "x": {"ratio", 1}, "%": {"fraction", 0.01},
}

// published returns the value of a reference in a metric's unit, or false if the units are
// incompatible.
func published(ref result.Reference, unit string) (float64, bool) {
	if u, ok := sourceUnits[ref.Unit]; ok && u.unit == unit {
		return ref.Value * u.by, true
	}
	return ref.Value, ref.Unit == unit || ref.Unit == ""
}

// referenceCells returns two cells: a published figure, and the difference of a value in unit from
// it.
func referenceCells(ref result.Reference, found bool, value float64, unit string, ok bool) []cell {
	if !found {
		return make([]cell, 2)
	}
	x, same := published(ref, unit)
	if !same {
		return texts(units.Digits(ref.Value, 4)+" "+clean(ref.Unit), "")
	}
	out := texts(units.Amount(x, unit), "")
	if ok {
		out[1].text = units.Change(value, x)
	}
	return out
}

// publishedTable lists all published figures with corresponding records.
func (v *view) publishedTable() (table, bool) {
	t := table{id: "published", fixed: 1,
		head: []string{"figure", "here", "published", "diff"}}
	var notes, remarks []string
	var groups []*group
	refs := v.references()
	for _, g := range v.groups {
		if slices.ContainsFunc(refs, func(ref result.Reference) bool { return len(g.recordsOf(ref)) > 0 }) {
			groups = append(groups, g)
		}
	}
	mixed := slices.ContainsFunc(groups, func(g *group) bool { return g.source != groups[0].source })
	note := func(s string) {
		if s != "" && !slices.Contains(notes, s) {
			notes = append(notes, s)
		}
	}
	for _, ref := range refs {
		for _, row := range v.publishedRows(ref, mixed) {
			if ref.Note != "" {
				text := cleantext.Ellipsis(clean(ref.Note), 200)
				n := slices.Index(remarks, text)
				if n < 0 {
					n = len(remarks)
					remarks = append(remarks, text)
				}
				row[0].text += fmt.Sprintf(" [%d]", n+1)
			}
			t.rows = append(t.rows, row)
			if s := clean(ref.Source); s != "" {
				note(cleantext.Ellipsis(s, 200))
			}
		}
	}
	t.notes = []string{"Bytes in decimal units here, as published."}
	if len(notes) > 0 {
		t.notes = append(t.notes, "Published in: "+strings.Join(notes, "; "))
	}
	if !slices.ContainsFunc(groups, func(g *group) bool { return g.source != result.Computed }) {
		t.notes = append([]string{"The values here are computed, not measured."}, t.notes...)
	}
	for i, text := range remarks {
		t.notes = append(t.notes, fmt.Sprintf("[%d] %s", i+1, text))
	}
	return t, len(t.rows) > 0
}

// recordsOf returns the records of a group that correspond to a reference.
func (g *group) recordsOf(ref result.Reference) (out []*result.Record) {
	if ref.Task != g.about.Name {
		return nil
	}
	if g.byModel == nil {
		g.byModel = map[string][]*result.Record{}
		for _, r := range g.records {
			g.byModel[r.Model] = append(g.byModel[r.Model], r)
		}
	}
	for _, r := range g.byModel[ref.Model] {
		if ref.Length == 0 || ref.Length == g.about.place(r) {
			out = append(out, r)
		}
	}
	return out
}

// publishedRows returns the rows of a reference and its records. If mixed is set, the table has
// computed and measured values, so it marks computed ones.
func (v *view) publishedRows(ref result.Reference, mixed bool) (rows [][]cell) {
	var places []*group
	for _, g := range v.groups {
		for i, row := range g.publishedPlaces(ref) {
			if i > 0 && ref.Length == 0 && slices.Equal(row[1:], rows[len(rows)-1][1:]) {
				continue // the same at every length
			}
			rows = append(rows, row)
			places = append(places, g)
		}
	}
	several := slices.ContainsFunc(places, func(g *group) bool { return g != places[0] })
	for i, g := range places {
		switch {
		case several && g.name != "":
			rows[i][0].text += ", " + g.name
		case mixed && g.source == result.Computed:
			rows[i][0].text += " (computed)"
		}
	}
	return rows
}

// publishedPlaces returns the rows of a reference in a group. It omits the lengths if the reference
// applies to all lengths and all values are equal.
func (g *group) publishedPlaces(ref result.Reference) (rows [][]cell) {
	for _, at := range []bool{true, false} {
		rows = nil
		same := true
		for _, r := range g.recordsOf(ref) {
			row := g.publishedRow(ref, r, at)
			same = same && (rows == nil || slices.Equal(row[1:], rows[0][1:]))
			rows = append(rows, row)
		}
		if ref.Length != 0 || !same || len(rows) < 2 {
			return rows
		}
	}
	return rows
}

// publishedRow returns the row of a reference and a record.
func (g *group) publishedRow(ref result.Reference, r *result.Record, length bool) []cell {
	name := cleantext.Ellipsis(clean(ref.Metric), 30) + ", " + label(ref.Model)
	m, ok := metric(r, ref.Metric)
	if ref.Over != "" {
		name += " / " + label(ref.Over)
		over, okOver := metric(g.counterpart(r, ref.Over), ref.Metric)
		ok = ok && okOver && over.Value > 0
		if ok {
			m = result.Metric{Value: m.Value / over.Value}
		}
		m.Unit = "ratio"
	}
	if at := g.about.place(r); at != 0 && length {
		name += " @ " + units.Tokens(at)
	}
	if b := word(r, "batch"); b != "" && b != "1" {
		name += ", batch " + b
	}
	unit := m.Unit
	if unit == "" {
		unit = ref.Unit
		if u, ok := sourceUnits[unit]; ok {
			unit = u.unit
		}
	}
	here := cell{short(r), dim}
	if r.Status == result.OK {
		here = cell{text: "–"}
	}
	if ok {
		here = cell{text: decimal(m.Value, unit)}
	}
	row := []cell{{text: name}, here, {text: units.Digits(ref.Value, 4) + " " + clean(ref.Unit)}, {}}
	if x, same := published(ref, unit); same {
		row[2].text = decimal(x, unit)
		if ok {
			row[3].text = units.Change(m.Value, x)
		}
	}
	return row
}

// counterpart returns another model's record with the same axis values in a group.
func (g *group) counterpart(r *result.Record, model string) *result.Record {
	_, at := g.about.split(r)
	for _, o := range g.byModel[model] {
		if _, there := g.about.split(o); there == at {
			return o
		}
	}
	return nil
}

// amountB formats bytes in decimal units.
func amountB(v float64) string {
	s := units.Scaled(v)
	if n := len(s); n > 0 && s[n-1] > '9' {
		return s[:n-1] + " " + s[n-1:] + "B"
	}
	return s + " B"
}

// decimal is units.Amount with decimal units for bytes, as in papers.
func decimal(v float64, unit string) string {
	if unit == "bytes" {
		return amountB(v)
	}
	return units.Amount(v, unit)
}
