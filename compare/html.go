package compare

import (
	_ "embed"
	"html/template"
	"io"

	"github.com/yocobench/yocobench/internal/units"
)

//go:embed comparison.html.tmpl
var pageText string

var pageTemplate = template.Must(template.New("comparison").Parse(pageText))

// HTML writes the comparison as the body of a page that uses the style sheet of report.html.
// Verdicts on gates come first.
func (c *Comparison) HTML(w io.Writer) error {
	type row struct {
		Case, Base, New, Change, Evidence, Class string
	}
	type group struct {
		Title, Unit string
		Rows        []row
		Mean        string
		Notes       []string
	}
	type gateRow struct {
		Verdict, Class, Text string
		Lines                []string
	}
	data := struct {
		*Comparison
		Outcome, Intervals string
		Verdict, Class     string
		GateNote           string
		GateRows           []gateRow
		Changed            []group
		Same               []string
	}{Comparison: c, Outcome: c.outcome(), Intervals: percentOf(c.Confidence) + " intervals; differences are significant at p ≤ " + short(c.Alpha)}
	if c.Gates != nil {
		data.Verdict, data.Class = string(c.Gates.Verdict), verdictClass(c.Gates.Verdict)
		if c.Gates.Note != c.Note {
			data.GateNote = c.Gates.Note
		}
		for _, g := range c.Gates.Gates {
			data.GateRows = append(data.GateRows, gateRow{string(g.Verdict), verdictClass(g.Verdict), clean(g.Gate.Text), g.Lines()})
		}
	}
	for _, g := range c.Groups {
		name := clean(g.Task + "." + g.Metric)
		if g.count(Equal) == len(g.Changes) {
			data.Same = append(data.Same, name+" ("+units.Plural(float64(len(g.Changes)), "case")+")")
			continue
		}
		out := group{Title: name, Unit: clean(g.Unit) + ", " + directionText(g.Better)}
		rows, notes := g.rows()
		for i, r := range rows {
			out.Rows = append(out.Rows, row{r[0], clean(r[1]), clean(r[2]), r[3], r[4], changeClass(g.Changes[i].Verdict)})
		}
		if g.Ratio != nil && len(g.Changes) > 1 {
			out.Mean = percent(g.Ratio)
		}
		for i, n := range notes {
			out.Notes = append(out.Notes, footnote(i)+" "+clean(n))
		}
		data.Changed = append(data.Changed, out)
	}
	return pageTemplate.Execute(w, data)
}

// verdictClass returns the CSS class of a gate's verdict.
func verdictClass(v Verdict) string {
	return map[Verdict]string{Passed: "ok", Regressed: "failed", Broken: "failed", Undecided: "fair"}[v]
}

// changeClass returns the CSS class of a change.
func changeClass(v Verdict) string {
	return map[Verdict]string{Better: "good", Worse: "poor", Differs: "fair", Unknown: "dim", Equal: "dim"}[v]
}
