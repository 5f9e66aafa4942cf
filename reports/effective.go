package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/stats"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// A ladder holds the scores of one model by length, of which the effective length is computed.
type ladder struct {
	model, name string
	lengths     []float64
	at          []rung
	// guess is the score of a guess at the shortest length.
	guess float64
	// stated holds the bounds of the effective length by both rules, as indices of asked, if the
	// record of the ladder states them. failed is the reason for which it has no scores.
	stated []stats.Bounds
	failed string
	// unasked are lengths of the suite that are not among lengths: no model was asked there.
	unasked []float64
}

// rung is the score at one length.
type rung struct {
	value float64
	// hits and n are the sums of scores and the numbers of trials, by cluster of trials that share
	// a text.
	hits, n []float64
	// trials is the number of trials of a known score.
	trials int
	// known is the interval of a score without trials, at its level.
	known *stats.Estimate
	level float64
	// parts are the scores of which this one is the mean.
	parts []rung
	// why is the reason for which there is no score: "oom", or "" if the suite has no such case.
	why string
}

func (r rung) ok() bool { return r.known != nil || len(r.n) > 0 || len(r.parts) > 0 }

// estimate returns the score with an interval at a two-sided level. interval computes that of
// trials in clusters.
func (r rung) estimate(level float64, interval func(hits, n []float64, level float64) (lo, hi float64)) stats.Estimate {
	switch {
	case len(r.parts) > 0:
		var all []stats.Estimate
		for _, p := range r.parts {
			all = append(all, p.estimate(level, interval))
		}
		return stats.Average(all)
	case r.known != nil:
		return r.known.Rescale(r.level, level)
	}
	lo, hi := interval(r.hits, r.n, level)
	return stats.Estimate{Value: r.value, Lo: lo, Hi: hi}
}

// shown returns the score with the interval that tables show.
func (r rung) shown() stats.Estimate { return r.estimate(0.95, stats.Clustered) }

// bounds returns the cell of the interval, without leading zeros to save space.
func (r rung) bounds() cell {
	c := cell{tone: dim}
	if r.ok() {
		x := r.shown()
		c.text = short2(x.Lo) + "–" + short2(x.Hi)
	}
	return c
}

// rung pools the trials of records. If one of them has no score there is none, because the others
// may be the easier ones.
func (s scoring) rung(records []*result.Record) (out rung) {
	sum, trials := 0.0, 0.0
	for _, r := range records {
		m, ok := metric(r, s.metric)
		if !ok || math.IsNaN(m.Value) {
			return rung{why: short(r)}
		}
		k, n := s.trials(r)
		if n == 0 && len(records) == 1 {
			out = rung{value: m.Value, known: &stats.Estimate{Value: m.Value, Lo: math.Inf(-1), Hi: math.Inf(1)}, level: stats.EffectiveLevel}
			if m.Lo != nil && m.Hi != nil && m.Level > 0 && m.Level < 1 && *m.Lo <= m.Value && m.Value <= *m.Hi {
				out.known, out.level = &stats.Estimate{Value: m.Value, Lo: *m.Lo, Hi: *m.Hi}, m.Level
			}
			return out
		}
		hits, counts := s.haystacks(r, k, n)
		out.hits, out.n = append(out.hits, hits...), append(out.n, counts...)
		sum, trials = sum+k, trials+float64(n)
	}
	if trials == 0 {
		return rung{}
	}
	out.value = sum / trials
	return out
}

// base returns the index of the shortest length with a score; the number of lengths if there is
// none.
func (l ladder) base() int {
	if i := slices.IndexFunc(l.at, rung.ok); i >= 0 {
		return i
	}
	return len(l.at)
}

// absent reports that the suite has no case of the ladder.
func (l ladder) absent() bool {
	return l.failed == "" && !slices.ContainsFunc(l.at, func(r rung) bool { return r.ok() || r.why != "" })
}

// floor reports whether the model cannot do the kind at the shortest length: the interval of its
// score includes guessing, or the score is below stats.Floor.
func (l ladder) floor() bool {
	b := l.base()
	if b == len(l.at) {
		return false
	}
	x := l.at[b].shown()
	return !(x.Lo > l.guess && x.Value >= stats.Floor(l.guess))
}

