package reports

import (
	"errors"
	"image/color"

	"gonum.org/v1/plot/vg"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/units"
)

// Plot is one chart of curves over length, for commands without a journal. Both axes are
// logarithmic. Values of 0 or less are omitted.
type Plot struct {
	Title, Subtitle, XLabel string
	// XUnit and YUnit are units of metrics, such as "tokens", "bytes" and "s".
	XUnit, YUnit string
	Curves       []Curve
	// Limit is the value of a horizontal line with the label LimitName; 0 draws none.
	Limit     float64
	LimitName string
}

// Curve is a curve of a Plot: y[i] over x[i].
type Curve struct {
	Name string
	X, Y []float64
}

// Draw returns the picture as a PNG file, or as an SVG file.
func (p Plot) Draw(svg bool) ([]byte, error) {
	c := &chart{
		tall: 3.4 * vg.Inch,
		x:    axis{label: p.XLabel, log: true, binary: p.XUnit == "tokens", unit: p.XUnit},
		y:    axis{label: p.YUnit, log: true, binary: p.YUnit == "bytes", unit: p.YUnit},
	}
	f := &figure{title: p.Title, subtitle: p.Subtitle}
	var low, high float64
	for i, curve := range p.Curves {
		st := styleAt(i)
		c.add(curveLine{style: st, x: curve.X, y: curve.Y, hints: make([]string, len(curve.X))})
		f.legend = append(f.legend, key{style: st, name: cleantext.Ellipsis(clean(curve.Name), 40)})
		for _, x := range curve.X {
			if low == 0 || x < low {
				low = x
			}
			high = max(high, x)
		}
	}
	if c.empty() {
		return nil, errors.New("nothing to draw: no value is above 0")
	}
	if p.Limit > 0 {
		st := style{color: color.NRGBA{0x5b, 0x5b, 0x66, 0xff}, marker: noMarker, dash: []vg.Length{5, 3}}
		c.add(curveLine{style: st, x: []float64{low, high}, y: []float64{p.Limit, p.Limit}, hints: make([]string, 2)})
		f.legend = append(f.legend, key{style: st, name: cleantext.Ellipsis(clean(p.LimitName), 40)})
	}
	f.rows = [][]panel{{c}}
	if svg {
		b, _, err := f.svg()
		return b, err
	}
	return f.png(dots)
}

// Seconds formats a time with three digits, such as "12.3 ms".
func Seconds(s float64) string { return units.Seconds(s) }
