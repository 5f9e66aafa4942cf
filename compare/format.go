package compare

import (
	"math"
	"strconv"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/suites/result"
)

// clean makes text from outside fit for one line.
func clean(s string) string { return cleantext.Line(s) }

// digits gives n significant digits, without an exponent where that stays short.
func digits(v float64, n int) string {
	a := math.Abs(v)
	if a == 0 {
		return "0"
	}
	if a < 1e-4 || a >= 1e7 || math.IsInf(a, 0) || math.IsNaN(a) {
		return strconv.FormatFloat(v, 'e', n-1, 64)
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(a, 'e', n-1, 64), 64)
	return strconv.FormatFloat(v, 'f', max(n-1-int(math.Floor(math.Log10(rounded)+1e-9)), 0), 64)
}

// amount gives a figure in its unit.
func amount(v float64, unit string) string {
	a := math.Abs(v)
	switch unit {
	case "s":
		switch {
		case a == 0 || a >= 1:
			return digits(v, 4) + " s"
		case a >= 1e-3:
			return digits(v*1e3, 4) + " ms"
		case a >= 1e-6:
			return digits(v*1e6, 4) + " µs"
		}
		return digits(v*1e9, 4) + " ns"
	case "bytes":
		for i, u := range []string{"GiB", "MiB", "KiB"} {
			if scale := math.Exp2(float64(30 - 10*i)); a >= scale && a < 1e7*scale {
				return digits(v/scale, 4) + " " + u
			}
		}
		return digits(v, 4) + " B"
	case "fraction":
		return strconv.FormatFloat(v, 'f', 3, 64)
	case "ratio":
		return times(v)
	}
	return digits(v, 4)
}

// times gives a ratio.
func times(v float64) string { return digits(v, 3) + "x" }

// percent gives a ratio as a change.
func percent(ratio *float64) string {
	if ratio == nil {
		return "?"
	}
	d := 100 * (*ratio - 1)
	if math.Abs(d) >= 1000 {
		return times(*ratio)
	}
	s := strconv.FormatFloat(d, 'f', 1, 64)
	switch {
	case d == 0:
		s = "0"
	case s == "-0.0", s == "0.0":
		s = digits(d, 1)
	}
	if d > 0 {
		s = "+" + s
	}
	return s + " %"
}

// pText gives a p-value with three decimals, or says that it is smaller.
func pText(p float64) string {
	if p < 0.001 {
		return "p<0.001"
	}
	return "p=" + strconv.FormatFloat(p, 'f', 3, 64)
}

// text gives a summary as benchstat does: the figure, and how far its interval reaches from it.
func (s *Summary) text(unit string, kind Kind) string {
	if s == nil {
		return ""
	}
	out := amount(s.Center, unit)
	switch {
	case kind == Exact:
		return out
	case s.Lo == nil || s.Hi == nil:
		return out + " ± ∞"
	case kind == Timed && s.Center > 0:
		far := max(*s.Hi/s.Center-1, 1-*s.Lo/s.Center)
		return out + " ± " + strconv.FormatFloat(100*far, 'f', 0, 64) + " %"
	}
	return out + " ± " + digits(max(*s.Hi-s.Center, s.Center-*s.Lo), 2)
}

// directionText says which way is up.
func directionText(b result.Better) string {
	switch b {
	case result.Higher:
		return "higher is better"
	case result.Lower:
		return "lower is better"
	}
	return "no direction is better"
}

// cut shortens text to n characters.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:max(n-1, 0)]) + "…"
	}
	return s
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return strconv.Itoa(n) + " " + word + "s"
}
