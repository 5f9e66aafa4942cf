package reports

import (
	"bytes"
	"fmt"
	"image/color"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/yocobench/yocobench/internal/cleantext"
)

// figure is one picture: a title, a legend outside the data area, and rows of panels.
type figure struct {
	// id is the file name without the extension.
	id              string
	title, subtitle string
	legend          []key
	rows            [][]panel
	// heat reports that the figure shows only needle grids.
	heat bool
	// alt is the alternative text of the picture.
	alt string
}

// key is an entry of a legend.
type key struct {
	style  style
	name   string
	hollow bool // a published figure: a hollow marker without a line
	dotted bool // a fit: a thin dotted line without a marker
	cross  bool // a case without a result
	apart  bool // starts a new row
}

// panel is a part of a figure. Panels of a column share their margins, so that their axes are
// aligned.
type panel interface {
	// size returns the height of the data area.
	size() vg.Length
	// margins returns the space around the data area for labels: left, right, bottom, top.
	margins(p *painter) [4]vg.Length
	// draw draws the panel with its data area in the given rectangle. left is the left margin of
	// its column.
	draw(p *painter, area vg.Rectangle, left vg.Length)
}

// panels converts charts to a row of a figure.
func panels(charts []*chart) (row []panel) {
	for _, c := range charts {
		row = append(row, c)
	}
	return row
}

const (
	figureWidth = 6.5 * vg.Inch
	edge        = vg.Length(8)
	gap         = vg.Length(14)
)

// layout holds the positions of all parts of a figure.
type layout struct {
	height vg.Length
	legend [][]key // by row
	areas  [][]vg.Rectangle
	left   []vg.Length // margins by column
}

// layout places the legend and the panels, from the top down.
func (f *figure) layout(p *painter) layout {
	var l layout
	y := edge + titleSize + 4
	for range f.subtitleLines(p) {
		y += smallSize + 4
	}
	l.legend = f.legendRows(p)
	y += vg.Length(len(l.legend)) * (textSize + 5)
	columns := 0
	for _, row := range f.rows {
		columns = max(columns, len(row))
	}
	left, right := make([]vg.Length, columns), make([]vg.Length, columns)
	for _, row := range f.rows {
		for c, cell := range row {
			m := cell.margins(p)
			left[c], right[c] = max(left[c], m[0]), max(right[c], m[1])
		}
	}
	free := figureWidth - 2*edge - gap*vg.Length(max(columns-1, 0))
	for c := range columns {
		free -= left[c] + right[c]
	}
	width := free / vg.Length(max(columns, 1))
	for i, row := range f.rows {
		var top, bottom, height vg.Length
		for _, cell := range row {
			m := cell.margins(p)
			bottom, top, height = max(bottom, m[2]), max(top, m[3]), max(height, cell.size())
		}
		if i > 0 {
			y += 8
		}
		y += top
		x := edge
		var areas []vg.Rectangle
		for c := range row {
			x += left[c]
			areas = append(areas, vg.Rectangle{Min: vg.Point{X: x, Y: y + height}, Max: vg.Point{X: x + width, Y: y}})
			x += width + right[c] + gap
		}
		l.areas = append(l.areas, areas)
		y += height + bottom
	}
	l.height, l.left = y+edge, left
	// y ran downwards so far; on a canvas it runs upwards.
	for _, row := range l.areas {
		for i := range row {
			row[i].Min.Y, row[i].Max.Y = l.height-row[i].Min.Y, l.height-row[i].Max.Y
		}
	}
	return l
}

