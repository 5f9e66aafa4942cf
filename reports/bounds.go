package reports

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/suites/result"
)

// Reports of large journals are bounded, and say what they omit. results.csv and results.json
// always contain everything. The bounds are far beyond what a reader can use.
const (
	maxGroups  = 60     // groups of a task
	maxModels  = 48     // models of a group
	maxPlaces  = 400    // lengths, or other values on an axis, of a group
	maxDrawn   = 20_000 // records in all groups
	maxRows    = 500    // rows of a table
	maxFigures = 120    // pictures
	maxPoints  = 1000   // points of a curve
	maxCases   = 10_000 // cases listed on the page
	maxNotes   = 100
	maxMarkers = 150 // markers of a curve
)

const elsewhere = "; all are in results.csv"

// firstOf returns a note that only the first of many things are shown, or "" if all are.
func firstOf(shown, all int, what string) string {
	if shown >= all {
		return ""
	}
	return fmt.Sprintf("first %d of %d %s", shown, all, what)
}

// bound reduces groups to what is drawn.
func (v *view) bound(groups []*group) []*group {
	var out []*group
	of, drawn := map[string]int{}, 0
	for _, g := range groups {
		if of[g.about.Name]++; of[g.about.Name] > maxGroups {
			continue
		}
		g.bound(v.models, v.baselines, maxDrawn-drawn)
		if drawn += len(g.records); len(g.records) > 0 {
			out = append(out, g)
		}
	}
	for _, task := range sortedKeys(of) {
		shown := 0
		for _, g := range out {
			if g.about.Name == task {
				shown++
			}
		}
		if s := firstOf(shown, of[task], "groups of settings of "+cleantext.Ellipsis(clean(task), 40)); s != "" {
			v.left = append(v.left, s+elsewhere)
		}
	}
	return out
}

// bound reduces the group to its first models, with their baselines, to its first places on the
// axis, and to at most room records, evenly spaced on the axes.
func (g *group) bound(models []string, baselines map[string]string, room int) {
	of := map[string]bool{}
	for _, r := range g.records {
		of[r.Model] = true
	}
	keep := map[string]bool{}
	for _, m := range models {
		if of[m] && len(keep) < maxModels {
			keep[m] = true
			if b := baselines[m]; of[b] {
				keep[b] = true
			}
		}
	}
	left := []string{firstOf(len(keep), len(of), "models")}
	kept := g.records[:0:0]
	ends := map[string]float64{}
	for _, a := range g.about.Axes {
		if xs := numbers(g.records, a.Param); len(xs) > maxPlaces {
			ends[a.Param] = xs[maxPlaces-1]
			left = append(left, firstOf(maxPlaces, len(xs), cleantext.Ellipsis(clean(a.Param), 40)+"s"))
		}
	}
	for _, r := range g.records {
		if !keep[r.Model] {
			continue
		}
		if slices.ContainsFunc(g.about.Axes, func(a result.Axis) bool {
			end, cut := ends[a.Param]
			x, ok := number(r, a.Param)
			return cut && ok && x > end
		}) {
			continue
		}
		kept = append(kept, r)
	}
	for len(kept) > room {
		fewer, note := g.space(kept, room)
		if len(fewer) == len(kept) {
			left = append(left, firstOf(room, len(kept), "cases"))
			kept = kept[:room]
			break
		}
		kept, left = fewer, append(left, note)
	}
	g.records = kept
	if left = slices.DeleteFunc(left, func(s string) bool { return s == "" }); len(left) > 0 {
		g.left = strings.Join(left, ", ") + elsewhere
	}
}

// space keeps the records at evenly spaced values of the axis with the most values, including the
// first and the last, so that about room records remain: of all models and over the whole range. It
// returns records unchanged if no axis has values to omit.
func (g *group) space(records []*result.Record, room int) (kept []*result.Record, note string) {
	var axis result.Axis
	var all []float64
	for _, a := range g.about.Axes {
		if xs := numbers(records, a.Param); len(xs) > len(all) {
			axis, all = a, xs
		}
	}
	n := max(2, len(all)*room/len(records))
	if n >= len(all) || room == 0 {
		return records, ""
	}
	keep := map[float64]bool{}
	for i := range n {
		keep[all[i*(len(all)-1)/(n-1)]] = true
	}
	for _, r := range records {
		if x, ok := number(r, axis.Param); !ok || keep[x] {
			kept = append(kept, r)
		}
	}
	return kept, fmt.Sprintf("%d of %d %ss, evenly spaced", n, len(all), cleantext.Ellipsis(clean(axis.Param), 40))
}

// boundSections truncates long tables and removes excess pictures.
func (v *view) boundSections() {
	figures, all := 0, 0
	for i := range v.sections {
		s := &v.sections[i]
		for k := range s.tables {
			s.tables[k] = s.tables[k].bound(maxRows)
		}
		all += len(s.figures)
		s.figures = s.figures[:min(len(s.figures), maxFigures-figures)]
		figures += len(s.figures)
	}
	if s := firstOf(figures, all, "pictures"); s != "" {
		v.left = append(v.left, s+"; the tables contain the values of the others")
	}
}

// bound truncates a table to its first rows, with a note.
func (t table) bound(rows int) table {
	if s := firstOf(rows, len(t.rows), "rows"); s != "" {
		t.rows = t.rows[:rows]
		t.notes = append(slices.Clone(t.notes), s+elsewhere)
		if t.heat != nil && len(t.heat.at) > rows {
			heat := *t.heat
			heat.at, heat.names = heat.at[:rows], heat.names[:rows]
			t.heat = &heat
		}
	}
	return t
}

// thin reduces a curve to at most n evenly spaced points, including the last.
func thin(s result.Series, n int) result.Series {
	if len(s.X) <= n {
		return s
	}
	out := result.Series{Name: s.Name, XUnit: s.XUnit, YUnit: s.YUnit}
	for i := range n {
		k := i * (len(s.X) - 1) / (n - 1)
		out.X, out.Y = append(out.X, s.X[k]), append(out.Y, s.Y[k])
		if s.Lo != nil && s.Hi != nil {
			out.Lo, out.Hi = append(out.Lo, s.Lo[k]), append(out.Hi, s.Hi[k])
		}
	}
	return out
}
