package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/stats"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// grid holds the records of one model by length and depth, for a heatmap.
type grid struct {
	group *group
	scoring
	model   string
	lengths []float64 // columns, ascending: values on the first axis
	depths  []float64 // rows, ascending: values on the second axis
	// at[d][l] is nil if the suite has no such case.
	at [][]*result.Record
}

// scoring describes the cells of a grid.
type scoring struct {
	// metric is the score, second the param of the second axis, actual the metric with the actual
	// position on it, or "".
	metric, actual, second string
	// separate reports that trials do not share a haystack, unless the record has the param
	// haystacks.
	separate bool
}

func scoringOf(t *task, w result.View) scoring {
	return scoring{metric: w.Metrics[0], actual: w.Actual, second: t.axis(1).Param}
}

// words returns the name of the score: "exact score".
func (s scoring) words() string {
	name := cleantext.Ellipsis(clean(s.metric), 40)
	if strings.HasSuffix(name, "score") {
		return name
	}
	return name + " score"
}

// grids returns a grid for each model of a group, all with the same axes.
func (g *group) grids(how scoring) []*grid {
	lengths, depths := numbers(g.records, g.about.x()), numbers(g.records, how.second)
	column, row := places(lengths), places(depths)
	var out []*grid
	of := map[string]*grid{}
	for _, m := range g.models {
		t := &grid{group: g, scoring: how, model: m, lengths: lengths, depths: depths, at: make([][]*result.Record, len(depths))}
		for i := range t.at {
			t.at[i] = make([]*result.Record, len(lengths))
		}
		of[m] = t
		out = append(out, t)
	}
	for _, r := range g.records {
		x, okX := number(r, g.about.x())
		y, okY := number(r, how.second)
		if okX && okY {
			of[r.Model].at[row[y]][column[x]] = r
		}
	}
	return out
}

// beyond is the first column whose length is beyond the model's trained context, which is also
// returned; without such a column it is the number of columns.
func (t *grid) beyond() (column, context int) {
	for _, row := range t.at {
		for _, r := range row {
			if r != nil {
				context = max(context, r.TrainedContext)
			}
		}
	}
	if context == 0 || t.group.about.x() != "length" {
		return len(t.lengths), context
	}
	for i, l := range t.lengths {
		if l > float64(context) {
			return i, context
		}
	}
	return len(t.lengths), context
}

// places returns the index of each value.
func places(values []float64) map[float64]int {
	out := make(map[float64]int, len(values))
	for i, x := range values {
		out[x] = i
	}
	return out
}

// pool returns the 95 % interval of the trials of several cells, the sum of their scores and their
// number. Each haystack of each cell is a cluster.
func (s scoring) pool(cells []*result.Record) (k float64, n int, lo, hi float64) {
	var hits, counts []float64
	for _, r := range cells {
		k0, n0 := s.trials(r)
		k, n = k+k0, n+n0
		h, c := s.haystacks(r, k0, n0)
		hits, counts = append(hits, h...), append(counts, c...)
	}
	lo, hi = stats.Clustered(hits, counts, 0.95)
	return k, n, lo, hi
}

// column returns the cells of a length.
func (t *grid) column(i int) (out []*result.Record) {
	for _, row := range t.at {
		out = append(out, row[i])
	}
	return out
}

// haystacks splits the n trials of a record, with k hits, by haystack. Trial i uses haystack i
// modulo the number of haystacks.
func (s scoring) haystacks(r *result.Record, k float64, n int) (hits, counts []float64) {
	if n == 0 {
		return nil, nil
	}
	number, ok := number(r, "haystacks")
	if !ok || !(number >= 1) {
		number = 1
		if s.separate {
			number = float64(n)
		}
	}
	g := int(min(number, float64(n)))
	hits, counts = make([]float64, g), make([]float64, g)
	for i := range n {
		x := k / float64(n)
		if xs := s.scores(r); len(xs) == n {
			x = xs[i]
		}
		hits[i%g] += x
		counts[i%g]++
	}
	return hits, counts
}

// scores returns the scores of a record's trials: the samples of the metric if they are complete,
// otherwise the scores of the trials.
func (s scoring) scores(r *result.Record) []float64 {
	m, ok := metric(r, s.metric)
	if !ok || len(m.Samples) > 0 && (len(m.Samples) == len(r.Trials) || math.Abs(stats.Mean(m.Samples)-m.Value) < 1e-9) {
		return m.Samples
	}
	out := make([]float64, len(r.Trials))
	for i, t := range r.Trials {
		out[i] = t.Points()
	}
	return out
}