// meanOf returns the means of ladders at the lengths at which all have a score.
func meanOf(ladders []ladder) ladder {
	out := ladder{model: ladders[0].model, name: "mean of all", lengths: ladders[0].lengths}
	for i := range out.lengths {
		m := rung{}
		for _, l := range ladders {
			m.parts = append(m.parts, l.at[i])
			m.value += l.at[i].value / float64(len(ladders))
		}
		if missing := slices.DeleteFunc(slices.Clone(m.parts), rung.ok); len(missing) > 0 {
			m = rung{}
			m.why = missing[0].why
			if len(missing) < len(ladders) {
				m.why = fmt.Sprintf("%s for %d of %d", cmp.Or(m.why, "no score"), len(missing), len(ladders))
			}
		}
		out.at = append(out.at, m)
	}
	for _, l := range ladders {
		out.guess += l.guess / float64(len(ladders))
	}
	return out
}

// lengthsBy returns the bounds of the effective length by a rule, as indices of measured, which
// holds the indices of the lengths with a score.
func (l ladder) lengthsBy(rule stats.Rule) (b stats.Bounds, measured []int) {
	for i, r := range l.at {
		if r.ok() {
			measured = append(measured, i)
		}
	}
	b = stats.Effective(len(measured), func(level float64) (out []stats.Estimate) {
		for _, i := range measured {
			out = append(out, l.at[i].estimate(level, stats.ClusteredExact))
		}
		return out
	}, rule)
	return b, measured
}

// quality returns the task's score of quality by length, of which an effective length is computed.
func (t *task) quality() (result.MetricInfo, bool) {
	i := slices.IndexFunc(t.Metrics, func(m result.MetricInfo) bool {
		return m.Role == result.Quality && m.Kind == result.Share && m.Better == result.Higher
	})
	a := t.axis(0)
	if i < 0 || a == nil || a.Unit != "tokens" {
		return result.MetricInfo{}, false
	}
	return t.Metrics[i], true
}

// ladders returns the ladders of a group: those of its panels, otherwise one for each model and, if
// the second axis of a grid has no numbers, for each value of the third axis. The trials at all
// values of a grid's second axis are pooled.
func (v *view) ladders(g *group, score string) (out []ladder) {
	for _, w := range g.about.Views {
		if w.Kind == result.ViewPanels && w.Metrics[0] == score {
			p := g.panelsOf(w)
			for _, m := range g.models {
				kinds, mean := p.of(m)
				if mean != nil {
					out = append(out, *mean)
				}
				out = append(out, kinds...)
			}
			return out
		}
	}
	how := scoring{metric: score, separate: g.separate()}
	guess := ""
	for _, w := range g.about.Views {
		if slices.Contains(w.Metrics, score) {
			guess = cmp.Or(guess, w.Guess)
		}
	}
	name := func(r *result.Record) string { return "" }
	switch second := g.about.axis(1); {
	case second == nil:
	case len(numbers(g.records, second.Param)) == 0 && g.about.axis(2) != nil:
		third := g.about.axis(2).Param
		name = func(r *result.Record) string {
			if n, ok := number(r, third); ok {
				return g.thirds(n)
			}
			return ""
		}
	case !slices.ContainsFunc(g.about.Views, func(w result.View) bool { return w.Kind == result.ViewGrid }):
		name = g.kind
	}
	lengths := numbers(g.records, g.about.x())
	column := places(lengths)
	type key struct{ model, name string }
	var order []key
	at := map[key][][]*result.Record{}
	for _, r := range g.records {
		x, ok := number(r, g.about.x())
		if !ok {
			continue
		}
		k := key{r.Model, name(r)}
		if at[k] == nil {
			at[k] = make([][]*result.Record, len(lengths))
			order = append(order, k)
		}
		at[k][column[x]] = append(at[k][column[x]], r)
	}
	for _, m := range g.models {
		for _, k := range order {
			if k.model != m {
				continue
			}
			l := ladder{model: m, name: k.name, lengths: lengths}
			for _, records := range at[k] {
				l.at = append(l.at, how.rung(records))
				if len(l.at) == l.base()+1 {
					l.guess = guessOf(records[0], guess)
				}
			}
			out = append(out, l)
		}
	}
	return out
}

// separate reports whether the trials of the group's records are independent: its task does not
// count haystacks that trials share.
func (g *group) separate() bool { return !slices.Contains(g.about.Repeats, "haystacks") }

// guessOf returns the score of a guess in a record, 0 if it does not state one.
func guessOf(r *result.Record, name string) float64 {
	m, _ := metric(r, name)
	return m.Value
}

