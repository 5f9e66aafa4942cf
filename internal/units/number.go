package units

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	ki = 1 << 10
	mi = 1 << 20
	gi = 1 << 30
)

// Digits formats v with n significant digits, without an exponent if the result stays short.
func Digits(v float64, n int) string {
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

// Tokens formats a number of tokens as suites do: 256, 1Ki, 64Ki, 1Mi; 100k if it is round in
// decimal. For several numbers in a row or on an axis, TokensOf uses one kind of unit.
func Tokens(v float64) string { return TokensOf([]float64{v})(v) }

// TokensOf chooses a format for several numbers of tokens: all in binary or all in decimal units if
// that is exact, else in quarters of Ki, else without a unit.
func TokensOf(values []float64) func(float64) string {
	all := func(least, unit float64) bool {
		return !slices.ContainsFunc(values, func(v float64) bool { return math.Abs(v) >= least && math.Mod(v, unit) != 0 })
	}
	binary, decimal := all(ki, ki), all(1e4, 1000) && slices.ContainsFunc(values, func(v float64) bool { return math.Abs(v) >= 1e4 })
	if binary && decimal { // 128000 is also 125Ki, but is hardly ever meant that way
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
		return func(v float64) string { return Digits(v, 4) }
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

// Bytes formats bytes in binary units with three digits.
func Bytes(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1e6*gi:
		return Digits(v, 3) + " B"
	case a >= 1000*mi:
		return Digits(v/gi, 3) + " GiB"
	case a >= 1000*ki:
		return Digits(v/mi, 3) + " MiB"
	case a >= 1000:
		return Digits(v/ki, 3) + " KiB"
	}
	return Digits(v, 3) + " B"
}

// Seconds formats a time with three digits.
func Seconds(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0 s"
	case a < 1e-6:
		return Digits(v*1e9, 3) + " ns"
	case a < 1e-3:
		return Digits(v*1e6, 3) + " µs"
	case a < 1:
		return Digits(v*1e3, 3) + " ms"
	}
	return Digits(v, 3) + " s"
}

// Scaled formats a count with a decimal prefix: 950, 9500, 12.3k, 4.56M.
func Scaled(v float64) string {
	a := math.Abs(v)
	switch {
	case a >= 1e16:
	case a >= 1e12:
		return Digits(v/1e12, 3) + "T"
	case a >= 1e9:
		return Digits(v/1e9, 3) + "G"
	case a >= 1e6:
		return Digits(v/1e6, 3) + "M"
	case a >= 1e4:
		return Digits(v/1e3, 3) + "k"
	}
	return Digits(v, 3)
}

// Fraction formats an accuracy with two decimals.
func Fraction(v float64) string {
	if math.Abs(v) >= 1e6 {
		return Digits(v, 3)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// Percent formats a fraction as a percentage with as few digits as necessary: 0 %, 12.5 %, 100 %.
func Percent(v float64) string {
	if math.Abs(v) >= 1e4 {
		return Digits(100*v, 3) + " %"
	}
	return strconv.FormatFloat(math.Round(1000*v)/10, 'f', -1, 64) + " %"
}

// Change formats the relative difference of v from a reference: +3.1 %.
func Change(v, ref float64) string {
	if ref == 0 {
		return ""
	}
	d := 100 * (v - ref) / math.Abs(ref)
	if math.IsNaN(d) || math.IsInf(d, 0) {
		return ""
	}
	if math.Abs(d) >= 1000 {
		return Times(v / ref)
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

// Times formats a ratio: 9.56x.
func Times(v float64) string { return Digits(v, 3) + "x" }

// Amount formats a value of a metric in its unit, with about three digits.
func Amount(v float64, unit string) string {
	switch unit {
	case "bytes":
		return Bytes(v)
	case "s", "seconds":
		return Seconds(v)
	case "fraction":
		return Fraction(v)
	case "ratio":
		return Times(v)
	case "tokens":
		return Tokens(v)
	case "tokens/s":
		return Scaled(v)
	case "flop":
		return Scaled(v) + "FLOP"
	case "nats", "nats/token", "bits/byte":
		return Loss(v)
	}
	if v == math.Trunc(v) && math.Abs(v) < 1e9 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return Digits(v, 4)
}

// Loss formats ordinary losses with three decimals and others with four digits.
func Loss(v float64) string {
	if a := math.Abs(v); a < 1000 && a >= 0.01 || a == 0 {
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
	return Digits(v, 4)
}

// Exact formats a value of a metric in its unit with four digits, for values that are compared.
func Exact(v float64, unit string) string {
	a := math.Abs(v)
	switch unit {
	case "s":
		switch {
		case a == 0 || a >= 1:
			return Digits(v, 4) + " s"
		case a >= 1e-3:
			return Digits(v*1e3, 4) + " ms"
		case a >= 1e-6:
			return Digits(v*1e6, 4) + " µs"
		}
		return Digits(v*1e9, 4) + " ns"
	case "bytes":
		for i, u := range []string{"GiB", "MiB", "KiB"} {
			if scale := math.Exp2(float64(30 - 10*i)); a >= scale && a < 1e7*scale {
				return Digits(v/scale, 4) + " " + u
			}
		}
		return Digits(v, 4) + " B"
	case "fraction":
		return strconv.FormatFloat(v, 'f', 3, 64)
	case "ratio":
		return Times(v)
	}
	return Digits(v, 4)
}

// Plural formats a number of things, such as "1 case" or "3 cases".
func Plural(n float64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return Tokens(n) + " " + thing
}
