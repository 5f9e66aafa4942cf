package reports

import (
	"bytes"
	"embed"
	"fmt"
	"html"
	"html/template"
	"image/color"
	"io"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

//go:embed page
var pageFiles embed.FS

var pageTemplate = template.Must(template.ParseFS(pageFiles, "page/report.html.tmpl"))

// page is the data of report.html's template.
type page struct {
	Title, Total, Command string
	CSS                   template.CSS
	JS                    template.JS
	Counts                []pageCount
	Gates                 *pageGates
	Sections              []pageSection
	Problems, Cases       []pageCase
	Environment           []pageFact
	Notes                 []string
	// Details holds the details of heatmap cells, indexed by their data-at.
	Details []pageDetail
	perCell int
	// Trends marks a page of many runs, which has no single environment.
	Trends bool
}

type (
	pageCount struct{ N, Status, Class string }
	pageGates struct {
		Verdict, Class, Note string
		List                 []pageGate
	}
	pageGate struct {
		Verdict, Class, Text string
		Lines                []string
	}
	pageFact    struct{ Name, Value string }
	pageSection struct {
		ID, Title, Lead string
		Heats           []pageHeat
		Figures         []pageFigure
		Tables          []pageTable
	}
	pageFigure struct {
		ID  string
		SVG template.HTML
	}
	pageTable struct {
		Title      string
		Notes      []string
		Prose      bool
		Head       []pageCell
		Rows, Foot [][]pageCell
	}
	pageCell struct {
		Text, Class string
		Head        bool
	}
	pageHeat struct {
		Title, Note, Corner string
		Head                []string
		Rows, Foot          []pageHeatRow
	}
	pageHeatRow struct {
		Name  string
		Cells []pageHeatCell
	}
	pageHeatCell struct {
		Text, Class string
		Color, Ink  template.CSS
		Has         bool
		At          int
	}
	pageCase struct{ Label, Model, Status, Class, Reason, Seconds, Command string }
	// pageDetail is the content of the side panel for a cell.
	pageDetail struct {
		Title   string      `json:"title"`
		Facts   [][2]string `json:"facts"`
		Command string      `json:"command"`
		Trials  []pageTrial `json:"trials,omitempty"`
		More    string      `json:"more,omitempty"`
	}
	pageTrial struct {
		Hit  bool        `json:"hit"`
		Head string      `json:"head"`
		Rows [][2]string `json:"rows"`
	}
)

// StyleSheet returns the CSS of report.html, for other pages in the same style.
func StyleSheet() string {
	css, _ := pageFiles.ReadFile("page/report.css")
	return string(css)
}

// html writes report.html, which loads no other file.
func (v *view) html(out io.Writer) error {
	p, err := newPage(v.heading())
	if err != nil {
		return err
	}
	p.Command, p.Notes = clean(v.run.Command), v.notes()
	p.perCell = v.perCell()
	v.pageCounts(p)
	p.Gates = v.pageGates()
	for _, s := range v.sections {
		section, err := v.pageSection(p, s)
		if err != nil {
			return err
		}
		p.Sections = append(p.Sections, section)
	}
	for _, row := range v.environment().rows {
		p.Environment = append(p.Environment, pageFact{row[0].text, row[1].text})
	}
	problems := 0
	for i := range v.journal.Records {
		ok := v.journal.Records[i].Status == result.OK
		if !ok {
			problems++
		}
		if len(p.Cases) == maxCases && (ok || len(p.Problems) == maxRows) {
			continue
		}
		c := v.pageCase(&v.journal.Records[i])
		if len(p.Cases) < maxCases {
			p.Cases = append(p.Cases, c)
		}
		if !ok && len(p.Problems) < maxRows {
			p.Problems = append(p.Problems, c)
		}
	}
	for _, s := range []string{firstOf(len(p.Cases), len(v.journal.Records), "cases"), firstOf(len(p.Problems), problems, "cases without a result")} {
		if s != "" {
			p.Notes = append(p.Notes, "The page lists the "+s+elsewhere+".")
		}
	}
	return p.write(out)
}

// newPage returns an empty page.
func newPage(title string) (*page, error) {
	js, err := pageFiles.ReadFile("page/report.js")
	if err != nil {
		return nil, err
	}
	return &page{Title: title, CSS: template.CSS(StyleSheet()), JS: template.JS(js), Details: []pageDetail{}}, nil
}

// write writes the page, or nothing if rendering fails.
func (p *page) write(out io.Writer) error {
	var buf bytes.Buffer
	if err := pageTemplate.ExecuteTemplate(&buf, "report.html.tmpl", p); err != nil {
		return err
	}
	_, err := out.Write(buf.Bytes())
	return err
}

func (v *view) pageCounts(p *page) {
	counts, missing := v.counts()
	for _, c := range counts {
		p.Counts = append(p.Counts, pageCount{fmt.Sprint(c.N), c.Status, statusClass(c.Status)})
	}
	if missing > 0 {
		p.Counts = append(p.Counts, pageCount{fmt.Sprint(missing), "not run", "missing"})
	}
	p.Total, _, _ = strings.Cut(v.outcome(), ":")
}

func (v *view) pageGates() *pageGates {
	g := v.gates()
	if g == nil {
		return nil
	}
	out := &pageGates{Verdict: g.heading(), Class: verdictClass(g.Verdict), Note: g.Note}
	for _, x := range g.List {
		out.List = append(out.List, pageGate{x.Verdict, verdictClass(x.Verdict), x.Text, x.Lines})
	}
	return out
}

// verdictClass returns the CSS class of a verdict.
func verdictClass(verdict string) string {
	return map[tone]string{good: "ok", bad: "failed", fair: "fair"}[toneOf(verdict)]
}

// statusClass returns the CSS class of a status, if the style sheet has one.
func statusClass(status string) string {
	if slices.Contains(statuses, result.Status(status)) {
		return status
	}
	return "missing"
}

func (v *view) pageCase(r *result.Record) pageCase {
	status := cleantext.Ellipsis(clean(string(r.Status)), 20)
	return pageCase{caseLabel(r), label(r.Model), status, statusClass(status), cleantext.Ellipsis(clean(r.Reason), 1000), units.Seconds(r.Seconds), v.reproduce(r)}
}

func (v *view) pageSection(p *page, s section) (pageSection, error) {
	out := pageSection{ID: s.id, Title: s.title, Lead: s.lead}
	for _, f := range s.figures {
		if err := v.ctx.Err(); err != nil {
			return out, err
		}
		if f.heat {
			continue // the page shows these as interactive tables
		}
		svg, err := f.inline()
		if err != nil {
			return out, fmt.Errorf("%s: %w", f.id, err)
		}
		out.Figures = append(out.Figures, pageFigure{"figure-" + f.id, svg})
	}
	for _, t := range s.tables {
		if t.heat != nil {
			out.Heats = append(out.Heats, v.pageHeat(p, t))
			continue
		}
		out.Tables = append(out.Tables, pageTableOf(t, s.title))
	}
	return out, nil
}

var toneClass = map[tone]string{good: "good", fair: "fair", poor: "poor", dim: "dim", bad: "bad"}

func pageTableOf(t table, fallback string) pageTable {
	out := pageTable{Title: t.title, Notes: t.notes, Prose: t.prose}
	if out.Title == "" {
		out.Title = fallback
	}
	for i, h := range t.head {
		c := pageCell{Text: h}
		if i < t.fixed {
			c.Class = "name"
		}
		out.Head = append(out.Head, c)
	}
	rows := func(in [][]cell) (rows [][]pageCell) {
		for _, r := range in {
			row := make([]pageCell, len(r))
			for i, c := range r {
				row[i] = pageCell{c.text, toneClass[c.tone], i < t.fixed}
			}
			rows = append(rows, row)
		}
		return rows
	}
	out.Rows, out.Foot = rows(t.rows), rows(t.foot)
	return out
}

// pageHeat returns a table of needle scores with coloured cells.
func (v *view) pageHeat(p *page, t table) pageHeat {
	out := pageHeat{Title: t.title, Note: strings.Join(t.notes, " "), Corner: t.heat.corner, Head: t.head[t.fixed:]}
	for i, records := range t.heat.at {
		r := pageHeatRow{Name: t.heat.names[i]}
		for _, rec := range records {
			h := pageHeatCell{Text: t.heat.score(rec).text, Class: "none"}
			if m, ok := metric(rec, t.heat.metric); ok {
				bg := shade(m.Value)
				h.Class, h.Color, h.Ink = "score", hex(bg), hex(onShade(bg))
			}
			if rec != nil {
				h.Has, h.At = true, len(p.Details)
				p.Details = append(p.Details, v.pageDetail(rec, t.heat.scoring, p.perCell))
			}
			r.Cells = append(r.Cells, h)
		}
		out.Rows = append(out.Rows, r)
	}
	for _, row := range t.foot {
		r := pageHeatRow{Name: row[0].text}
		for _, c := range row[t.fixed:] {
			r.Cells = append(r.Cells, pageHeatCell{Text: c.text})
		}
		out.Foot = append(out.Foot, r)
	}
	return out
}

func hex(c color.NRGBA) template.CSS {
	return template.CSS(fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B))
}