// subtitleLines wraps the subtitle to the figure's width.
func (f *figure) subtitleLines(p *painter) (lines []string) {
	sty := p.font(smallSize, muted, false)
	line := ""
	for word := range strings.FieldsSeq(f.subtitle) {
		word = p.fit(sty.Width, word, figureWidth-2*edge)
		if line != "" && sty.Width(line+" "+word) > figureWidth-2*edge {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// legendRows breaks the legend into rows that fit.
func (f *figure) legendRows(p *painter) (rows [][]key) {
	x := vg.Length(0)
	for _, k := range f.legend {
		w := p.keyWidth(k)
		if len(rows) == 0 || x+w > figureWidth-2*edge || k.apart {
			rows, x = append(rows, nil), 0
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], k)
		x += w
	}
	return rows
}

const sample = vg.Length(26) // the length of a line in the legend

func (p *painter) keyWidth(k key) vg.Length {
	return k.sample() + 5 + p.font(tickSize, ink, false).Width(k.name) + 14
}

// sample is the length of the drawn part of an entry.
func (k key) sample() vg.Length {
	if k.hollow || k.cross {
		return 9
	}
	return sample
}

// paint draws the whole figure.
func (f *figure) paint(p *painter, l layout) {
	y := l.height - edge
	p.text(p.font(titleSize, ink, true), edge, y, 0, -1, p.fit(p.font(titleSize, ink, true).Width, f.title, figureWidth-2*edge))
	y -= titleSize + 4
	for _, line := range f.subtitleLines(p) {
		p.text(p.font(smallSize, muted, false), edge, y, 0, -1, line)
		y -= smallSize + 4
	}
	for _, row := range l.legend {
		x := edge
		for _, k := range row {
			p.key(k, x, y-textSize/2-1)
			x += p.keyWidth(k)
		}
		y -= textSize + 5
	}
	for i, row := range f.rows {
		for c, cell := range row {
			cell.draw(p, l.areas[i][c], l.left[c])
		}
	}
}

// key draws a legend entry with the middle of its left end at a point.
func (p *painter) key(k key, x, y vg.Length) {
	mid := x + k.sample()/2
	switch {
	case k.hollow:
		p.marker(k.style, mid, y, 4, true)
	case k.dotted:
		p.StrokeLine2(line(k.style.color, 1.1, dotted), x, y, x+sample, y)
		p.marker(k.style, mid, y, 2.2, false)
	case k.cross:
		p.cross(mid, y, muted)
	default:
		p.StrokeLine2(line(k.style.color, 1.7, k.style.dash), x, y, x+sample, y)
		p.marker(k.style, mid, y, 2.8, false)
	}
	p.text(p.font(tickSize, ink, false), x+k.sample()+5, y, 0, -0.5, k.name)
}

var dotted = []vg.Length{1.5, 2}

// cross marks a case without a result.
func (p *painter) cross(x, y vg.Length, c color.Color) {
	const r = 2.6
	p.StrokeLine2(line(c, 1.3, nil), x-r, y-r, x+r, y+r)
	p.StrokeLine2(line(c, 1.3, nil), x-r, y+r, x+r, y-r)
}

// fit truncates text to a width.
func (p *painter) fit(width func(string) vg.Length, s string, limit vg.Length) string {
	for n := len([]rune(s)); width(s) > limit && n > 1; {
		n -= max(1, n/20)
		s = cleantext.Ellipsis(s, n)
	}
	return s
}

// measurer is a painter that only measures text.
func measurer() *painter { return newPainter(vgimg.New(1, 1), true) }

// dots is the resolution of PNG files, in dots per inch.
const dots = 200

// png draws the figure as a PNG file.
func (f *figure) png(dpi int) ([]byte, error) {
	l := f.layout(measurer())
	c := vgimg.NewWith(vgimg.UseWH(figureWidth, l.height), vgimg.UseDPI(dpi))
	p := newPainter(c, true)
	f.paint(p, l)
	var buf bytes.Buffer
	_, err := vgimg.PngCanvas{Canvas: c}.WriteTo(&buf)
	return buf.Bytes(), err
}

// svg draws the figure as an SVG file, and returns its hover points.
func (f *figure) svg() ([]byte, []hot, error) {
	l := f.layout(measurer())
	c := vgsvg.New(figureWidth, l.height)
	p := newPainter(c, false)
	f.paint(p, l)
	var buf bytes.Buffer
	_, err := c.WriteTo(&buf)
	return buf.Bytes(), p.hots, err
}

// pictures draws every figure to a separate file. dpi is the resolution of PNG files.
func (v *view) pictures(format Format, dpi int) (files []file, err error) {
	for _, s := range v.sections {
		for _, f := range s.figures {
			if err := v.ctx.Err(); err != nil {
				return files, err
			}
			var data []byte
			if format == PNG {
				data, err = f.png(dpi)
			} else {
				data, _, err = f.svg()
				data = bytes.ReplaceAll(data, []byte("font-family:Liberation Sans;"), []byte("font-family:'Liberation Sans',Arial,Helvetica,sans-serif;"))
			}
			if err != nil {
				return files, fmt.Errorf("%s: %w", f.id, err)
			}
			files = append(files, file{f.id + "." + string(format), data})
		}
	}
	return files, nil
}
