package compare

import (
	"math"
	"strconv"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// clean makes untrusted text safe for one line.
func clean(s string) string { return cleantext.Line(s) }

// percent formats a ratio as a change in per cent.
func percent(ratio *float64) string {
	if ratio == nil {
		return "?"
	}
	d := 100 * (*ratio - 1)
	if math.Abs(d) >= 1000 {
		return units.Times(*ratio)
	}
	s := strconv.FormatFloat(d, 'f', 1, 64)
	switch {
	case d == 0:
		s = "0"
	case s == "-0.0", s == "0.0":
		s = units.Digits(d, 1)
	}
	if d > 0 {
		s = "+" + s
	}
	return s + " %"
}

// pText formats a p-value with three decimals, or as p<0.001.
func pText(p float64) string {
	if p < 0.001 {
		return "p<0.001"
	}
	return "p=" + strconv.FormatFloat(p, 'f', 3, 64)
}

// text formats a summary as benchstat does: the value ± the distance of its interval's farther end.
func (s *Summary) text(unit string, kind Kind) string {
	if s == nil {
		return ""
	}
	out := units.Exact(s.Center, unit)
	switch {
	case kind == Exact:
		return out
	case s.Lo == nil || s.Hi == nil:
		return out + " ± ∞"
	case kind == Timed && s.Center > 0:
		far := max(*s.Hi/s.Center-1, 1-*s.Lo/s.Center)
		return out + " ± " + strconv.FormatFloat(100*far, 'f', 0, 64) + " %"
	}
	return out + " ± " + units.Digits(max(*s.Hi-s.Center, s.Center-*s.Lo), 2)
}

// directionText describes which direction is better.
func directionText(b result.Better) string {
	switch b {
	case result.Higher:
		return "higher is better"
	case result.Lower:
		return "lower is better"
	}
	return "neither direction is better"
}