// A page contains at most cellTrials trials per cell, wrong ones first, and about pageTrials in
// total, so that a browser opens the page of ten thousand cases in seconds.
const (
	cellTrials = 12
	pageTrials = 20_000
)

// perCell returns the number of trials per cell on the page.
func (v *view) perCell() int {
	cells := 0
	for i := range v.journal.Records {
		if len(v.journal.Records[i].Trials) > 0 {
			cells++
		}
	}
	return max(1, min(cellTrials, pageTrials/max(1, cells)))
}

// pageDetail returns the details of a needle case, with at most most trials.
func (v *view) pageDetail(r *result.Record, how scoring, most int) pageDetail {
	d := pageDetail{Title: caseLabel(r) + " · " + label(r.Model), Command: v.reproduce(r)}
	fact := func(name, value string) {
		if value != "" {
			d.Facts = append(d.Facts, [2]string{name, value})
		}
	}
	if r.Status != result.OK {
		fact("status", cleantext.Ellipsis(clean(string(r.Status)), 20))
		fact("reason", cleantext.Ellipsis(clean(r.Reason), 1000))
	}
	for _, m := range v.tasks[r.Task].Metrics {
		x, ok := metric(r, m.Name)
		if !ok {
			continue
		}
		value := units.Amount(x.Value, x.Unit)
		switch {
		case m.Name == how.actual:
			value = units.Percent(x.Value)
		case x.Unit == "nats":
			value += " nats"
		}
		if b := interval(x); b != "" && x.Level > 0 {
			value += fmt.Sprintf(" (%s at %s)", b, units.Percent(x.Level))
		}
		fact(m.Head, value)
	}
	if _, n := how.trials(r); n > 0 {
		fact("trials", fmt.Sprint(n))
	}
	order := make([]int, len(r.Trials))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch x, y := r.Trials[a].Points(), r.Trials[b].Points(); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	for _, i := range order[:min(len(order), most)] {
		d.Trials = append(d.Trials, pageTrialOf(i, r.Trials[i]))
	}
	if n := len(order) - most; n > 0 {
		d.More = fmt.Sprintf("and %d more, with equal or better scores: see results.json", n)
	}
	return d
}

