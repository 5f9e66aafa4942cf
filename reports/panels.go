package reports

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot/vg"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/stats"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// panelSet holds the scores of a group by model, kind and length. A kind is a value on the second
// axis, and a length one on the first.
type panelSet struct {
	g *group
	scoring
	view    result.View
	lengths []float64
	// kinds are in order: numbers ascending, other values as in the journal. There is one kind, "",
	// if the task has no second axis.
	kinds []string
	// ladders holds the scores of each model by kind.
	ladders map[string][]ladder
	// at holds the records of each model: [kind][length], nil if the suite has no such case. It is
	// nil if records have their scores at all lengths in a series.
	at map[string][][]*result.Record
}

// panelsOf collects the records of a ViewPanels.
func (g *group) panelsOf(w result.View) *panelSet {
	p := &panelSet{g: g, scoring: scoring{metric: w.Metrics[0], separate: g.separate()}, view: w, kinds: g.kinds(), ladders: map[string][]ladder{}}
	if p.lengths = numbers(g.records, g.about.x()); len(p.lengths) == 0 {
		p.collectSeries()
		return p
	}
	p.at = map[string][][]*result.Record{}
	column, row := places(p.lengths), indices(p.kinds)
	for _, m := range g.models {
		rows := make([][]*result.Record, len(p.kinds))
		for i := range rows {
			rows[i] = make([]*result.Record, len(p.lengths))
		}
		p.at[m] = rows
	}
	for _, r := range g.records {
		if x, ok := number(r, g.about.x()); ok {
			p.at[r.Model][row[g.kind(r)]][column[x]] = r
		}
	}
	for _, m := range g.models {
		for k, name := range p.kinds {
			l := ladder{model: m, name: name, lengths: p.lengths}
			for _, r := range p.at[m][k] {
				l.at = append(l.at, p.rung([]*result.Record{r}))
				if len(l.at) == l.base()+1 {
					l.guess = guessOf(r, w.Guess)
				}
			}
			p.ladders[m] = append(p.ladders[m], l)
		}
	}
	return p
}

// collectSeries collects the records that have their scores at all lengths in a series.
func (p *panelSet) collectSeries() {
	of := func(r *result.Record) result.Series {
		s, _ := series(r, p.metric)
		for _, x := range s.X {
			if !(x >= 1 && x <= 1e15) {
				return result.Series{}
			}
		}
		return thin(s, maxPlaces)
	}
	seen := map[float64]bool{}
	for _, r := range p.g.records {
		for _, x := range of(r).X {
			if !seen[x] && len(p.lengths) < maxPlaces {
				seen[x] = true
				p.lengths = append(p.lengths, x)
			}
		}
	}
	slices.Sort(p.lengths)
	column, row := places(p.lengths), indices(p.kinds)
	for _, m := range p.g.models {
		for _, name := range p.kinds {
			p.ladders[m] = append(p.ladders[m], ladder{model: m, name: name, lengths: p.lengths, at: make([]rung, len(p.lengths))})
		}
	}
	for _, r := range p.g.records {
		l := &p.ladders[r.Model][row[p.g.kind(r)]]
		s := of(r)
		for i, x := range s.X {
			c, ok := column[x]
			if !ok || math.IsNaN(s.Y[i]) {
				continue
			}
			l.at[c] = rung{value: s.Y[i], known: &stats.Estimate{Value: s.Y[i], Lo: math.Inf(-1), Hi: math.Inf(1)}, level: stats.EffectiveLevel}
			if s.Lo != nil && s.Lo[i] <= s.Y[i] && s.Y[i] <= s.Hi[i] {
				l.at[c].known.Lo, l.at[c].known.Hi = s.Lo[i], s.Hi[i]
			}
			if s.N != nil {
				l.at[c].trials = s.N[i]
			}
		}
		if len(s.X) == 0 {
			l.failed = short(r)
		}
		l.guess = guessOf(r, p.view.Guess)
		planned := map[float64]bool{}
		list, _ := r.Params["lengths"].([]any)
		for _, x := range list[:min(len(list), maxPlaces)] {
			if x, ok := x.(float64); ok && x >= 1 && x <= 1e15 {
				planned[x] = true
			}
		}
		for c, x := range p.lengths {
			if len(planned) > 0 && !planned[x] && !l.at[c].ok() {
				l.at[c].why = short(&result.Record{Status: result.Unsupported}) // other kinds fit
			}
		}
		l.state(r, p.view)
		for x := range planned {
			if l.stated != nil && !slices.Contains(p.lengths, x) {
				l.unasked = append(l.unasked, x)
			}
		}
		slices.Sort(l.unasked)
	}
}

