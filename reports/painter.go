package reports

import (
	"image/color"
	"math"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// The colours of a picture's frame. The HTML page replaces them and those of the models by the
// colours of its theme.
var (
	ink   = color.NRGBA{0x1a, 0x1a, 0x1f, 0xff}
	muted = color.NRGBA{0x5b, 0x5b, 0x66, 0xff}
	rule  = color.NRGBA{0xdf, 0xdf, 0xe6, 0xff}
	paper = color.NRGBA{0xff, 0xff, 0xff, 0xff}
)

// Text sizes in points. A picture is 6.5 inches wide.
const (
	titleSize = vg.Length(11.5)
	textSize  = vg.Length(9.5)
	tickSize  = vg.Length(9)
	smallSize = vg.Length(8)
)

// style is the style of a model. Colour, marker and dashes all differ, so that lines can be
// distinguished without colour.
type style struct {
	color  color.NRGBA
	marker marker
	dash   []vg.Length
}

type marker int

const (
	circle marker = iota
	square
	triangle
	diamond
	wedge
	noMarker
)

// styles in order of use, from Okabe and Ito's palette without yellow and black.
var styles = []style{
	{color.NRGBA{0x00, 0x72, 0xb2, 0xff}, circle, nil},
	{color.NRGBA{0xd5, 0x5e, 0x00, 0xff}, square, []vg.Length{6, 2.5}},
	{color.NRGBA{0x00, 0x9e, 0x73, 0xff}, triangle, []vg.Length{8, 2, 1.5, 2}},
	{color.NRGBA{0xcc, 0x79, 0xa7, 0xff}, diamond, []vg.Length{2, 2}},
	{color.NRGBA{0xe6, 0x9f, 0x00, 0xff}, wedge, []vg.Length{10, 3}},
	{color.NRGBA{0x56, 0xb4, 0xe9, 0xff}, circle, []vg.Length{4, 2, 1, 2, 1, 2}},
	{color.NRGBA{0x7a, 0x7a, 0x85, 0xff}, square, []vg.Length{3, 3}},
}

// stylesOf returns the style of each model. An architecture has the same style in every picture in
// which only one model has it.
func (v *view) stylesOf(models []string) map[string]style {
	home := map[string]int{"yoco-gret": 0, "transformer": 1, "yoco-swa": 2}
	out := map[string]style{}
	used := map[int]bool{}
	next := len(home)
	for _, m := range models {
		i, ok := home[v.archs[m]]
		if !ok || used[i] {
			i = next
			next++
		}
		used[i] = true
		out[m] = styleAt(i)
	}
	return out
}

// styleAt returns the i-th style. After the end of the list, colours have different markers.
func styleAt(i int) style {
	st := styles[i%len(styles)]
	st.marker = (st.marker + marker(i/len(styles))) % noMarker
	return st
}

// hot is a point of a picture with a hover text. x and y are in points from the top left corner.
type hot struct {
	x, y float64
	text string
}

// painter draws on a canvas and collects hover points.
type painter struct {
	draw.Canvas
	plain text.Handler
	hots  []hot
}

// newPainter returns a painter for a canvas. On a raster canvas it draws missing characters in the
// bitmap font, because no viewer can substitute a font.
func newPainter(c vg.CanvasSizer, raster bool) *painter {
	return &painter{Canvas: draw.New(c), plain: lettering{text.Plain{Fonts: fonts}, raster}}
}

// fonts contains the only font family used, so that pictures do not depend on the machine's fonts.
var fonts = font.NewCache(liberation.Collection())

// font returns a text style.
func (p *painter) font(size vg.Length, c color.Color, bold bool) text.Style {
	s := text.Style{Color: c, Font: font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}, Handler: p.plain}
	if bold {
		s.Font.Weight = 3 // bold
	}
	return s
}

// text draws text and returns its width. ax and ay are the position of the given point in the text
// (0: left or bottom, -0.5: middle, -1: right or top).
func (p *painter) text(s text.Style, x, y vg.Length, ax, ay float64, words string) vg.Length {
	if ay == -0.5 {
		y += s.Font.Size * 0.07 // align to the middle of capital letters instead of the line
	}
	s.XAlign, s.YAlign = text.XAlignment(ax), text.YAlignment(ay)
	p.FillText(s, vg.Point{X: x, Y: y}, words)
	return s.Width(words)
}

// hot adds a hover point, given in canvas coordinates.
func (p *painter) hot(x, y vg.Length, words string) {
	p.hots = append(p.hots, hot{x.Points(), (p.Max.Y - y).Points(), words})
}

func line(c color.Color, width vg.Length, dash []vg.Length) draw.LineStyle {
	return draw.LineStyle{Color: c, Width: width, Dashes: dash}
}

// marker draws a model's marker: filled, or hollow for published figures.
func (p *painter) marker(st style, x, y, size vg.Length, hollow bool) {
	path := outline(st.marker, x, y, size)
	if path == nil {
		return
	}
	if hollow {
		p.SetLineStyle(line(st.color, 1.3, nil))
		p.Stroke(path)
		return
	}
	p.SetColor(st.color)
	p.Fill(path)
	p.SetLineStyle(line(paper, 0.6, nil))
	p.Stroke(path)
}

// outline returns the path of a marker. All kinds have about the same area.
func outline(m marker, x, y, size vg.Length) vg.Path {
	polygon := func(r vg.Length, start float64, n int) (path vg.Path) {
		for i := range n {
			a := start + 2*math.Pi*float64(i)/float64(n)
			at := vg.Point{X: x + r*vg.Length(math.Cos(a)), Y: y + r*vg.Length(math.Sin(a))}
			if i == 0 {
				path.Move(at)
			} else {
				path.Line(at)
			}
		}
		path.Close()
		return path
	}
	switch m {
	case circle:
		return polygon(size, math.Pi/24, 24)
	case square:
		return polygon(size*1.22, math.Pi/4, 4)
	case triangle:
		return polygon(size*1.4, math.Pi/2, 3)
	case wedge:
		return polygon(size*1.4, -math.Pi/2, 3)
	case diamond:
		return polygon(size*1.3, 0, 4)
	}
	return nil
}

// rect fills a rectangle.
func (p *painter) rect(x0, y0, x1, y1 vg.Length, c color.Color) {
	p.FillPolygon(c, []vg.Point{{X: x0, Y: y0}, {X: x1, Y: y0}, {X: x1, Y: y1}, {X: x0, Y: y1}})
}

// frame draws the outline of a rectangle.
func (p *painter) frame(x0, y0, x1, y1 vg.Length, s draw.LineStyle) {
	p.StrokeLines(s, []vg.Point{{X: x0, Y: y0}, {X: x1, Y: y0}, {X: x1, Y: y1}, {X: x0, Y: y1}, {X: x0, Y: y0}})
}
