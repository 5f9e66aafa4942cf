package compare

import (
	"fmt"
	"io"
	"strings"

	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/gate"
)

// Text writes the verdicts for a terminal.
func (j *Judgement) Text(w io.Writer, width int) error {
	if width == 0 {
		width = 100
	}
	t := &textWriter{width: min(max(width, 60), 120)}
	j.write(t, "")
	_, err := w.Write(t.buf.Bytes())
	return err
}

// shown is the number of cases per gate and verdict that are listed in full.
const shown = 5

// write writes the verdicts, and the note unless it equals known.
func (j *Judgement) write(t *textWriter, known string) {
	fmt.Fprintf(&t.buf, "gates: %s\n", j.Verdict)
	if j.Note != "" && j.Note != known {
		defer t.wrapped("note: ", j.Note)
	}
	for _, g := range j.Gates {
		fmt.Fprintf(&t.buf, "  %-10s  %s\n", g.Verdict, clean(g.Gate.Text))
		for _, line := range g.Lines() {
			t.wrapped("              ", line)
		}
	}
}

// Lines lists the evidence for a gate's verdict: the cases that did not pass and the closest of
// those that did.
func (g GateVerdict) Lines() (lines []string) {
	if g.Reason != "" {
		lines = append(lines, g.Reason)
	}
	for _, v := range []Verdict{Regressed, Broken, Undecided, Unjudged} {
		n := 0
		for _, c := range g.Cases {
			if c.Verdict != v {
				continue
			}
			if n++; n <= shown {
				line := c.line(g.Gate)
				if v != g.Verdict {
					line = string(v) + ": " + line
				}
				lines = append(lines, line)
			}
		}
		if n > shown {
			lines = append(lines, fmt.Sprintf("%s: %d more", v, n-shown))
		}
	}
	var closest *CaseVerdict
	passed := 0
	for i, c := range g.Cases {
		if c.Verdict != Passed {
			continue
		}
		if passed++; closest == nil || c.slack < closest.slack {
			closest = &g.Cases[i]
		}
	}
	switch {
	case closest == nil:
	case passed == 1:
		lines = append(lines, strings.TrimPrefix("passed: ", map[bool]string{true: "passed: "}[g.Verdict == Passed])+closest.line(g.Gate))
	default:
		lines = append(lines, fmt.Sprintf("%d cases passed, the closest %s", passed, closest.line(g.Gate)))
	}
	return lines
}

// line formats a case: its value, interval and samples.
func (c CaseVerdict) line(g gate.Gate) string {
	s := clean(c.Model + " " + c.Label)
	if c.Over != "" {
		s += " over " + clean(c.Over)
	}
	if c.Value == nil {
		return s + ": " + c.Reason
	}
	s += ": " + units.Exact(*c.Value, c.Unit)
	if !c.e.exact {
		bound := func(v *float64, none string) string {
			if v == nil {
				return none
			}
			return units.Exact(*v, c.Unit)
		}
		s += fmt.Sprintf(" (%s to %s), n=%d", bound(c.Lo, "-∞"), bound(c.Hi, "∞"), c.N)
		switch {
		case c.Runs && c.N == 1:
			s += " run"
		case c.Runs:
			s += " runs"
		case c.Rounds:
			s += " rounds"
		}
	}
	if c.Verdict == Regressed && c.P != nil && !c.e.exact {
		s += ", " + pText(*c.P)
	}
	if c.Reason != "" {
		s += "; " + c.Reason
	}
	if c.Verdict == Undecided {
		s += "; " + c.needText(g.Over == gate.Baseline)
	}
	return s
}

// needText describes how many samples would decide.
func (c CaseVerdict) needText(baseline bool) string {
	word := "samples"
	if c.Runs || c.e.wantsRuns {
		word = "runs"
	}
	if c.Rounds {
		word, baseline = "rounds", false
	}
	if c.Unit == "fraction" || strings.Contains(c.Method, "share") {
		word = "questions"
	}
	if baseline {
		word += " on each side"
	}
	switch {
	case c.Need == 0:
		return "more " + word + " may decide"
	case c.Need >= tooMany:
		return "too close to the limit to decide"
	}
	return fmt.Sprintf("about %d %s would decide", c.Need, word)
}
