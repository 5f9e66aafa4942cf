package reports

import (
	"fmt"
	"image/color"
	"math"
	"strings"

	"gonum.org/v1/plot/vg"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// ramp holds the colours of scores from 0 to 1: dark red, pale, bluish green. For readers who
// cannot distinguish red from green, its halves still differ in hue and its ends in lightness.
// ramp_test.go checks that.
var ramp = []struct {
	at float64
	c  [3]float64
}{
	{0, [3]float64{0x8b, 0x1a, 0x10}},
	{0.25, [3]float64{0xd3, 0x56, 0x22}},
	{0.5, [3]float64{0xf4, 0xa9, 0x5c}},
	{0.75, [3]float64{0xf6, 0xe8, 0xb8}},
	{0.9, [3]float64{0xa6, 0xd8, 0xc4}},
	{1, [3]float64{0x3f, 0xae, 0x93}},
}

// shade returns the colour of a score.
func shade(v float64) color.NRGBA {
	v = min(max(v, 0), 1)
	if math.IsNaN(v) {
		v = 0
	}
	for i := 1; i < len(ramp); i++ {
		a, b := ramp[i-1], ramp[i]
		if v > b.at {
			continue
		}
		f := (v - a.at) / (b.at - a.at)
		mix := func(k int) uint8 { return uint8(math.Round(a.c[k] + f*(b.c[k]-a.c[k]))) }
		return color.NRGBA{mix(0), mix(1), mix(2), 0xff}
	}
	return color.NRGBA{}
}

// onShade returns black or white, whichever has more contrast with c.
func onShade(c color.NRGBA) color.NRGBA {
	l := luminance(c)
	if 1.05/(l+0.05) > (l+0.05)/0.05 {
		return color.NRGBA{0xff, 0xff, 0xff, 0xff}
	}
	return color.NRGBA{0, 0, 0, 0xff}
}

// luminance returns the relative luminance as defined by WCAG, 0..1.
func luminance(c color.NRGBA) float64 {
	lin := func(v uint8) float64 {
		x := float64(v) / 255
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	return 0.2126*lin(c.R) + 0.7152*lin(c.G) + 0.0722*lin(c.B)
}

// heat is a panel that shows one grid.
type heat struct {
	grid  *grid
	title string
	// first panels show the colour bar, last ones the name of the x axis.
	last bool
	bar  bool
}

func (h *heat) size() vg.Length {
	return vg.Length(min(max(len(h.grid.depths), 2), 20)) * min(20, 200/vg.Length(max(len(h.grid.depths), 1))+8)
}

func (h *heat) margins(p *painter) [4]vg.Length {
	left := vg.Length(0)
	for _, d := range h.grid.depths {
		left = max(left, p.font(tickSize, ink, false).Width(h.grid.depthText(d)))
	}
	bottom := tickSize + 8
	if h.last {
		bottom += textSize + 5
	}
	return [4]vg.Length{min(left, 90) + 8 + textSize + 5, 52, bottom, textSize + 7}
}

func (h *heat) draw(p *painter, area vg.Rectangle, left vg.Length) {
	lo, hi := area.Min, area.Max
	g := h.grid
	cw, ch := (hi.X-lo.X)/vg.Length(len(g.lengths)), (hi.Y-lo.Y)/vg.Length(len(g.depths))
	for d := range g.depths {
		for l := range g.lengths {
			x0, y1 := lo.X+vg.Length(l)*cw, hi.Y-vg.Length(d)*ch
			h.cell(p, g.at[d][l], x0, y1-ch, x0+cw, y1)
		}
	}
	p.frame(lo.X, lo.Y, hi.X, hi.Y, line(muted, 0.7, nil))
	if i, _ := g.beyond(); i < len(g.lengths) {
		x := lo.X + vg.Length(i)*cw
		p.StrokeLine2(line(ink, 1.6, []vg.Length{4, 3}), x, lo.Y-3, x, hi.Y+3)
	}
	h.labels(p, area, left, cw, ch)
	h.scale(p, area)
}

// cell draws one cell of the grid: its score on its colour, or hatching with the reason.
func (h *heat) cell(p *painter, r *result.Record, x0, y0, x1, y1 vg.Length) {
	size := min(tickSize, (y1-y0)*0.7)
	m, ok := metric(r, h.grid.metric)
	if !ok {
		p.hatch(x0, y0, x1, y1)
		if words := short(r); words != "" {
			p.inside(x0, y0, x1, y1, min(size, smallSize), muted, words)
		}
	} else {
		c := shade(m.Value)
		p.rect(x0, y0, x1, y1, c)
		p.inside(x0, y0, x1, y1, size, onShade(c), units.Fraction(m.Value))
	}
	p.frame(x0, y0, x1, y1, line(paper, 1, nil))
}

// inside writes words in the middle of a cell. If they do not fit, it uses two lines or a smaller
// size; if they would be illegible, it writes nothing.
func (p *painter) inside(x0, y0, x1, y1, size vg.Length, c color.Color, words string) {
	x, y := (x0+x1)/2, (y0+y1)/2
	for s := size; s >= 5; s -= 0.5 {
		sty := p.font(s, c, false)
		if sty.Width(words) <= x1-x0-3 {
			p.text(sty, x, y, -0.5, -0.5, words)
			return
		}
		if lines := cleantext.Wrap(words, 1+len(words)/2); len(lines) == 2 && 2*s+4 < y1-y0 && max(sty.Width(lines[0]), sty.Width(lines[1])) <= x1-x0-3 {
			p.text(sty, x, y+s/2, -0.5, -0.5, lines[0])
			p.text(sty, x, y-s/2, -0.5, -0.5, lines[1])
			return
		}
	}
}

// hatch fills a cell that has no score.
func (p *painter) hatch(x0, y0, x1, y1 vg.Length) {
	p.rect(x0, y0, x1, y1, color.NRGBA{0xf3, 0xf3, 0xf5, 0xff})
	const step = 7
	for o := -(y1 - y0); o < x1-x0; o += step {
		// A line from (x0+o, y0) upwards at 45 degrees, clipped to the cell.
		a, b := max(o, 0), min(o+(y1-y0), x1-x0)
		if b > a {
			p.StrokeLine2(line(color.NRGBA{0xdc, 0xdc, 0xe2, 0xff}, 0.8, nil), x0+a, y0+a-o, x0+b, y0+b-o)
		}
	}
}

func (h *heat) labels(p *painter, area vg.Rectangle, left, cw, ch vg.Length) {
	lo, hi := area.Min, area.Max
	g := h.grid
	sty := p.font(tickSize, ink, false)
	free := vg.Length(-1e9)
	x0, y0 := g.group.about.axis(0), g.group.about.axis(1)
	length := axisText(x0, g.lengths)
	for i, l := range g.lengths {
		words := length(l)
		at, half := lo.X+(vg.Length(i)+0.5)*cw, sty.Width(words)/2
		if at-half < free+3 {
			continue
		}
		free = at + half
		p.text(sty, at, lo.Y-5, -0.5, -1, words)
	}
	below := vg.Length(1e9)
	for i, d := range g.depths {
		at := hi.Y - (vg.Length(i)+0.5)*ch
		if at > below-tickSize {
			continue
		}
		below = at
		p.text(sty, lo.X-6, at, -1, -0.5, p.fit(sty.Width, g.depthText(d), 90))
	}
	p.text(p.font(textSize, ink, true), lo.X, hi.Y+4, 0, 0, p.fit(p.font(textSize, ink, true).Width, h.title, hi.X-lo.X))
	label := p.font(textSize, ink, false)
	if h.last {
		p.text(label, (lo.X+hi.X)/2, lo.Y-5-tickSize-5, -0.5, -1, chartAxis(x0, x0.Label, nil).label)
	}
	side := label
	side.Rotation = math.Pi / 2
	p.text(side, lo.X-left+textSize, (lo.Y+hi.Y)/2, -0.5, 0, p.fit(label.Width, y0.Label, hi.Y-lo.Y+16))
}

// scale draws the colour bar.
func (h *heat) scale(p *painter, area vg.Rectangle) {
	if !h.bar {
		return
	}
	x, w := area.Max.X+10, vg.Length(10)
	lo, hi := area.Min.Y, area.Max.Y
	const steps = 60
	for i := range steps {
		a, b := vg.Length(i)/steps, vg.Length(i+1)/steps
		p.rect(x, lo+a*(hi-lo), x+w, lo+b*(hi-lo)+0.3, shade((float64(i)+0.5)/steps))
	}
	p.frame(x, lo, x+w, hi, line(muted, 0.7, nil))
	marks := []float64{0, 0.25, 0.5, 0.75, 1}
	if hi-lo < 70 {
		marks = []float64{0, 0.5, 1}
	}
	for _, v := range marks {
		at := lo + vg.Length(v)*(hi-lo)
		p.StrokeLine2(line(muted, 0.7, nil), x+w, at, x+w+3, at)
		p.text(p.font(smallSize, ink, false), x+w+5, at, 0, -0.5, units.Fraction(v))
	}
}

// hatched counts the cells without a score by reason: "hatched: 5 oom, 2 over budget".
func hatched(grids []*grid) string {
	n := map[string]int{}
	for _, g := range grids {
		for _, row := range g.at {
			for _, r := range row {
				if _, ok := metric(r, g.metric); r != nil && !ok {
					n[short(r)]++
				}
			}
		}
	}
	var words []string
	for _, reason := range sortedKeys(n) {
		words = append(words, fmt.Sprintf("%d %s", n[reason], reason))
	}
	if len(words) == 0 {
		return ""
	}
	return "hatched: " + strings.Join(words, ", ")
}

// trained says which models are asked about longer contexts than they were trained for.
func trained(grids []*grid) string {
	words := ""
	for _, t := range grids {
		if i, n := t.beyond(); i < len(t.lengths) {
			words = joined(words, fmt.Sprintf("dashed: the end of the trained context of %s, %s", label(t.model), units.Tokens(float64(n))))
		}
	}
	return words
}

// stack is the maximum number of grids in a picture.
const stack = 6

// heatmaps draws the grids of a group: one figure of all models, and one per model.
func (v *view) heatmaps(g *group, grids []*grid) []*figure {
	var out []*figure
	how := grids[0].scoring
	about := joined(how.words(), how.trialsText(g.records), g.describe())
	title := joined(g.about.Title, g.name)
	make := func(id, title string, grids []*grid) *figure {
		f := &figure{id: id, title: title, subtitle: joined(about, hatched(grids), trained(grids)), heat: true}
		for i, t := range grids {
			f.rows = append(f.rows, []panel{&heat{grid: t, title: label(t.model), last: i == len(grids)-1, bar: true}})
		}
		f.alt = fmt.Sprintf("%s: heatmap of %ss by %s and %s; the table below lists the values.", title, how.words(), g.about.axis(0).Label, g.about.axis(1).Label)
		return f
	}
	for i := 0; i < len(grids); i += stack {
		if len(grids) == 1 {
			break
		}
		id := g.id
		if i > 0 {
			id = fmt.Sprintf("%s-part-%d", g.id, i/stack+1)
		}
		out = append(out, make(id, title, grids[i:min(i+stack, len(grids))]))
	}
	for _, t := range grids {
		out = append(out, make(g.id+"-"+slug(t.model), joined(title, label(t.model)), []*grid{t}))
	}
	return out
}
