package reports

import (
	"fmt"
	"image"
	"math"
	"strings"

	"github.com/hajimehoshi/bitmapfont/v3"
	"golang.org/x/image/math/fixed"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
)

// lettering draws the text of pictures in Liberation Sans. Characters that it lacks, such as
// Chinese ones, are drawn in a bitmap font of 12 pixels. Characters that both lack are shown by
// their code points: <1f99c>. In SVG, text remains text, with the same width as in a PNG.
type lettering struct {
	text.Plain
	raster bool // the canvas is a raster image
}

// glyphCell is the width of a wide glyph in the bitmap font, in pixels.
const glyphCell = 12

// piece is a part of a text in one font.
type piece struct {
	text   string
	glyphs bool
}

// pieces splits a text by font.
func pieces(words string) (out []piece) {
	plain := true
	for i := 0; i < len(words) && plain; i++ {
		plain = words[i] >= ' ' && words[i] < 0x7f
	}
	if plain {
		return []piece{{text: words}}
	}
	face := fonts.Lookup(font.Font{Typeface: "Liberation", Variant: "Sans"}, textSize)
	add := func(s string, glyphs bool) {
		if n := len(out); n > 0 && out[n-1].glyphs == glyphs {
			out[n-1].text += s
			return
		}
		out = append(out, piece{s, glyphs})
	}
	for _, r := range words {
		if i, err := face.Face.GlyphIndex(nil, r); err == nil && i != 0 {
			add(string(r), false)
		} else if g, _ := glyph(r); g != nil {
			add(string(r), true)
		} else {
			add(fmt.Sprintf("<%x>", r), false)
		}
	}
	return out
}

// glyph returns the pixel runs of a character in the bitmap font and its width in pixels. The runs
// are rectangles with y down, relative to the start of the baseline. runs is nil if the font lacks
// the character.
func glyph(r rune) (runs []image.Rectangle, width int) {
	box, mask, at, advance, ok := bitmapfont.FaceSC.Glyph(fixed.P(0, 0), r)
	if !ok || mask == nil {
		return nil, 0
	}
	for y := range box.Dy() {
		start := -1
		for x := range box.Dx() + 1 {
			on := false
			if x < box.Dx() {
				_, _, _, a := mask.At(at.X+x, at.Y+y).RGBA()
				on = a > 0
			}
			switch {
			case on && start < 0:
				start = x
			case !on && start >= 0:
				runs = append(runs, image.Rect(start, y, x, y+1).Add(box.Min))
				start = -1
			}
		}
	}
	return runs, advance.Round()
}

// width returns the width of a piece.
func (l lettering) width(p piece, face font.Face) (w vg.Length) {
	if !p.glyphs {
		return face.Width(p.text)
	}
	for _, r := range p.text {
		_, pixels := glyph(r)
		w += face.Font.Size * vg.Length(pixels) / glyphCell
	}
	return w
}

// Box returns the size of a line of text.
func (l lettering) Box(words string, fnt font.Font) (width, height, depth vg.Length) {
	_, height, depth = l.Plain.Box("", fnt)
	face := l.Fonts.Lookup(fnt, fnt.Size)
	for _, p := range pieces(words) {
		width += l.width(p, face)
	}
	return width, height, depth
}

// Draw draws a line of text at a point, aligned by its style.
func (l lettering) Draw(c vg.Canvas, words string, sty text.Style, pt vg.Point) {
	words = strings.ReplaceAll(words, "\n", " ")
	if words == "" {
		return
	}
	face := l.Fonts.Lookup(sty.Font, sty.Font.Size)
	c.SetColor(sty.Color)
	if sty.Rotation != 0 {
		c.Push()
		c.Rotate(sty.Rotation)
		defer c.Pop()
	}
	sin64, cos64 := math.Sincos(sty.Rotation)
	sin, cos := vg.Length(sin64), vg.Length(cos64)
	pt.X, pt.Y = pt.Y*sin+pt.X*cos, pt.Y*cos-pt.X*sin
	pt.Y += sty.Height(words)*vg.Length(sty.YAlign) - face.Extents().Ascent + sty.Font.Size
	pt.X += sty.Width(words) * vg.Length(sty.XAlign)
	if !l.raster {
		c.FillString(face, pt, words)
		return
	}
	for _, p := range pieces(words) {
		if p.glyphs {
			l.drawGlyphs(c, p.text, sty.Font.Size, pt)
		} else {
			c.FillString(face, pt, p.text)
		}
		pt.X += l.width(p, face)
	}
}

// drawGlyphs fills the pixels of characters of the bitmap font.
func (l lettering) drawGlyphs(c vg.Canvas, words string, size vg.Length, pt vg.Point) {
	unit := size / glyphCell
	const overlap = 0.04 // in pixels, to avoid gaps between rows
	for _, r := range words {
		runs, width := glyph(r)
		var path vg.Path
		for _, b := range runs {
			x0, x1 := pt.X+unit*vg.Length(b.Min.X), pt.X+unit*vg.Length(b.Max.X)
			y0, y1 := pt.Y-unit*(vg.Length(b.Min.Y)-overlap), pt.Y-unit*(vg.Length(b.Max.Y)+overlap)
			path.Move(vg.Point{X: x0, Y: y0})
			path.Line(vg.Point{X: x1, Y: y0})
			path.Line(vg.Point{X: x1, Y: y1})
			path.Line(vg.Point{X: x0, Y: y1})
			path.Close()
		}
		c.Fill(path)
		pt.X += unit * vg.Length(width)
	}
}
