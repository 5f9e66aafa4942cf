package reports

import (
	"slices"

	"gonum.org/v1/plot/vg"
)

// chart is a panel of curves.
type chart struct {
	title string
	x, y  axis
	lines []curveLine
	tall  vg.Length
	one   bool // draw a line at y = 1
	// limit is the y of a dashed line, a threshold, and guess that of a dotted one; 0 draws none.
	limit, guess float64
	dodge        bool // shift curves slightly so that their bars do not overlap
	closed       bool
}

// curveLine is one curve of a chart.
type curveLine struct {
	style style
	x, y  []float64
	// lo and hi are the bounds of y, drawn as a band or as bars.
	lo, hi []float64
	bars   bool
	// hollow draws markers without a line, for published figures. dotted draws a line without
	// markers, for fits.
	hollow, dotted bool
	// fine draws a line with small markers, for many points.
	fine bool
	// hints are the hover texts of the points in HTML.
	hints []string
	// lost holds the x values without a result, with the reasons. They are drawn as crosses at the
	// top.
	lost    []float64
	reasons []string
}

// add adds a curve to the chart, without points that cannot be drawn.
func (c *chart) add(l curveLine) {
	kept := curveLine{style: l.style, bars: l.bars, hollow: l.hollow, dotted: l.dotted, fine: l.fine}
	band := len(l.lo) == len(l.y) && len(l.hi) == len(l.y) && len(l.y) > 0
	for i := range l.x {
		if !c.x.drawable(l.x[i]) || !c.y.drawable(l.y[i]) {
			continue
		}
		kept.x, kept.y = append(kept.x, l.x[i]), append(kept.y, l.y[i])
		c.x.see(l.x[i])
		c.y.see(l.y[i])
		if !l.dotted {
			c.x.mark(l.x[i])
		}
		if band {
			lo, hi := l.lo[i], l.hi[i]
			if !c.y.drawable(lo) || !c.y.drawable(hi) || lo > hi {
				lo, hi = l.y[i], l.y[i]
			}
			kept.lo, kept.hi = append(kept.lo, lo), append(kept.hi, hi)
			c.y.see(lo)
			c.y.see(hi)
		}
		hint := ""
		if i < len(l.hints) {
			hint = l.hints[i]
		}
		kept.hints = append(kept.hints, hint)
	}
	for i, x := range l.lost {
		if c.x.drawable(x) {
			kept.lost, kept.reasons = append(kept.lost, x), append(kept.reasons, l.reasons[i])
			c.x.see(x)
			c.x.mark(x)
		}
	}
	if len(kept.x) == 1 {
		kept.bars = true // a band of one point would be invisible
	}
	if len(kept.x)+len(kept.lost) > 0 {
		c.lines = append(c.lines, kept)
	}
}

// empty reports whether the chart has no point to show.
func (c *chart) empty() bool {
	for _, l := range c.lines {
		if len(l.x) > 0 {
			return false
		}
	}
	return true
}

func (c *chart) close() {
	if !c.closed {
		c.x.close(0.045)
		c.y.close(0.07)
		c.closed = true
	}
}

func (c *chart) size() vg.Length { return c.tall }

func (c *chart) yTicks(p *painter) []tick {
	sty := p.font(tickSize, ink, false)
	return c.y.clear(c.y.ticks(max(2, int(c.tall/22))), c.tall, func(string) vg.Length { return sty.Height("8") })
}

func (c *chart) margins(p *painter) [4]vg.Length {
	c.close()
	sty := p.font(tickSize, ink, false)
	left, bottom, top := vg.Length(4), vg.Length(6), vg.Length(4)
	if !c.y.quiet {
		for _, t := range c.yTicks(p) {
			left = max(left, sty.Width(t.text)+7)
		}
		if c.y.label != "" {
			left += textSize + 5
		}
	}
	if !c.x.quiet {
		bottom += tickSize + 2
		if c.x.label != "" {
			bottom += textSize + 4
		}
	}
	if c.title != "" {
		top += textSize + 3
	}
	return [4]vg.Length{left, 10, bottom, top}
}

func (c *chart) draw(p *painter, area vg.Rectangle, left vg.Length) {
	c.close()
	lo, hi := area.Min, area.Max
	x := func(v float64) vg.Length { return lo.X + vg.Length(c.x.norm(v))*(hi.X-lo.X) }
	y := func(v float64) vg.Length { return lo.Y + vg.Length(c.y.norm(v))*(hi.Y-lo.Y) }
	c.grid(p, area, left, x, y)
	for _, l := range c.lines {
		c.band(p, l, x, y)
	}
	n, all := vg.Length(0), vg.Length(0)
	for _, l := range c.lines {
		if !l.dotted {
			all++
		}
	}
	for _, l := range c.inOrder() {
		at := x
		if c.dodge && !l.dotted {
			shift := (n - (all-1)/2) * 3.5
			at = func(v float64) vg.Length { return x(v) + shift }
			n++
		}
		c.curve(p, l, at, y)
	}
	lost := map[float64]vg.Length{}
	for _, l := range c.lines {
		for i, v := range l.lost {
			at := hi.Y - 5 - lost[v]
			lost[v] += 8
			p.cross(x(v), at, l.style.color)
			p.hot(x(v), at, l.reasons[i])
		}
	}
}