// state sets the bounds of the effective length that a record states.
func (l *ladder) state(r *result.Record, w result.View) {
	if len(w.Effective) != 4 || len(l.lengths) == 0 {
		return
	}
	asked := l.asked()
	index := func(name string, none int) int {
		if m, ok := metric(r, name); ok {
			if i := slices.IndexFunc(asked, func(i int) bool { return l.lengths[i] == m.Value }); i >= 0 {
				return i
			}
		}
		return none
	}
	for i := 0; i < 4; i += 2 {
		l.stated = append(l.stated, stats.Bounds{Passes: index(w.Effective[i], -1), Fails: index(w.Effective[i+1], len(asked))})
	}
}

// asked returns the indices of the lengths that the record of the ladder could ask at.
func (l *ladder) asked() (out []int) {
	for i, r := range l.at {
		if r.ok() || r.why == "" {
			out = append(out, i)
		}
	}
	return out
}

// indices returns the index of each name.
func indices(names []string) map[string]int {
	out := make(map[string]int, len(names))
	for i, name := range names {
		out[name] = i
	}
	return out
}

// kind returns a record's value on the second axis as text.
func (g *group) kind(r *result.Record) string {
	a := g.about.axis(1)
	if a == nil {
		return ""
	}
	if x, ok := number(r, a.Param); ok {
		return axisText(a, []float64{x})(x)
	}
	return cleantext.Ellipsis(word(r, a.Param), 40)
}

// kinds returns the values on the second axis.
func (g *group) kinds() (out []string) {
	seen := map[string]bool{}
	see := func(k string) {
		if !seen[k] {
			seen[k] = true
			out = append(out, k)
		}
	}
	if a := g.about.axis(1); a != nil {
		for _, x := range numbers(g.records, a.Param) {
			see(axisText(a, []float64{x})(x))
		}
	}
	for _, r := range g.records {
		see(g.kind(r))
	}
	return out
}

// kindTitle returns the heading of the kinds.
func (p *panelSet) kindTitle() string {
	if a := p.g.about.axis(1); a != nil {
		return heading(a)
	}
	return ""
}

// of returns the ladders of a model by kind and, if there are several kinds, that of their mean. A
// model whose lengths were chosen by an adaptive search has no mean, because its scores depend on
// how often it was asked.
func (p *panelSet) of(model string) (kinds []ladder, mean *ladder) {
	for _, l := range p.ladders[model] {
		if !l.absent() {
			kinds = append(kinds, l)
		}
	}
	if len(kinds) > 1 && p.at != nil {
		m := meanOf(kinds)
		return kinds, &m
	}
	return kinds, nil
}

// addPanels adds the tables and the picture of a ViewPanels.
func (v *view) addPanels(s *section, g *group, w result.View, ids map[string]bool) {
	p := g.panelsOf(w)
	if len(p.lengths) == 0 {
		s.tables = append(s.tables, metricsTable(g))
		return
	}
	for _, m := range g.models {
		s.tables = append(s.tables, v.panelTable(p, m, unique(ids, g.id+"-"+slug(m))))
	}
	s.tables = append(s.tables, v.checksTable(p, unique(ids, g.id+"-checks")))
	s.figures = append(s.figures, figures(v.panelFigure(p))...)
}

// floorMark marks the rows of models that cannot do a kind at the shortest length.
const floorMark = "†"