// trials returns the sum of a record's scores and the number of its trials.
func (s scoring) trials(r *result.Record) (k float64, n int) {
	m, ok := metric(r, s.metric)
	if !ok {
		return 0, 0
	}
	if xs := s.scores(r); len(xs) > 0 {
		for _, x := range xs {
			k += x
		}
		return k, len(xs)
	}
	if x, ok := number(r, "trials"); ok && x >= 1 && x <= 1e9 {
		return m.Value * float64(int(x)), int(x)
	}
	return 0, 0
}

// trialsText describes the number of trials per cell and, if that is smaller, the number of
// haystacks: "20 trials per cell, in 1 haystack".
func (s scoring) trialsText(records []*result.Record) string {
	var all, texts []int
	shared := false
	for _, r := range records {
		if k, n := s.trials(r); n > 0 {
			_, counts := s.haystacks(r, k, n)
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
			return units.Plural(float64(lo), thing)
		}
		return fmt.Sprintf("%d to %d %ss", lo, hi, thing)
	}
	out := span(all, "trial") + " a cell"
	if shared {
		out += ", in " + span(texts, "haystack")
	}
	return out
}

// score returns the cell of a record: the score, or the reason for which there is none.
func (s scoring) score(r *result.Record) cell {
	m, ok := metric(r, s.metric)
	if !ok {
		c := cell{text: strings.TrimPrefix(short(r), "over "), tone: dim}
		if r != nil && r.Status == result.Failed {
			c.tone = bad
		}
		return c
	}
	text := units.Fraction(m.Value)
	if s.farAway(r) {
		text += "*"
	}
	return cell{text, grade(m.Value)}
}

// farDepth is the difference of depths, as a fraction of the text, above which a cell is marked.
const farDepth = 0.02

