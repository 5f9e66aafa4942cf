package reports

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg"

	"github.com/yocobench/yocobench/internal/units"
)

// axis maps values to positions. Its range grows to include all values that are drawn.
type axis struct {
	label string
	log   bool
	// binary puts ticks at powers of two, for tokens and bytes.
	binary bool
	// unit is the unit of the ticks.
	unit string
	// zero is the value at which a logarithmic axis shows 0, left of the smallest value, or 0 if it
	// does not show it.
	zero float64
	// quiet axes show no labels, because they share those of a neighbour.
	quiet  bool
	lo, hi float64
	some   bool
	// marks holds the values themselves, if they are few enough to be the ticks.
	marks []float64
}

// drawable reports whether a value can be drawn; larger ones would overflow coordinates.
func (a *axis) drawable(v float64) bool {
	if math.IsNaN(v) || math.Abs(v) > 1e100 {
		return false
	}
	return !a.log || v > 1e-100 || v == 0 && a.zero > 0
}

// see extends the range to include v.
func (a *axis) see(v float64) {
	if !a.drawable(v) {
		return
	}
	if v == 0 && a.log {
		v = a.zero
	}
	if !a.some {
		a.lo, a.hi, a.some = v, v, true
	}
	a.lo, a.hi = min(a.lo, v), max(a.hi, v)
}

// mark adds v to the ticks.
func (a *axis) mark(v float64) {
	if a.drawable(v) && !slices.Contains(a.marks, v) && len(a.marks) <= maxMarks {
		a.marks = append(a.marks, v)
	}
}

// maxMarks is the maximum number of values that become ticks.
const maxMarks = 10

// close adds margins to the range, so that no marker is on the frame.
func (a *axis) close(margin float64) {
	if !a.some {
		a.lo, a.hi = 1, 2
	}
	if a.log {
		if a.hi/a.lo < 1.5 {
			a.lo, a.hi = a.lo/1.3, a.hi*1.3
		}
		m := math.Pow(a.hi/a.lo, margin)
		a.lo, a.hi = a.lo/m, a.hi*m
		return
	}
	if a.hi-a.lo <= 1e-9*max(math.Abs(a.hi), math.Abs(a.lo)) {
		d := max(math.Abs(a.hi)*0.05, 1e-9)
		a.lo, a.hi = a.lo-d, a.hi+d
	}
	m := (a.hi - a.lo) * margin
	a.lo, a.hi = a.lo-m, a.hi+m
}

// norm returns the position of a value: 0 at lo, 1 at hi.
func (a *axis) norm(v float64) float64 {
	if a.log {
		if v <= 0 {
			v = a.zero
		}
		return math.Log(v/a.lo) / math.Log(a.hi/a.lo)
	}
	return (v - a.lo) / (a.hi - a.lo)
}

// tick is a mark on an axis; minor ones have no text.
type tick struct {
	at   float64
	text string
}

// ticks returns about want labelled ticks.
func (a *axis) ticks(want int) []tick {
	var out []tick
	switch {
	case len(a.marks) > 0 && len(a.marks) <= maxMarks:
		text := a.text
		if a.unit == "tokens" {
			text = units.TokensOf(a.marks)
		}
		for _, v := range slices.Sorted(slices.Values(a.marks)) {
			if v == 0 && a.log {
				v = a.zero
			}
			out = append(out, tick{v, text(v)})
		}
	case a.log && a.binary && a.hi/a.lo >= 2.5:
		out = a.powers(2, want)
	case a.log:
		out = a.decades(want)
	default:
		out = a.linear(want)
	}
	if a.zero > 0 && a.zero >= a.lo {
		out = slices.DeleteFunc(out, func(t tick) bool { return t.at < a.zero*1.5 })
		out = append([]tick{{a.zero, "0"}}, out...)
	}
	return out
}

