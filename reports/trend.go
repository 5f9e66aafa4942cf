package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/color"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gonum.org/v1/plot/vg"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/safefile"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// History holds metrics over runs. Package history computes it.
type History struct {
	// Runs is the number of runs. Alpha is the probability of marking a change in a series without
	// one.
	Runs  int     `json:"runs"`
	Alpha float64 `json:"alpha"`
	// Trends is in the order of the first records.
	Trends  []Trend  `json:"trends"`
	Notices []string `json:"notices,omitempty"`
}

// Trend is one metric of one case on one machine, over runs.
type Trend struct {
	Task    string        `json:"task"`
	Model   string        `json:"model"`
	Label   string        `json:"label"`
	Metric  string        `json:"metric"`
	Unit    string        `json:"unit"`
	Better  result.Better `json:"better"`
	Machine string        `json:"machine"`
	Points  []TrendPoint  `json:"points"`
	Changes []TrendChange `json:"changes,omitempty"`
	// Need is the smallest number of runs that can show a change, if there are fewer runs;
	// otherwise 0.
	Need int `json:"runs_needed,omitempty"`
}

// TrendPoint is one run's value.
type TrendPoint struct {
	Run     string    `json:"run"`
	Start   time.Time `json:"start"`
	Version string    `json:"version,omitempty"`
	Commit  string    `json:"commit,omitempty"`
	Value   float64   `json:"value"`
}

// TrendChange is a change of level. Points[At] is the first point at the new level. Before and
// After are the medians between the neighbouring changes. P is the share of random permutations
// with an equal or larger step; it is 0 for exact values.
type TrendChange struct {
	At     int     `json:"at"`
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	P      float64 `json:"p,omitempty"`
}

// verdict returns whether a change is better or worse.
func (t *Trend) verdict(c TrendChange) (string, tone) {
	up := c.After > c.Before
	switch {
	case t.Better == result.Higher && up, t.Better == result.Lower && !up:
		return "better", good
	case t.Better == result.Higher, t.Better == result.Lower:
		return "worse", poor
	}
	return "changed", fair
}

// name returns the name of the case and the metric.
func (t *Trend) name() string { return joined(clean(t.Label), label(t.Model), clean(t.Metric)) }

// run describes a point: its number from 1, its date and commit.
func (t *Trend) run(i int) string {
	p := t.Points[i]
	words := strconv.Itoa(i + 1)
	if !p.Start.IsZero() {
		words += " · " + p.Start.UTC().Format("2006-01-02 15:04")
	}
	if p.Commit != "" {
		words += " · " + shortCommit(p.Commit)
	}
	return words
}

// from returns a point's number and commit, or its date if the commit is unknown.
func (t *Trend) from(i int) string {
	p := t.Points[i]
	switch {
	case p.Commit != "":
		return joined(strconv.Itoa(i+1), shortCommit(p.Commit))
	case !p.Start.IsZero():
		return joined(strconv.Itoa(i+1), p.Start.UTC().Format(time.DateOnly))
	}
	return strconv.Itoa(i + 1)
}

// shortCommit returns the abbreviated hash of a commit.
func shortCommit(s string) string {
	r := []rune(clean(s))
	return string(r[:min(len(r), 8)])
}

// spark draws at most most values, the latest ones, in eight heights.
func spark(points []TrendPoint, most int) string {
	points = points[max(0, len(points)-most):]
	lo, hi := points[0].Value, points[0].Value
	for _, p := range points {
		lo, hi = min(lo, p.Value), max(hi, p.Value)
	}
	var b strings.Builder
	for _, p := range points {
		i := 3
		if hi > lo {
			i = int((p.Value - lo) / (hi - lo) * 7.999)
		}
		b.WriteRune([]rune("▁▂▃▄▅▆▇█")[i])
	}
	return b.String()
}