// inOrder returns the curves in drawing order: fits after curves, and published figures last, as
// rings around the values that they are compared with.
func (c *chart) inOrder() []curveLine {
	rank := func(l curveLine) int {
		switch {
		case l.hollow:
			return 2
		case l.dotted:
			return 1
		}
		return 0
	}
	out := slices.Clone(c.lines)
	slices.SortStableFunc(out, func(a, b curveLine) int { return rank(a) - rank(b) })
	return out
}

// grid draws the frame, the grid lines and the labels.
func (c *chart) grid(p *painter, area vg.Rectangle, left vg.Length, x, y func(float64) vg.Length) {
	lo, hi := area.Min, area.Max
	ticks := p.font(tickSize, ink, false)
	label := p.font(textSize, ink, false)
	major, hair := line(rule, 0.7, nil), line(muted, 0.7, nil)
	for _, t := range c.x.clear(c.x.ticks(9), hi.X-lo.X, ticks.Width) {
		at := x(t.at)
		if t.text == "" {
			p.StrokeLine2(hair, at, lo.Y, at, lo.Y-2)
			continue
		}
		p.StrokeLine2(major, at, lo.Y, at, hi.Y)
		p.StrokeLine2(hair, at, lo.Y, at, lo.Y-3.5)
		if !c.x.quiet {
			p.text(ticks, at, lo.Y-5, -0.5, -1, t.text)
		}
	}
	for _, t := range c.yTicks(p) {
		at := y(t.at)
		if t.text == "" {
			p.StrokeLine2(hair, lo.X, at, lo.X-2, at)
			continue
		}
		p.StrokeLine2(major, lo.X, at, hi.X, at)
		p.StrokeLine2(hair, lo.X, at, lo.X-3.5, at)
		if !c.y.quiet {
			p.text(ticks, lo.X-6, at, -1, -0.5, t.text)
		}
	}
	if c.one && c.y.lo < 1 && c.y.hi > 1 {
		p.StrokeLine2(line(muted, 1, limitDash), lo.X, y(1), hi.X, y(1))
	}
	for _, l := range []struct {
		at   float64
		dash []vg.Length
	}{{c.limit, limitDash}, {c.guess, dotted}} {
		if l.at > 0 && c.y.lo < l.at && l.at < c.y.hi {
			p.StrokeLine2(line(muted, 1, l.dash), lo.X, y(l.at), hi.X, y(l.at))
		}
	}
	p.frame(lo.X, lo.Y, hi.X, hi.Y, hair)
	if c.title != "" {
		p.text(p.font(textSize, ink, true), lo.X, hi.Y+4, 0, 0, p.fit(p.font(textSize, ink, true).Width, c.title, hi.X-lo.X))
	}
	if c.x.label != "" && !c.x.quiet {
		p.text(label, (lo.X+hi.X)/2, lo.Y-5-tickSize-5, -0.5, -1, p.fit(label.Width, c.x.label, hi.X-lo.X))
	}
	if c.y.label != "" && !c.y.quiet {
		side := label
		side.Rotation = 1.5707963267948966
		p.text(side, lo.X-left+textSize, (lo.Y+hi.Y)/2, -0.5, 0, p.fit(label.Width, c.y.label, hi.Y-lo.Y+20))
	}
}

// band draws a curve's interval behind all curves.
func (c *chart) band(p *painter, l curveLine, x, y func(float64) vg.Length) {
	if l.bars || len(l.lo) < 2 {
		return
	}
	var pts []vg.Point
	for i := range l.x {
		pts = append(pts, vg.Point{X: x(l.x[i]), Y: y(l.hi[i])})
	}
	for i := len(l.x) - 1; i >= 0; i-- {
		pts = append(pts, vg.Point{X: x(l.x[i]), Y: y(l.lo[i])})
	}
	light := l.style.color
	light.A = pale
	p.FillPolygon(light, pts)
}

// pale is the alpha value of bands, out of 255.
const pale = 0x30

// curve draws the line, the bars and the markers.
func (c *chart) curve(p *painter, l curveLine, x, y func(float64) vg.Length) {
	pts := make([]vg.Point, len(l.x))
	for i := range l.x {
		pts[i] = vg.Point{X: x(l.x[i]), Y: y(l.y[i])}
	}
	if l.dotted && len(pts) == 1 {
		p.StrokeLine2(line(l.style.color, 1.1, dotted), pts[0].X-20, pts[0].Y, pts[0].X+20, pts[0].Y)
		return
	}
	if l.dotted {
		p.StrokeLines(line(l.style.color, 1.1, dotted), pts)
		return
	}
	if !l.hollow && len(pts) > 1 {
		p.StrokeLines(line(l.style.color, 1.7, l.style.dash), pts)
	}
	size := vg.Length(2.8)
	if l.fine {
		size = 1.9
	}
	every := 1 + (len(pts)-1)/maxMarkers
	for i, pt := range pts {
		if i%every != 0 && i != len(pts)-1 {
			continue
		}
		if l.bars && len(l.lo) > i && l.lo[i] < l.hi[i] {
			s := line(l.style.color, 1.1, nil)
			a, b := y(l.lo[i]), y(l.hi[i])
			p.StrokeLine2(s, pt.X, a, pt.X, b)
			p.StrokeLine2(s, pt.X-2.5, a, pt.X+2.5, a)
			p.StrokeLine2(s, pt.X-2.5, b, pt.X+2.5, b)
		}
		if l.hollow {
			p.marker(l.style, pt.X, pt.Y, 4.6, true)
		} else {
			p.marker(l.style, pt.X, pt.Y, size, false)
		}
		if l.hints[i] != "" {
			p.hot(pt.X, pt.Y, l.hints[i])
		}
	}
}
