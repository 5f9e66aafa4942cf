package reports

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Numbers as text. Every writer uses these, so a figure reads the same everywhere.

const (
	ki = 1 << 10
	mi = 1 << 20
	gi = 1 << 30
)

// sig gives n significant digits, without an exponent where that stays short.
func sig(v float64, n int) string {
	a := math.Abs(v)
	if a == 0 {
		return "0"
	}
	if a < 1e-4 || a >= 1e7 || math.IsInf(a, 0) || math.IsNaN(a) {
		return strconv.FormatFloat(v, 'e', n-1, 64)
	}
	// Round first: 9.996 has its third digit where 10.0 has it.
	digits := int(math.Floor(math.Log10(a)))
	if r, err := strconv.ParseFloat(strconv.FormatFloat(a, 'e', n-1, 64), 64); err == nil {
		digits = int(math.Floor(math.Log10(r) + 1e-9))
	}
	return strconv.FormatFloat(v, 'f', max(n-1-digits, 0), 64)
}

// tokens gives a number of tokens the way suites write it: 256, 1Ki, 64Ki, 1Mi; 100k where it is round in tens.
// Where several stand in a row or on an axis, tokensOf writes them in one unit.
func tokens(v float64) string { return tokensOf([]float64{v})(v) }

// tokensOf chooses how to write some numbers of tokens: all in powers of two or all in tens where that is exact,
// in quarters of Ki, or else without a unit.
func tokensOf(values []float64) func(float64) string {
	all := func(least, unit float64) bool {
		return !slices.ContainsFunc(values, func(v float64) bool { return math.Abs(v) >= least && math.Mod(v, unit) != 0 })
	}
	binary, decimal := all(ki, ki), all(1e4, 1000) && slices.ContainsFunc(values, func(v float64) bool { return math.Abs(v) >= 1e4 })
	if binary && decimal { // 128000 is 125Ki too, but hardly ever meant so
		length := func(write func(float64) string) (n int) {
			for _, v := range values {
				n += len(write(v))
			}
			return n
		}
		binary = length(binaryTokens) <= length(decimalTokens)
	}
	switch {
	case slices.ContainsFunc(values, func(v float64) bool { return v != math.Trunc(v) || math.Abs(v) >= 1e15 }):
		return func(v float64) string { return sig(v, 4) }
	case binary, !decimal && all(ki, ki/4):
		return binaryTokens
	case decimal:
		return decimalTokens
	}
	return func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
}

func binaryTokens(v float64) string {
	switch a := math.Abs(v); {
	case a >= mi && math.Mod(v, mi) == 0:
		return strconv.FormatFloat(v/mi, 'f', -1, 64) + "Mi"
	case a >= ki:
		return strconv.FormatFloat(v/ki, 'f', -1, 64) + "Ki"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

func decimalTokens(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1e6 && math.Mod(v, 1e6) == 0:
		return strconv.FormatFloat(v/1e6, 'f', -1, 64) + "M"
	case a >= 1e4:
		return strconv.FormatFloat(v/1000, 'f', -1, 64) + "k"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// bytesText gives bytes in binary units to three digits.
func bytesText(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1e6*gi:
		return sig(v, 3) + " B"
	case a >= 1000*mi:
		return sig(v/gi, 3) + " GiB"
	case a >= 1000*ki:
		return sig(v/mi, 3) + " MiB"
	case a >= 1000:
		return sig(v/ki, 3) + " KiB"
	}
	return sig(v, 3) + " B"
}

// secondsText gives a time to three digits.
func secondsText(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0 s"
	case a < 1e-6:
		return sig(v*1e9, 3) + " ns"
	case a < 1e-3:
		return sig(v*1e6, 3) + " µs"
	case a < 1:
		return sig(v*1e3, 3) + " ms"
	}
	return sig(v, 3) + " s"
}

// scaled gives a count with a decimal prefix: 950, 9500, 12.3k, 4.56M.
func scaled(v float64) string {
	a := math.Abs(v)
	switch {
	case a >= 1e16:
	case a >= 1e12:
		return sig(v/1e12, 3) + "T"
	case a >= 1e9:
		return sig(v/1e9, 3) + "G"
	case a >= 1e6:
		return sig(v/1e6, 3) + "M"
	case a >= 1e4:
		return sig(v/1e3, 3) + "k"
	}
	return sig(v, 3)
}

// fraction gives an accuracy to two decimals.
func fraction(v float64) string {
	if math.Abs(v) >= 1e6 {
		return sig(v, 3)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// percent gives a fraction as a percentage with as few digits as show it: 0 %, 12.5 %, 100 %.
func percent(v float64) string {
	if math.Abs(v) >= 1e4 {
		return sig(100*v, 3) + " %"
	}
	return strconv.FormatFloat(math.Round(1000*v)/10, 'f', -1, 64) + " %"
}

// change gives the relative difference of v from a reference: +3.1 %.
func change(v, ref float64) string {
	if ref == 0 {
		return ""
	}
	d := 100 * (v - ref) / math.Abs(ref)
	if math.IsNaN(d) || math.IsInf(d, 0) {
		return ""
	}
	if math.Abs(d) >= 1000 {
		return times(v / ref)
	}
	s := strconv.FormatFloat(d, 'f', 1, 64)
	if s == "-0.0" {
		s = "0.0"
	}
	if !strings.HasPrefix(s, "-") {
		s = "+" + s
	}
	return s + " %"
}

// times gives a ratio: 9.56x.
func times(v float64) string {
	if math.Abs(v) >= 1000 && math.Abs(v) < 1e6 {
		return strconv.FormatFloat(v, 'f', 0, 64) + "x"
	}
	return sig(v, 3) + "x"
}

// amount gives a value of a metric in its unit.
func amount(v float64, unit string) string {
	switch unit {
	case "bytes":
		return bytesText(v)
	case "s", "seconds":
		return secondsText(v)
	case "fraction":
		return fraction(v)
	case "ratio":
		return times(v)
	case "tokens":
		return tokens(v)
	case "tokens/s":
		return scaled(v)
	case "flop":
		return scaled(v) + "FLOP"
	case "nats", "nats/token", "bits/byte":
		return sig4(v)
	}
	if v == math.Trunc(v) && math.Abs(v) < 1e9 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return sig(v, 4)
}

// sig4 gives three decimals to ordinary losses and four digits to others.
func sig4(v float64) string {
	if a := math.Abs(v); a < 1000 && a >= 0.01 || a == 0 {
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
	return sig(v, 4)
}