// tables returns the tables of changes and of trends.
func (h *History) tables() []table {
	changes := table{id: "changes", title: "Change points", head: []string{"case", "from run", "before → after", "change", "p"}, fixed: 1,
		notes: []string{fmt.Sprintf("p: fraction of random permutations of the runs with an equal or larger step; marked at p <= %s, or if an exact value differs", strconv.FormatFloat(h.Alpha, 'g', 2, 64))}}
	var out []table
	for _, machine := range h.machines() {
		all := table{id: "trends", title: "Trends · " + clean(machine), head: []string{"case", "runs", "first", "latest", "change", "trend"}, fixed: 1}
		for i := range h.Trends {
			t := &h.Trends[i]
			if t.Machine != machine {
				continue
			}
			first, last := t.Points[0].Value, t.Points[len(t.Points)-1].Value
			all.rows = append(all.rows, texts(t.name(), strconv.Itoa(len(t.Points)), units.Amount(first, t.Unit), units.Amount(last, t.Unit), units.Change(last, first), spark(t.Points, 16)))
			for _, c := range t.Changes {
				word, tone := t.verdict(c)
				p := "exact"
				if c.P > 0 {
					p = units.Digits(c.P, 2)
				}
				row := texts(t.name(), t.from(c.At), units.Amount(c.Before, t.Unit)+" → "+units.Amount(c.After, t.Unit), strings.TrimSpace(units.Change(c.After, c.Before)+" "+word), p)
				row[3].tone = tone
				changes.rows = append(changes.rows, row)
			}
		}
		out = append(out, all)
	}
	if len(changes.rows) > 0 {
		out = append([]table{changes}, out...)
	}
	return out
}

func (h *History) machines() (out []string) {
	for _, t := range h.Trends {
		if !slices.Contains(out, t.Machine) {
			out = append(out, t.Machine)
		}
	}
	return out
}

// outcome returns a one-line summary.
func (h *History) outcome() string {
	found, short, need := 0, 0, 0
	for _, t := range h.Trends {
		found += len(t.Changes)
		if t.Need > 0 {
			short++
			need = t.Need
		}
	}
	s := joined(units.Plural(float64(h.Runs), "run"), units.Plural(float64(len(h.Trends)), "trend"), units.Plural(float64(found), "change point"))
	if short > 0 {
		s += fmt.Sprintf(". %s too short to show a change: that takes %d runs at --alpha %s", units.Plural(float64(short), "trend"), need, strconv.FormatFloat(h.Alpha, 'g', 2, 64))
	}
	return s
}

// Text writes tables of at most width columns (40 to 100).
func (h *History) Text(out io.Writer, width int) error {
	w := &textWriter{width: min(max(width, 40), 100)}
	w.line(bold, h.outcome())
	for _, n := range h.Notices {
		w.line(dim, clean(n))
	}
	for _, t := range h.tables() {
		w.table(t)
	}
	if w.err != nil {
		return w.err
	}
	_, err := out.Write(w.buf.Bytes())
	return err
}

// Markdown writes the same tables for a page or a CI job's summary.
func (h *History) Markdown(out io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n", cleantext.Markdown(h.outcome()))
	for _, n := range h.Notices {
		fmt.Fprintf(&b, "\n%s\n", cleantext.Markdown(n))
	}
	for _, t := range h.tables() {
		mdTable(&b, t)
	}
	_, err := out.Write(b.Bytes())
	return err
}

// JSON writes h as one document.
func (h *History) JSON(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", " ")
	return e.Encode(h)
}

// HTML writes history.html: the tables, and figures whose points show run, date, commit and value.
func (h *History) HTML(out io.Writer) error {
	p, err := newPage("Metrics over runs")
	if err != nil {
		return err
	}
	p.Total, p.Trends = h.outcome(), true
	s := pageSection{ID: "trends", Title: "Trends"}
	for _, n := range h.Notices {
		p.Notes = append(p.Notes, clean(n))
	}
	for _, f := range h.figures() {
		svg, err := f.inline()
		if err != nil {
			return fmt.Errorf("%s: %w", f.id, err)
		}
		s.Figures = append(s.Figures, pageFigure{"figure-" + f.id, svg})
	}
	for _, t := range h.tables() {
		if t.id == "changes" {
			p.Sections = append(p.Sections, pageSection{ID: t.id, Title: t.title, Tables: []pageTable{pageTableOf(t, t.title)}})
			continue
		}
		s.Tables = append(s.Tables, pageTableOf(t, t.title))
	}
	p.Sections = append(p.Sections, s)
	return p.write(out)
}

// Write writes history.html to an existing folder, and figures as PNG and SVG for each task, metric
// and machine, with at most trendPanels trends in each. It returns the names of the files.
func (h *History) Write(dir string) ([]string, error) {
	var written []string
	var page bytes.Buffer
	if err := h.HTML(&page); err != nil {
		return nil, err
	}
	files := []file{{"history.html", page.Bytes()}}
	for _, f := range h.figures() {
		png, err := f.png(dots)
		if err != nil {
			return written, fmt.Errorf("%s: %w", f.id, err)
		}
		svg, _, err := f.svg()
		if err != nil {
			return written, fmt.Errorf("%s: %w", f.id, err)
		}
		files = append(files, file{f.id + ".png", png}, file{f.id + ".svg", svg})
	}
	for _, x := range files {
		if err := safefile.WriteBytes(filepath.Join(dir, x.name), x.data); err != nil {
			return written, err
		}
		written = append(written, x.name)
	}
	return written, nil
}