// farAway reports whether the actual depth of a cell's facts differs from that of its row.
func (s scoring) farAway(r *result.Record) bool {
	asked, ok := number(r, s.second)
	real, known := metric(r, s.actual)
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

// interval formats a metric's bounds: "0.93–0.99", "-0.1 to 0.2", or "" if it has none.
func interval(m result.Metric) string {
	if m.Lo == nil || m.Hi == nil {
		return ""
	}
	if *m.Lo < 0 {
		return amountWithoutUnit(*m.Lo, m.Unit) + " to " + amountWithoutUnit(*m.Hi, m.Unit)
	}
	return amountWithoutUnit(*m.Lo, m.Unit) + "–" + amountWithoutUnit(*m.Hi, m.Unit)
}

// amountWithoutUnit is units.Amount without the unit's name.
func amountWithoutUnit(v float64, unit string) string {
	s := units.Amount(v, unit)
	return strings.TrimSuffix(s, "x")
}

// addGrid adds the scores of a group: one grid per model, or curves if the second axis has no
// numbers.
func (v *view) addGrid(s *section, g *group, w result.View, ids map[string]bool) {
	how := scoringOf(g.about, w)
	if len(numbers(g.records, how.second)) > 0 {
		grids := g.grids(how)
		for _, t := range grids {
			s.tables = append(s.tables, v.gridTable(t, w, unique(ids, g.id+"-"+slug(t.model))))
		}
		s.figures = append(s.figures, v.heatmaps(g, grids)...)
		if d, ok := depthCurvesOf(grids); ok {
			id := unique(ids, g.id+"-by-"+slug(g.about.axis(1).Title))
			s.tables = append(s.tables, d.table(g, w, id))
			s.figures = append(s.figures, figures(v.depthFigure(g, d, id))...)
		}
		return
	}
	s.tables = append(s.tables, v.spreadTable(g, w))
	if f := v.spreadFigure(g, how); f != nil {
		s.figures = append(s.figures, f)
	}
}

// gridTable returns a grid as a table with depths as rows and lengths as columns.
func (v *view) gridTable(t *grid, w result.View, id string) table {
	x0, y0 := t.group.about.axis(0), t.group.about.axis(1)
	out := table{id: id, title: joined(w.Title, t.group.name, label(t.model)), head: []string{y0.Title}, fixed: 1, heat: &heatRows{scoring: t.scoring, corner: y0.Title, at: t.at}}
	out.notes = append(out.notes, joined(t.words(), t.trialsText(t.group.records), t.group.describe()))
	length := axisText(x0, t.lengths)
	for _, l := range t.lengths {
		out.head = append(out.head, length(l))
	}
	marked := false
	for i, d := range t.depths {
		out.heat.names = append(out.heat.names, t.depthText(d))
		row := texts(t.depthText(d))
		for _, r := range t.at[i] {
			row = append(row, t.score(r))
			marked = marked || r != nil && t.farAway(r)
		}
		out.rows = append(out.rows, row)
	}
	if marked {
		out.notes = append(out.notes, "* The actual "+y0.Title+" differs by more than 2 % of the text ("+clean(t.actual)+" in results.csv), because no sentence or line ends nearer.")
	}
	foot := [][]cell{texts("pooled"), {{"95 % from", dim}}, {{"to", dim}}}
	any := false
	for i := range t.lengths {
		k, n, lo, hi := t.pool(t.column(i))
		if n == 0 {
			for f := range foot {
				foot[f] = append(foot[f], cell{})
			}
			continue
		}
		any = true
		foot[0] = append(foot[0], cell{units.Fraction(k / float64(n)), grade(k / float64(n))})
		foot[1] = append(foot[1], cell{units.Fraction(lo), dim})
		foot[2] = append(foot[2], cell{units.Fraction(hi), dim})
	}
	if any {
		out.foot = foot
	}
	return out
}

// short2 formats an accuracy without a leading zero, to save space: .93, 1.0.
func short2(v float64) string {
	s := units.Fraction(v)
	if s == "1.00" {
		return "1.0"
	}
	return strings.TrimPrefix(s, "0")
}

// fractions reports whether all values on the second axis are fractions.
func (g *grid) fractions() bool { return g.depths[0] >= 0 && g.depths[len(g.depths)-1] <= 1 }

// depthText formats a value on the second axis, as 12.5 % if all are fractions.
func (g *grid) depthText(d float64) string {
	if g.fractions() {
		return units.Percent(d)
	}
	return axisText(g.group.about.axis(1), g.depths)(d)
}

// spread is one curve of a task kind without depths: accuracy against length for a model and a
// number of needles.
type spread struct {
	model   string
	needles float64 // 0: not stated
	at      []*result.Record
}

func (g *group) spreads() (lengths []float64, out []spread) {
	lengths = numbers(g.records, g.about.x())
	third := ""
	if a := g.about.axis(2); a != nil {
		third = a.Param
	}
	type key struct {
		model   string
		needles float64
	}
	at, column := map[key][]*result.Record{}, places(lengths)
	var counts []float64 // 0: records without a count
	for _, r := range g.records {
		if x, ok := number(r, g.about.x()); ok {
			n, _ := number(r, third)
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

// spreadTable shows accuracy and its interval by length, with two rows for each model and number of
// needles.
func (v *view) spreadTable(g *group, w result.View) table {
	lengths, spreads := g.spreads()
	how := scoringOf(g.about, w)
	out := table{id: g.id, title: joined(w.Title, g.name), head: []string{"model", g.third()}, fixed: 2, heat: &heatRows{scoring: how, corner: "model"}}
	out.notes = append(out.notes, joined(how.words()+"; intervals: 95 %, Wilson by haystacks", how.trialsText(g.records), g.describe()))
	length := axisText(g.about.axis(0), lengths)
	for _, l := range lengths {
		out.head = append(out.head, length(l))
	}
	for _, s := range spreads {
		n := ""
		if s.needles != 0 {
			n = units.Tokens(s.needles)
		}
		name := label(s.model)
		if n != "" {
			name += ", " + g.thirds(s.needles)
		}
		out.heat.names, out.heat.at = append(out.heat.names, name), append(out.heat.at, s.at)
		row, bounds := texts(label(s.model), n), texts("", "")
		for _, r := range s.at {
			row = append(row, how.score(r))
			c := cell{tone: dim}
			if m, ok := metric(r, how.metric); ok && m.Lo != nil && m.Hi != nil {
				c.text = short2(*m.Lo) + "–" + short2(*m.Hi)
			}
			bounds = append(bounds, c)
		}
		out.rows = append(out.rows, row, bounds)
	}
	return out
}

// third returns the name of the third axis.
func (g *group) third() string {
	if a := g.about.axis(2); a != nil {
		return a.Title
	}
	return ""
}

// thirds formats a value on the third axis: "4 needles".
func (g *group) thirds(n float64) string { return units.Plural(n, strings.TrimSuffix(g.third(), "s")) }

// joined joins the non-empty parts of a title. A part in brackets belongs to the previous part.
func joined(parts ...string) string {
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	return strings.ReplaceAll(strings.Join(parts, " · "), " · (", " (")
}

// label returns a model's name for display.
func label(model string) string {
	name := []rune(clean(model))
	if len(name) <= 40 {
		return string(name)
	}
	// Shorten in the middle, because long names often differ at their ends.
	return string(name[:23]) + "…" + string(name[len(name)-16:])
}
