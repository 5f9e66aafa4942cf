package reports

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// reference finds the published figure of a metric of a record.
func (v *view) reference(r *result.Record, metric string) (result.Reference, bool) {
	if r == nil {
		return result.Reference{}, false
	}
	return v.lookUp(r.Task, metric, r.Model, "", v.tasks[r.Task].place(r))
}

// refKey is what a reference is about.
type refKey struct {
	task, metric, model, over string
	length                    float64
}

// lookUp finds the published figure of a metric of a model, or of its ratio over
// another model's. One that names the length goes before one that fits all.
func (v *view) lookUp(task, metric, model, over string, length float64) (result.Reference, bool) {
	if v.published == nil {
		v.published = map[refKey]result.Reference{}
		for _, run := range v.journal.Runs {
			of := map[refKey]bool{}
			for _, ref := range run.References {
				// The first of a run counts, and the last run's.
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

// references are all that the runs give, each once, as far as they are drawn.
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

// sourceUnits are the names under which sources give figures, with the records' unit and the factor
// to it.
var sourceUnits = map[string]struct {
	unit string
	by   float64
}{
	"B": {"bytes", 1}, "KB": {"bytes", 1e3}, "MB": {"bytes", 1e6}, "GB": {"bytes", 1e9}, "TB": {"bytes", 1e12},
	"KiB": {"bytes", 1 << 10}, "MiB": {"bytes", 1 << 20}, "GiB": {"bytes", 1 << 30},
	"ms": {"s", 1e-3}, "seconds": {"s", 1}, "min": {"s", 60}, "tok/s": {"tokens/s", 1}, "x": {"ratio", 1}, "%": {"fraction", 0.01},
}

// published gives a reference's value in a metric's unit; false where the units do not go together.
func published(ref result.Reference, unit string) (float64, bool) {
	if u, ok := sourceUnits[ref.Unit]; ok && u.unit == unit {
		return ref.Value * u.by, true
	}
	return ref.Value, ref.Unit == unit || ref.Unit == ""
}

// referenceCells are the two cells of a published figure: the figure, and how
// far a value, given in unit, is from it.
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

// publishedTable lists every published figure that some record corresponds to.
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
		t.notes = append([]string{"The figures here are computed, not measured."}, t.notes...)
	}
	for i, text := range remarks {
		t.notes = append(t.notes, fmt.Sprintf("[%d] %s", i+1, text))
	}
	return t, len(t.rows) > 0
}

// recordsOf gives the records of a group that correspond to a reference.
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

// publishedRows are the places where a reference meets records. mixed: computed
// and measured figures share the table, so the computed ones are marked.
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

// publishedPlaces are the rows of a reference in a group. Where it holds for all
// lengths and the figures do too, the lengths are left out.
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

// publishedRow shows a reference next to a record.
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

// counterpart finds another model's record at the same place of a group.
func (g *group) counterpart(r *result.Record, model string) *result.Record {
	_, at := g.about.split(r)
	for _, o := range g.byModel[model] {
		if _, there := g.about.split(o); there == at {
			return o
		}
	}
	return nil
}

// amountB gives bytes in decimal units.
func amountB(v float64) string {
	s := units.Scaled(v)
	if n := len(s); n > 0 && s[n-1] > '9' {
		return s[:n-1] + " " + s[n-1:] + "B"
	}
	return s + " B"
}

// decimal is amount with decimal units for bytes, as papers give them.
func decimal(v float64, unit string) string {
	if unit == "bytes" {
		return amountB(v)
	}
	return units.Amount(v, unit)
}