// addEffective adds the tables of effective lengths of a group, if its task has a score of quality
// at several lengths: one of all models or, if models have several ladders, one of each.
func (v *view) addEffective(s *section, g *group, ids map[string]bool) {
	info, ok := g.about.quality()
	if !ok {
		return
	}
	ladders := slices.DeleteFunc(v.ladders(g, info.Name), func(l ladder) bool { return l.base() == len(l.at) })
	if len(ladders) == 0 || len(ladders[0].lengths) < 2 {
		return
	}
	only := ladders[0].name
	named := slices.ContainsFunc(ladders, func(l ladder) bool { return l.name != only })
	var out []table
	for i, l := range ladders {
		if i == 0 || named && l.model != ladders[i-1].model {
			t := table{id: unique(ids, g.id+"-effective"), title: joined("Effective length", g.about.Title, g.name, only), fixed: 1, prose: true, head: []string{"model"}}
			if named {
				t.id, t.title, t.head = unique(ids, t.id+"-"+slug(l.model)), joined("Effective length", g.about.Title, g.name, label(l.model)), []string{g.ladderTitle()}
			}
			if i == 0 {
				t.notes = effectiveNotes(scoring{metric: info.Name}.words(), l.stated != nil)
			}
			t.head = append(t.head, fmt.Sprintf("passes %g to", stats.RulerThreshold), "fails from", fmt.Sprintf("passes %g of base to", stats.BaseShare), "fails from", "remarks")
			out = append(out, t)
		}
		t := &out[len(out)-1]
		name := label(l.model)
		if named {
			name = l.name
		}
		t.rows = append(t.rows, append(texts(name), l.effective(axisText(g.about.axis(0), l.lengths))...))
	}
	s.tables = append(s.tables, out...)
}

// ladderTitle returns the heading of the names of ladders.
func (g *group) ladderTitle() string {
	a := g.about.axis(1)
	if len(numbers(g.records, a.Param)) == 0 && g.about.axis(2) != nil {
		return g.third()
	}
	return heading(a)
}

// effectiveNotes explains the bounds. searched reports that a search chose the numbers of trials.
func effectiveNotes(score string, searched bool) []string {
	right := "intervals are exact, and those by which lengths fail are corrected for the number of lengths."
	if searched {
		right = "the tests of the search are valid whenever it stops."
	}
	return []string{
		fmt.Sprintf("The longest context at which the %s passes, and passes at all shorter ones. It passes above %g, RULER's threshold; or above %g of the model's own score at the shortest length, its base.",
			score, stats.RulerThreshold, stats.BaseShare),
		fmt.Sprintf("Passes to: the longest length shown to pass. Fails from: the shortest length shown to fail. Lengths between them are undecided. Both bounds of a row are right with %s confidence: %s",
			units.Percent(stats.EffectiveLevel), right),
	}
}

// effective returns the cells of a ladder's row: the bounds by both rules, and remarks.
func (l ladder) effective(length func(float64) string) (row []cell) {
	for i, rule := range []stats.Rule{stats.Above(stats.RulerThreshold), stats.OfBase(stats.BaseShare)} {
		if i == 1 && l.floor() {
			row = append(row, cell{"floor", dim}, cell{"floor", dim})
			continue
		}
		bounds, measured := l.lengthsBy(rule)
		if l.stated != nil {
			bounds, measured = l.stated[i], l.asked()
		}
		passes, fails := cell{"undecided", dim}, cell{"undecided", dim}
		if bounds.Passes >= 0 {
			passes = cell{text: length(l.lengths[measured[bounds.Passes]])}
		} else if bounds.Fails == 0 {
			passes = cell{text: "none"}
		}
		if bounds.Fails < len(measured) {
			fails = cell{text: length(l.lengths[measured[bounds.Fails]])}
		} else if bounds.Passes == len(measured)-1 && len(l.unasked) == 0 {
			fails = cell{text: "none"}
		}
		row = append(row, passes, fails)
	}
	return append(row, cell{l.remarks(length), dim})
}

// remarks names the lengths without a score, by reason: "32Ki, 64Ki oom".
func (l ladder) remarks(length func(float64) string) string {
	var words, reasons []string
	at := map[string][]string{}
	add := func(why string, x float64) {
		if at[why] == nil {
			reasons = append(reasons, why)
		}
		at[why] = append(at[why], length(x))
	}
	for i, r := range l.at {
		if r.ok() {
			continue
		}
		why := r.why
		if why == "" && l.stated != nil {
			why = "not asked"
		} else if why == "" {
			why = "not in the suite"
		}
		add(why, l.lengths[i])
	}
	for _, x := range l.unasked {
		add("not asked", x)
	}
	for _, why := range reasons {
		words = append(words, strings.Join(at[why], ", ")+" "+why)
	}
	return strings.Join(words, "; ")
}