// trendPanels is the maximum number of trends in one picture.
const trendPanels = 6

var (
	betterColor = color.NRGBA{0x00, 0x72, 0xb2, 0xff}
	worseColor  = color.NRGBA{0xd5, 0x5e, 0x00, 0xff}
)

func (h *History) figures() (out []*figure) {
	type group struct{ task, metric, machine string }
	var order []group
	members := map[group][]*Trend{}
	for i := range h.Trends {
		t := &h.Trends[i]
		g := group{t.Task, t.Metric, t.Machine}
		if members[g] == nil {
			order = append(order, g)
		}
		members[g] = append(members[g], t)
	}
	used := map[string]bool{}
	for _, g := range order {
		all := members[g]
		for at := 0; at < len(all); at += trendPanels {
			some := all[at:min(at+trendPanels, len(all))]
			id := "history-" + slug(g.task) + "-" + slug(g.metric)
			for n := 2; used[id]; n++ {
				id = fmt.Sprintf("history-%s-%s-%d", slug(g.task), slug(g.metric), n)
			}
			used[id] = true
			f := &figure{id: id, title: joined(clean(g.task), clean(g.metric), "over runs"), subtitle: clean(g.machine), alt: "The metric's value in each run, in order, with change points marked."}
			f.legend = []key{
				{style: style{color: ink, marker: circle}, name: "a run"},
				{style: style{color: betterColor, marker: noMarker}, dotted: true, name: "level; a change for the better"},
				{style: style{color: worseColor, marker: noMarker}, dotted: true, name: "for the worse"},
			}
			for i, t := range some {
				f.rows = append(f.rows, []panel{t.panel(i == len(some)-1)})
			}
			out = append(out, f)
		}
	}
	return out
}

// trendPanel is a chart with vertical marks at changes of level.
type trendPanel struct {
	*chart
	marks []changeMark
}

type changeMark struct {
	x     float64
	text  string
	low   bool // put the text at the bottom, because the line rises
	color color.NRGBA
}

// panel returns the panel of the trend. Only the lowest panel of a figure has the name of the x
// axis.
func (t *Trend) panel(lowest bool) panel {
	c := &chart{title: joined(clean(t.Label), label(t.Model)), tall: 88, x: axis{unit: "run"}, y: axis{unit: t.Unit}}
	if lowest {
		c.x.label = "run"
	}
	curve := curveLine{style: style{color: ink, marker: circle}, fine: true}
	for i, p := range t.Points {
		curve.add(float64(i+1), p.Value, hint("run "+t.run(i), clean(t.Metric), withUnit(p.Value, t.Unit), ""))
	}
	c.add(curve)
	p := &trendPanel{chart: c}
	level := func(from, to int, v float64, col color.NRGBA) {
		l := curveLine{style: style{color: col}, dotted: true}
		l.add(float64(from+1), v, "")
		l.add(float64(to), v, "")
		c.add(l)
	}
	for i, ch := range t.Changes {
		word, _ := t.verdict(ch)
		col := betterColor
		if word == "worse" {
			col = worseColor
		}
		to := len(t.Points)
		if i+1 < len(t.Changes) {
			to = t.Changes[i+1].At
		}
		if i == 0 {
			level(0, ch.At, ch.Before, muted)
		}
		level(ch.At, to, ch.After, col)
		p.marks = append(p.marks, changeMark{float64(ch.At) + 0.5, units.Change(ch.After, ch.Before), ch.After > ch.Before, col})
	}
	return p
}

func (p *trendPanel) draw(d *painter, area vg.Rectangle, left vg.Length) {
	p.chart.draw(d, area, left)
	sty := d.font(smallSize, ink, false)
	for _, m := range p.marks {
		x := area.Min.X + vg.Length(p.x.norm(m.x))*(area.Max.X-area.Min.X)
		d.StrokeLine2(line(m.color, 1, []vg.Length{4, 3}), x, area.Min.Y, x, area.Max.Y)
		sty.Color = m.color
		y, below := area.Max.Y-3, -1.0
		if m.low {
			y, below = area.Min.Y+3, 0
		}
		if x+3+sty.Width(m.text) > area.Max.X {
			d.text(sty, x-3, y, -1, below, m.text)
		} else {
			d.text(sty, x+3, y, 0, below, m.text)
		}
	}
}
