package compare

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/units"
)

// Interleaved is the result of an interleaved measurement.
type Interleaved struct {
	// Base and New describe the sides.
	Base string `json:"base"`
	New  string `json:"new"`
	// Rounds is the number of rounds and Seconds their total time. First lists the side that went
	// first in each round.
	Rounds  int      `json:"rounds"`
	Seconds float64  `json:"seconds"`
	First   []string `json:"first"`
	// Differences lists the differences between the sides' environments, such as the kernel tier.
	Differences []string `json:"differences,omitempty"`
	// Gates are the verdicts.
	Gates *Judgement `json:"gates"`
}

// JSON writes t as one document.
func (t *Interleaved) JSON(w io.Writer) error { return writeJSON(w, t) }

// about describes what was measured.
func (t *Interleaved) about() string {
	took := time.Duration(t.Seconds * float64(time.Second)).Round(time.Second)
	s := fmt.Sprintf("base %s, new %s; %s, interleaved, %s", clean(t.Base), clean(t.New), units.Plural(float64(t.Rounds), "round"), took)
	if len(t.Differences) > 0 {
		s += "; the sides differ in " + clean(strings.Join(t.Differences, ", "))
	}
	return s
}

// columns are the headings of the tables of cases.
var columns = []string{"case", "value", "interval", "n", "p", "verdict"}

// row returns a case's row in the table of its gate.
func (c CaseVerdict) row() []string {
	name := clean(c.Model + " " + c.Label)
	if c.Over != "" {
		name += " over " + clean(c.Over)
	}
	if c.Value == nil {
		return []string{name, "", "", "", "", string(c.Verdict)}
	}
	figure := func(v float64) string {
		if c.Unit == "ratio" { // ratios need more digits
			return units.Digits(v, 4) + "x"
		}
		return units.Exact(v, c.Unit)
	}
	r := []string{name, figure(*c.Value), "", "", "", string(c.Verdict)}
	if c.e.exact {
		return r
	}
	bound := func(v *float64, none string) string {
		if v == nil {
			return none
		}
		return figure(*v)
	}
	r[2], r[3] = bound(c.Lo, "-∞")+" to "+bound(c.Hi, "∞"), fmt.Sprint(c.N)
	if c.P != nil {
		r[4] = pText(min(*c.P, 1))
	}
	return r
}

// remarks returns the text that does not fit in the table's rows.
func (g GateVerdict) remarks() (out []string) {
	if g.Reason != "" {
		out = append(out, g.Reason)
	}
	for _, c := range g.Cases {
		name := clean(c.Model+" "+c.Label) + ": "
		if c.Reason != "" {
			out = append(out, name+clean(c.Reason))
		}
		if c.Verdict == Undecided {
			out = append(out, name+c.needText(false))
		}
	}
	return out
}

// Text writes t for a terminal of width columns (60 to 120; 0 means 100).
func (t *Interleaved) Text(w io.Writer, width int) error {
	if width == 0 {
		width = 100
	}
	b := &textWriter{width: min(max(width, 60), 120)}
	b.wrapped("", t.about())
	for _, g := range t.Gates.Gates {
		fmt.Fprintf(&b.buf, "\n%s: %s\n", g.Verdict, clean(g.Gate.Text))
		if len(g.Cases) > 0 {
			rows := [][]string{columns}
			for _, c := range g.Cases {
				rows = append(rows, c.row())
			}
			b.table(rows)
		}
		for _, r := range g.remarks() {
			b.wrapped("  ", r)
		}
	}
	fmt.Fprintf(&b.buf, "\ngates: %s\n", t.Gates.Verdict)
	_, err := w.Write(b.buf.Bytes())
	return err
}

// Markdown writes t for a job summary or a pull request.
func (t *Interleaved) Markdown(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "## A/B gates: %s\n\n%s.\n", t.Gates.Verdict, cleantext.Markdown(t.about()))
	for _, g := range t.Gates.Gates {
		fmt.Fprintf(&b, "\n**%s**: %s\n", cleantext.Markdown(string(g.Verdict)), cleantext.Markdown(g.Gate.Text))
		if len(g.Cases) > 0 {
			fmt.Fprintf(&b, "\n| %s |\n| :--- | ---: | ---: | ---: | ---: | :--- |\n", strings.Join(columns, " | "))
			for _, c := range g.Cases {
				row := c.row()
				for i := range row {
					row[i] = cleantext.Markdown(row[i])
				}
				fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
			}
		}
		for _, r := range g.remarks() {
			fmt.Fprintf(&b, "\n- %s\n", cleantext.Markdown(r))
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}