// powers puts ticks at powers of base, skipping some so that they fit.
func (a *axis) powers(base float64, want int) (out []tick) {
	lo, hi := math.Ceil(math.Log(a.lo)/math.Log(base)-1e-9), math.Floor(math.Log(a.hi)/math.Log(base)+1e-9)
	step := max(1, math.Ceil((hi-lo+1)/float64(want)))
	for e := lo; e <= hi; e++ {
		text := ""
		if math.Mod(e, step) == 0 {
			text = a.text(math.Pow(base, e))
		}
		out = append(out, tick{math.Pow(base, e), text})
	}
	return out
}

// decades puts ticks at powers of ten and, if there are few decades, at 2 and 5 between them.
func (a *axis) decades(want int) (out []tick) {
	lo, hi := math.Floor(math.Log10(a.lo)), math.Ceil(math.Log10(a.hi))
	span := math.Log10(a.hi / a.lo)
	if span < 0.7 {
		return a.linear(want)
	}
	step := max(1, math.Ceil(span/float64(want)))
	for e := lo; e <= hi; e++ {
		for m := 1.0; m < 10; m++ {
			at := m * math.Pow(10, e)
			if at < a.lo || at > a.hi || step > 1 && m > 1 {
				continue
			}
			text := ""
			if m == 1 && math.Mod(e, step) == 0 || span < 2.7 && (m == 2 || m == 5) {
				text = a.text(at)
			}
			out = append(out, tick{at, text})
		}
	}
	return out
}

// linear puts ticks at multiples of 1, 2 or 5 times a power of ten. For bytes, these are multiples
// in the displayed unit.
func (a *axis) linear(want int) (out []tick) {
	unit := 1.0
	if a.unit == "bytes" {
		for _, u := range []float64{1 << 10, 1 << 20, 1 << 30} {
			if a.hi >= u {
				unit = u
			}
		}
	}
	lo, hi := a.lo/unit, a.hi/unit
	step := math.Pow(10, math.Floor(math.Log10((hi-lo)/float64(want))))
	for _, m := range []float64{1, 2, 5, 10} {
		if (hi-lo)/(step*m) <= float64(want) {
			step *= m
			break
		}
	}
	first := math.Ceil(lo/step - 1e-9)
	for i := range 2*want + 2 {
		at := (first + float64(i)) * step
		if at > hi+step*1e-9 || at < lo-step*1e-9 {
			continue
		}
		if math.Abs(at) < step*1e-9 {
			at = 0
		}
		text := a.text(at * unit)
		if a.unit == "fraction" || a.unit == "nats/token" || a.unit == "" {
			if d := -math.Floor(math.Log10(step) + 1e-9); d >= 0 && d < 9 && math.Abs(at) < 1e6 {
				text = strconv.FormatFloat(at, 'f', int(d), 64)
			}
		}
		out = append(out, tick{at * unit, text})
	}
	return out
}

// text formats a tick's value without unnecessary digits: 1 GiB, 10 ms, 2x.
func (a *axis) text(v float64) string {
	var s string
	switch a.unit {
	case "tokens/s":
		if math.Abs(v) >= 1000 && math.Abs(v) < 1e4 {
			s = units.Digits(v/1000, 3) + "k"
			break
		}
		s = units.Scaled(v)
	case "fraction", "nats/token", "":
		s = units.Digits(v, 4)
	default:
		s = units.Amount(v, a.unit)
	}
	return trim(s)
}

// trim removes trailing zeros of a number, which a unit may follow: 64.0 MiB becomes 64 MiB.
func trim(s string) string {
	number, unit := s, ""
	if i := strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune("0123456789.+-", r) }); i > 0 {
		number, unit = s[:i], s[i:]
	}
	if strings.HasPrefix(unit, "e") {
		return s
	}
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	return number + unit
}

// clear removes the texts of ticks that would touch their neighbour. size returns the length of a
// text along the axis.
func (a *axis) clear(ticks []tick, length vg.Length, size func(string) vg.Length) []tick {
	last := vg.Length(-1e9)
	for i := range ticks {
		if ticks[i].text == "" {
			continue
		}
		half := size(ticks[i].text) / 2
		at := vg.Length(a.norm(ticks[i].at)) * length
		if at-half < last+4 {
			ticks[i].text = ""
			continue
		}
		last = at + half
	}
	return ticks
}