// panelTable shows the scores of a model by kind and length, each with its interval.
func (v *view) panelTable(p *panelSet, model, id string) table {
	g := p.g
	out := table{id: id, title: joined(p.view.Title, g.name, label(model)), head: []string{p.kindTitle()}, fixed: 1}
	how := "95 %, Wilson"
	if p.at == nil {
		how = "95 %, valid whenever the trials stop; n: trials"
	} else {
		out.heat = &heatRows{scoring: p.scoring, corner: p.kindTitle()}
	}
	out.notes = []string{joined(p.words()+"; intervals: "+how, p.trialsText(g.records), g.describe())}
	length := axisText(g.about.axis(0), p.lengths)
	for _, l := range p.lengths {
		out.head = append(out.head, length(l))
	}
	marked := false
	for k, l := range p.ladders[model] {
		if l.absent() {
			continue
		}
		name := l.name
		if l.floor() {
			name, marked = name+" "+floorMark, true
		}
		row, bounds, counts := texts(name), texts(""), texts("")
		for i, r := range l.at {
			bounds, counts = append(bounds, r.bounds()), append(counts, cell{fmt.Sprint("n ", r.trials), dim})
			switch {
			case p.at != nil:
				row = append(row, p.score(p.at[model][k][i]))
			case r.ok():
				row = append(row, cell{units.Fraction(r.value), grade(r.value)})
			default:
				row, counts[i+1] = append(row, cell{}), cell{}
			}
		}
		out.rows = append(out.rows, row, bounds)
		if p.at == nil {
			out.rows = append(out.rows, counts)
			continue
		}
		out.heat.names, out.heat.at = append(out.heat.names, name), append(out.heat.at, p.at[model][k])
	}
	if _, mean := p.of(model); mean != nil {
		foot := [][]cell{texts("mean"), {{"95 % from", dim}}, {{"to", dim}}}
		for _, r := range mean.at {
			cells := [3]cell{}
			if r.ok() {
				x := r.shown()
				cells = [3]cell{{units.Fraction(x.Value), grade(x.Value)}, {units.Fraction(x.Lo), dim}, {units.Fraction(x.Hi), dim}}
			}
			for f := range foot {
				foot[f] = append(foot[f], cells[f])
			}
		}
		out.foot = foot
	}
	if marked {
		out.notes = append(out.notes, floorNote)
	}
	return out
}

const floorNote = floorMark + " floor: at the shortest length the score's interval includes guessing, or the score is less than a tenth of the rest above it. Scores at longer lengths say nothing."

// checksTable shows for each kind what the scorer gives without reading: to a guess, and to an
// answer that repeats the context; and every model's score at its shortest length.
func (v *view) checksTable(p *panelSet, id string) table {
	out := table{id: id, title: joined(p.view.Title+": scorer checks", p.g.name), head: []string{p.kindTitle()}, fixed: 1}
	out.notes = append(out.notes, "Scores at the shortest length next to the scores of answers that need no understanding.")
	checks := [][2]string{}
	if p.view.Guess != "" {
		checks = append(checks, [2]string{p.view.Guess, "guess: expected score of a guess"})
	}
	if p.view.Repeat != "" {
		checks = append(checks, [2]string{p.view.Repeat, "repeat: score of an answer that repeats the context"})
	}
	for _, c := range checks {
		info, _ := p.g.about.Metric(c[0])
		out.head = append(out.head, info.Head)
		out.notes = append(out.notes, c[1]+".")
	}
	for _, m := range p.g.models {
		out.head = append(out.head, label(m))
	}
	marked := false
	for k, name := range p.kinds {
		row := texts(name)
		for _, c := range checks {
			row = append(row, cell{text: p.span(k, c[0])})
		}
		for _, m := range p.g.models {
			l := p.ladders[m][k]
			c := cell{}
			if b := l.base(); b < len(l.at) {
				c = cell{units.Fraction(l.at[b].value), grade(l.at[b].value)}
				if l.floor() {
					c.text, marked = c.text+" "+floorMark, true
				}
			}
			row = append(row, c)
		}
		out.rows = append(out.rows, row)
	}
	if marked {
		out.notes = append(out.notes, floorNote)
	}
	return out
}

// span formats the smallest and largest value of a metric in the records of a kind.
func (p *panelSet) span(kind int, name string) string {
	var all []float64
	for _, r := range p.g.records {
		if x, ok := metric(r, name); ok && p.g.kind(r) == p.kinds[kind] {
			all = append(all, x.Value)
		}
	}
	if len(all) == 0 {
		return ""
	}
	lo, hi := units.Fraction(slices.Min(all)), units.Fraction(slices.Max(all))
	if lo == hi {
		return lo
	}
	return lo + "–" + hi
}

// panelColumns is the maximum number of columns of small panels.
const panelColumns = 3