func pageTrialOf(i int, t result.Trial) pageTrial {
	out := pageTrial{Hit: t.Points() >= 1, Head: fmt.Sprintf("trial %d: exact %s, contains %s", i+1, units.Fraction(t.Exact), units.Fraction(t.Contains))}
	if t.Score != nil {
		out.Head = fmt.Sprintf("trial %d: score %s", i+1, units.Fraction(*t.Score))
	}
	add := func(name, value string) {
		if value != "" {
			out.Rows = append(out.Rows, [2]string{name, cleantext.Ellipsis(value, 2000)})
		}
	}
	words := func(list []string) string { return clean(strings.Join(list, " | ")) }
	add("question", clean(t.Question))
	add("expected", words(t.Expected))
	add("answer", clean(t.Answer))
	add("facts", words(t.Facts))
	add("distractors", words(t.Distractors))
	if t.Score == nil {
		add("log-probability", units.Loss(t.LogProb)+" nats")
	}
	add("tokens", fmt.Sprint(t.Tokens))
	var depths []string
	for _, x := range t.Depths[:min(len(t.Depths), 64)] {
		depths = append(depths, units.Percent(x))
	}
	add("depths", strings.Join(depths, ", "))
	return out
}

// inline draws a figure as an SVG element in the colours of the page's theme. Its hover points are
// focusable elements.
func (f *figure) inline() (template.HTML, error) {
	data, hots, err := f.svg()
	if err != nil {
		return "", err
	}
	body := string(data)
	start, end := strings.Index(body, "<g "), strings.LastIndex(body, "</svg>")
	if start < 0 || end < start {
		return "", fmt.Errorf("an SVG without content")
	}
	body = theme.Replace(body[start:end])
	var b strings.Builder
	height := f.layout(measurer()).height
	fmt.Fprintf(&b, `<svg viewBox="0 0 %.5g %.5g" role="group" aria-label="%s">`, figureWidth.Points(), height.Points(), html.EscapeString(f.alt))
	b.WriteString("\n" + body)
	for _, h := range hots {
		fmt.Fprintf(&b, `<circle class="hot" cx="%.1f" cy="%.1f" r="6" tabindex="-1" role="img"><title>%s</title></circle>`+"\n", h.x, h.y, html.EscapeString(h.text))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()), nil
}

// theme replaces the colours of pictures by CSS variables.
var theme = func() *strings.Replacer {
	var pairs []string
	add := func(c color.NRGBA, name string) {
		pairs = append(pairs, fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B), "var(--"+name+")")
		// The SVG writer rounds translucent colours.
		c.A = pale
		r, g, b, a := c.RGBA()
		opaque := func(v uint32) int { return int(float64(v) * (255 / float64(a))) }
		pairs = append(pairs, fmt.Sprintf("#%02X%02X%02X", opaque(r), opaque(g), opaque(b)), "var(--"+name+")")
	}
	add(ink, "ink")
	add(muted, "muted")
	add(rule, "rule")
	add(paper, "paper")
	for i, s := range styles {
		add(s.color, fmt.Sprintf("s%d", i))
	}
	pairs = append(pairs, "font-family:Liberation Sans;", "font-family:'Liberation Sans',Arial,Helvetica,sans-serif;")
	return strings.NewReplacer(pairs...)
}()
