package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/stats"
	"github.com/yocobench/yocobench/suites/result"
)

// grid is one model's answers over lengths and depths: what a heatmap shows.
type grid struct {
	group   *group
	model   string
	lengths []float64 // columns, ascending, in tokens
	depths  []float64 // rows, ascending: 0 is the start of the text
	// at[d][l] is nil where the suite had no such case.
	at [][]*result.Record
}

// grids gives a grid for each model of a group, all with the same axes.
func (g *group) grids() []*grid {
	lengths, depths := numbers(g.records, "length"), numbers(g.records, "depth")
	column, row := places(lengths), places(depths)
	var out []*grid
	of := map[string]*grid{}
	for _, m := range g.models {
		t := &grid{group: g, model: m, lengths: lengths, depths: depths, at: make([][]*result.Record, len(depths))}
		for i := range t.at {
			t.at[i] = make([]*result.Record, len(lengths))
		}
		of[m] = t
		out = append(out, t)
	}
	for _, r := range g.records {
		x, okX := number(r, "length")
		y, okY := number(r, "depth")
		if okX && okY {
			of[r.Model].at[row[y]][column[x]] = r
		}
	}
	return out
}

// places gives the index of each value.
func places(values []float64) map[float64]int {
	out := make(map[float64]int, len(values))
	for i, x := range values {
		out[x] = i
	}
	return out
}

// gridded tells whether a needle group has depths to spread over a grid.
func (g *group) gridded() bool { return len(numbers(g.records, "depth")) > 0 }

// pool gives the interval of the trials of a column of the grid at 95 %, with the sum of their exact scores and their number.
// Each haystack of each cell is a cluster.
func (t *grid) pool(column int) (k float64, n int, lo, hi float64) {
	var hits, counts []float64
	for _, row := range t.at {
		k0, n0 := trials(row[column])
		k, n = k+k0, n+n0
		h, c := haystacks(row[column], k0, n0)
		hits, counts = append(hits, h...), append(counts, c...)
	}
	lo, hi = stats.Clustered(hits, counts, 0.95)
	return k, n, lo, hi
}

// haystacks parts the trials of a record, n with k hits, by haystack: trial i has the haystack i modulo their number.
func haystacks(r *result.Record, k float64, n int) (hits, counts []float64) {
	if n == 0 {
		return nil, nil
	}
	number, ok := number(r, "haystacks")
	if !ok || !(number >= 1) {
		number = 1
	}
	g := int(min(number, float64(n)))
	hits, counts = make([]float64, g), make([]float64, g)
	for i := range n {
		x := k / float64(n)
		if len(r.Trials) == n {
			x = r.Trials[i].Exact
		}
		hits[i%g] += x
		counts[i%g]++
	}
	return hits, counts
}

// trials gives the sum of a record's exact scores and the number of its trials.
func trials(r *result.Record) (k float64, n int) {
	m, ok := metric(r, "exact")
	if !ok {
		return 0, 0
	}
	if len(r.Trials) > 0 {
		for _, t := range r.Trials {
			k += t.Exact
		}
		return k, len(r.Trials)
	}
	if x, ok := number(r, "trials"); ok && x >= 1 && x <= 1e9 {
		return m.Value * float64(int(x)), int(x)
	}
	return 0, 0
}

// trialsText says how many trials each cell has, and in how many haystacks where that is fewer: "20 trials a cell, in 1 haystack".
func trialsText(records []*result.Record) string {
	var all, texts []int
	shared := false
	for _, r := range records {
		if k, n := trials(r); n > 0 {
			_, counts := haystacks(r, k, n)
			all, texts = append(all, n), append(texts, len(counts))
			shared = shared || len(counts) < n
		}
	}
	if len(all) == 0 {
		return ""
	}
	span := func(xs []int, thing string) string {
		lo, hi := slices.Min(xs), slices.Max(xs)
		if lo == hi {
			return plural(float64(lo), thing)
		}
		return fmt.Sprintf("%d to %d %ss", lo, hi, thing)
	}
	s := span(all, "trial") + " a cell"
	if shared {
		s += ", in " + span(texts, "haystack")
	}
	return s
}