// panelFigure draws a small panel for each kind, and one for their mean, with a curve for each
// model.
func (v *view) panelFigure(p *panelSet) *figure {
	g := p.g
	styleOf := v.stylesOf(g.models)
	f := &figure{id: g.id, title: joined(p.view.Title, g.name), legend: keysOf(styleOf, g.models)}
	f.subtitle = joined(p.words()+" with 95 % intervals", p.trialsText(g.records), g.describe())
	f.alt = f.title + ": " + p.words() + " by " + g.about.axis(0).Label + ", a panel for each " + p.kindTitle() + "; the tables below list the values."
	names, of := slices.Clone(p.kinds), make([][]ladder, len(p.kinds))
	mean := []ladder{}
	for _, m := range g.models {
		for k := range p.kinds {
			of[k] = append(of[k], p.ladders[m][k])
		}
		if _, l := p.of(m); l != nil {
			mean = append(mean, *l)
		}
	}
	if len(mean) > 0 {
		names, of = append([]string{"mean of all"}, names...), append([][]ladder{mean}, of...)
	}
	columns := min(len(names), panelColumns)
	if len(names) == 4 {
		columns = 2
	}
	var all []*chart
	guessed, floors := false, false
	for i, name := range names {
		c := v.panelChart(p, of[i], styleOf)
		floors = floors || c.title != ""
		c.title, c.tall = name+c.title, 78
		if len(names) <= 2 {
			c.tall = 150
		}
		c.y.quiet, c.x.quiet = i%columns > 0, i+columns < len(names)
		if columns > 1 {
			c.x.label = g.about.axis(0).Short
			c.y.label = ""
		}
		guessed = guessed || c.guess > 0
		all = append(all, c)
	}
	share(xOf, all...)
	for i := 0; i < len(all); i += columns {
		f.rows = append(f.rows, panels(all[i:min(i+columns, len(all))]))
	}
	if floors {
		f.subtitle = joined(f.subtitle, "floor: models that cannot do the kind")
	}
	if p.threshold() {
		f.legend = append(f.legend, key{style: style{color: muted, marker: noMarker, dash: limitDash}, name: fmt.Sprintf("passes: %g", stats.RulerThreshold), apart: true})
	}
	if guessed {
		f.legend = append(f.legend, key{style: style{color: muted, marker: noMarker}, dotted: true, name: "a guess", apart: !p.threshold()})
	}
	return f.ready(all...)
}

// threshold reports whether the metric has an effective length.
func (p *panelSet) threshold() bool {
	m, ok := p.g.about.quality()
	return ok && m.Name == p.metric
}

// panelChart draws the ladders of the models in one panel.
func (v *view) panelChart(p *panelSet, ladders []ladder, styleOf map[string]style) *chart {
	x0 := p.g.about.axis(0)
	c := &chart{x: chartAxis(x0, x0.Label, p.lengths), y: axis{label: p.words(), unit: "fraction"}}
	length := axisText(x0, p.lengths)
	floor := 0
	for _, l := range ladders {
		line := curveLine{style: styleOf[l.model], bars: len(p.lengths) == 1}
		for i, r := range l.at {
			at := length(p.lengths[i])
			if !r.ok() {
				if r.why != "" {
					line.lost, line.reasons = append(line.lost, p.lengths[i]), append(line.reasons, hint(label(l.model), at, r.why, ""))
				}
				continue
			}
			x := r.shown()
			line.x, line.y, line.lo, line.hi = append(line.x, p.lengths[i]), append(line.y, x.Value), append(line.lo, x.Lo), append(line.hi, x.Hi)
			line.hints = append(line.hints, hint(label(l.model), at, units.Fraction(x.Value), "\n95 %: "+units.Fraction(x.Lo)+"–"+units.Fraction(x.Hi)))
		}
		c.add(line)
		c.guess = max(c.guess, l.guess)
		if l.floor() {
			floor++
		}
	}
	c.dodge = len(p.lengths) == 1
	if floor > 0 {
		c.title = fmt.Sprintf(" · floor: %d", floor) // short, so that it fits next to the longest kind
	}
	c.y.see(0)
	c.y.see(1)
	if p.threshold() {
		c.limit = stats.RulerThreshold
	}
	return c
}

// limitDash is the line of a threshold.
var limitDash = []vg.Length{4, 3}
