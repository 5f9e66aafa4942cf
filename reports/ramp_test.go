package reports

import (
	"image/color"
	"math"
	"testing"
)

// TestRampForColourBlindReaders checks that red-blind and green-blind readers can distinguish
// scores. Colours are transformed by the matrices of Machado, Oliveira and Fernandes (2009) for
// protanopia and deuteranopia, and compared in CIELAB.
func TestRampForColourBlindReaders(t *testing.T) {
	eyes := map[string][9]float64{
		"usual":        {1, 0, 0, 0, 1, 0, 0, 0, 1},
		"protanopia":   {0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998},
		"deuteranopia": {0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881},
	}
	scores := []float64{0, 0.25, 0.5, 0.75, 0.9, 1}
	for name, m := range eyes {
		for i, a := range scores {
			for _, b := range scores[:i] {
				d := distance(lab(seen(shade(a), m)), lab(seen(shade(b), m)))
				if want := min(14+22*(a-b), 30); d < want {
					t.Errorf("%s: %.2f and %.2f are only %.0f apart, want %.0f", name, b, a, d, want)
				}
			}
		}
	}
	// The text in a cell has enough contrast on every colour.
	for v := 0.0; v <= 1; v += 0.01 {
		a, b := luminance(shade(v)), luminance(onShade(shade(v)))
		if c := (max(a, b) + 0.05) / (min(a, b) + 0.05); c < 4.5 {
			t.Errorf("score %.2f: contrast of %.1f", v, c)
		}
	}
}

// TestStylesDiffer checks the same for the colours of models, and that markers or dashes differ.
func TestStylesDiffer(t *testing.T) {
	for i, a := range styles {
		for _, b := range styles[:i] {
			if a.marker == b.marker && len(a.dash) == len(b.dash) && (len(a.dash) == 0 || a.dash[0] == b.dash[0]) || a.color == b.color {
				t.Errorf("styles %v and %v are too alike", a, b)
			}
		}
	}
}

func linear(v uint8) float64 {
	x := float64(v) / 255
	if x <= 0.04045 {
		return x / 12.92
	}
	return math.Pow((x+0.055)/1.055, 2.4)
}

func seen(c color.NRGBA, m [9]float64) [3]float64 {
	r, g, b := linear(c.R), linear(c.G), linear(c.B)
	var out [3]float64
	for i := range out {
		out[i] = min(max(m[3*i]*r+m[3*i+1]*g+m[3*i+2]*b, 0), 1)
	}
	return out
}

func lab(rgb [3]float64) [3]float64 {
	r, g, b := rgb[0], rgb[1], rgb[2]
	f := func(v float64) float64 {
		if v > 0.008856 {
			return math.Cbrt(v)
		}
		return 7.787*v + 16.0/116
	}
	x := f((0.4124*r + 0.3576*g + 0.1805*b) / 0.95047)
	y := f(0.2126*r + 0.7152*g + 0.0722*b)
	z := f((0.0193*r + 0.1192*g + 0.9505*b) / 1.08883)
	return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
}

func distance(a, b [3]float64) float64 {
	return math.Sqrt((a[0]-b[0])*(a[0]-b[0]) + (a[1]-b[1])*(a[1]-b[1]) + (a[2]-b[2])*(a[2]-b[2]))
}