// score gives a needle record's cell: the exact score, or the reason why there is none.
func score(r *result.Record) cell {
	m, ok := metric(r, "exact")
	if !ok {
		c := cell{text: strings.TrimPrefix(short(r), "over "), tone: dim}
		if r != nil && r.Status == result.Failed {
			c.tone = bad
		}
		return c
	}
	text := fraction(m.Value)
	if farAway(r) {
		text += "*"
	}
	return cell{text, grade(m.Value)}
}

// farDepth is the difference of depths, as a fraction of the text, from which on a cell is marked.
const farDepth = 0.02

// farAway reports whether the facts of a cell are at another depth than its row says.
func farAway(r *result.Record) bool {
	asked, ok := number(r, "depth")
	real, known := metric(r, "depth_real")
	return ok && known && math.Abs(real.Value-asked) > farDepth
}

func grade(v float64) tone {
	switch {
	case v >= 0.95:
		return good
	case v >= 0.5:
		return fair
	}
	return poor
}

// interval gives a metric's bounds: "0.93–0.99", "" where it has none.
func interval(m result.Metric) string {
	if m.Lo == nil || m.Hi == nil {
		return ""
	}
	return bare(*m.Lo, m.Unit) + "–" + bare(*m.Hi, m.Unit)
}

// bare is amount without a unit's name, for the units whose name it spells out.
func bare(v float64, unit string) string {
	s := amount(v, unit)
	return strings.TrimSuffix(s, "x")
}

// needleSection draws the needle groups: a grid a model, and curves for kinds without depths.
func (v *view) needleSection(groups []*group) section {
	s := section{id: "needle", title: "Needle in a haystack",
		lead: "Does the model find a fact in its context? Exact: the greedy answer begins with the value asked for, and no digit follows. " +
			"Depth 0 % is the start of the text. Pooled rows add up the trials of a column. Intervals are Wilson's at 95 %; n trials of one haystack count as n / (1 + .2 (n-1))."}
	ids := map[string]bool{}
	for _, g := range groups {
		if g.gridded() {
			grids := g.grids()
			for _, t := range grids {
				s.tables = append(s.tables, v.gridTable(t, unique(ids, g.id+"-"+slug(t.model))))
			}
			s.figures = append(s.figures, v.heatmaps(g, grids)...)
			continue
		}
		s.tables = append(s.tables, v.spreadTable(g))
		if f := v.spreadFigure(g); f != nil {
			s.figures = append(s.figures, f)
		}
	}
	return s
}

// gridTable is a grid as a table: rows are depths, columns lengths.
func (v *view) gridTable(t *grid, id string) table {
	out := table{id: id, title: joined("Needle", t.group.name, label(t.model)), head: []string{"depth"}, fixed: 1, heat: &heatRows{corner: "depth", at: t.at}}
	out.notes = append(out.notes, joined("exact score", trialsText(t.group.records), t.group.describe()))
	length := tokensOf(t.lengths)
	for _, l := range t.lengths {
		out.head = append(out.head, length(l))
	}
	marked := false
	for i, d := range t.depths {
		out.heat.names = append(out.heat.names, depthText(d))
		row := texts(depthText(d))
		for _, r := range t.at[i] {
			row = append(row, score(r))
			marked = marked || r != nil && farAway(r)
		}
		out.rows = append(out.rows, row)
	}
	if marked {
		out.notes = append(out.notes, "* The real depth is more than 2 % of the text away (depth_real in results.csv): no sentence or line ends nearer.")
	}
	foot := [][]cell{texts("pooled"), {{"95 % from", dim}}, {{"to", dim}}}
	any := false
	for i := range t.lengths {
		k, n, lo, hi := t.pool(i)
		if n == 0 {
			for f := range foot {
				foot[f] = append(foot[f], cell{})
			}
			continue
		}
		any = true
		foot[0] = append(foot[0], cell{fraction(k / float64(n)), grade(k / float64(n))})
		foot[1] = append(foot[1], cell{fraction(lo), dim})
		foot[2] = append(foot[2], cell{fraction(hi), dim})
	}
	if any {
		out.foot = foot
	}
	return out
}

// short2 gives an accuracy without its leading zero, where space is dear: .93, 1.0.
func short2(v float64) string {
	s := fraction(v)
	if s == "1.00" {
		return "1.0"
	}
	return strings.TrimPrefix(s, "0")
}

// depthText gives a depth: 0 %, 12.5 %.
func depthText(d float64) string { return percent(d) }

// spread is one curve of a kind without depths: accuracy against length for a model and a number of needles.
type spread struct {
	model   string
	needles float64 // 0: not told
	at      []*result.Record
}

func (g *group) spreads() (lengths []float64, out []spread) {
	lengths = numbers(g.records, "length")
	type key struct {
		model   string
		needles float64
	}
	at, column := map[key][]*result.Record{}, places(lengths)
	var counts []float64 // 0: records that do not say
	for _, r := range g.records {
		if x, ok := number(r, "length"); ok {
			n, _ := number(r, "needles")
			if k := (key{r.Model, n}); at[k] == nil && !slices.Contains(counts, n) {
				counts = append(counts, n)
			}
			k := key{r.Model, n}
			if at[k] == nil {
				at[k] = make([]*result.Record, len(lengths))
			}
			at[k][column[x]] = r
		}
	}
	slices.Sort(counts)
	for _, n := range counts {
		for _, m := range g.models {
			if records := at[key{m, n}]; records != nil {
				out = append(out, spread{model: m, needles: n, at: records})
			}
		}
	}
	return lengths, out
}

// spreadTable shows accuracy and its interval by length, a pair of rows for each model and number of needles.
func (v *view) spreadTable(g *group) table {
	lengths, spreads := g.spreads()
	out := table{id: g.id, title: joined("Needle", g.name), head: []string{"model", "needles"}, fixed: 2, heat: &heatRows{corner: "model"}}
	out.notes = append(out.notes, joined("exact score; intervals: 95 %, Wilson by haystacks", trialsText(g.records), g.describe()))
	length := tokensOf(lengths)
	for _, l := range lengths {
		out.head = append(out.head, length(l))
	}
	for _, s := range spreads {
		n := ""
		if s.needles != 0 {
			n = tokens(s.needles)
		}
		name := label(s.model)
		if n != "" {
			name += ", " + plural(s.needles, "needle")
		}
		out.heat.names, out.heat.at = append(out.heat.names, name), append(out.heat.at, s.at)
		row, bounds := texts(label(s.model), n), texts("", "")
		for _, r := range s.at {
			row = append(row, score(r))
			c := cell{tone: dim}
			if m, ok := metric(r, "exact"); ok && m.Lo != nil && m.Hi != nil {
				c.text = short2(*m.Lo) + "–" + short2(*m.Hi)
			}
			bounds = append(bounds, c)
		}
		out.rows = append(out.rows, row, bounds)
	}
	return out
}

// plural gives a number of things.
func plural(n float64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return tokens(n) + " " + thing
}

// joined puts the non-empty parts of a title together; a part in brackets belongs to the one before it.
func joined(parts ...string) string {
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	return strings.ReplaceAll(strings.Join(parts, " · "), " · (", " (")
}

// label is a model's name as shown.
func label(model string) string {
	name := []rune(clean(model))
	if len(name) <= 40 {
		return string(name)
	}
	// Long names differ at their ends more often than in the middle.
	return string(name[:23]) + "…" + string(name[len(name)-16:])
}
