package reports

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/yocobench/yocobench/internal/cleantext"
)

// Gates holds the verdicts on a run's gates, which package compare decides.
type Gates struct {
	// Verdict is the verdict on all gates: "passed", "regressed", "broken", "undecided" or "not
	// judged".
	Verdict string
	// Note explains a limitation of the verdicts; it may be empty.
	Note string
	List []Gate
}

// Gate is the verdict on one gate.
type Gate struct {
	Verdict string
	// Text is the gate as it was written.
	Text string
	// Lines lists the evidence for the verdict: values with their intervals and samples, or the
	// reason for which there are none.
	Lines []string
}

// verdictTone maps verdicts to tones.
var verdictTone = map[string]tone{"passed": good, "regressed": bad, "broken": bad, "undecided": fair}

// toneOf returns the tone of a verdict, dim for "not judged".
func toneOf(verdict string) tone {
	if t, ok := verdictTone[verdict]; ok {
		return t
	}
	return dim
}

// gates returns the verdicts with clean texts, or nil.
func (v *view) gates() *Gates {
	if v.verdicts == nil || len(v.verdicts.List) == 0 {
		return nil
	}
	out := &Gates{Verdict: cleantext.Ellipsis(clean(v.verdicts.Verdict), 20), Note: clean(v.verdicts.Note)}
	for _, g := range v.verdicts.List {
		shown := Gate{Verdict: cleantext.Ellipsis(clean(g.Verdict), 20), Text: clean(g.Text)}
		for _, l := range g.Lines {
			shown.Lines = append(shown.Lines, clean(l))
		}
		out.List = append(out.List, shown)
	}
	return out
}

// heading returns the verdict on all gates and the number of gates that were not judged.
func (g *Gates) heading() string {
	n := 0
	for _, x := range g.List {
		if x.Verdict == "not judged" {
			n++
		}
	}
	if n == 0 || n == len(g.List) {
		return g.Verdict
	}
	return fmt.Sprintf("%s, %d of %d not judged", g.Verdict, n, len(g.List))
}

// gates writes the verdicts, each with its evidence.
func (w *textWriter) gates(g *Gates) {
	w.blank()
	w.line(bold, "gates: "+g.heading())
	for _, x := range g.List {
		word := x.Verdict
		for i, l := range cleantext.Wrap(x.Text, w.width-14) {
			if i > 0 {
				word = ""
			}
			w.buf.WriteString("  " + w.paint(toneOf(x.Verdict), fmt.Sprintf("%-10s", word)) + "  " + l + "\n")
		}
		for _, l := range x.Lines {
			for i, part := range cleantext.Wrap(l, w.width-6) {
				w.buf.WriteString([]string{"    ", "      "}[min(i, 1)] + part + "\n")
			}
		}
	}
	if g.Note != "" {
		w.line(plain, "note: "+g.Note)
	}
}

// mdGates writes the verdicts as a table, with the evidence of each gate in one cell.
func mdGates(b *bytes.Buffer, g *Gates) {
	fmt.Fprintf(b, "\n## Gates: %s\n\n| verdict | gate | evidence |\n| :--- | :--- | :--- |\n", cleantext.Markdown(g.heading()))
	for _, x := range g.List {
		verdict := cleantext.Markdown(x.Verdict)
		if x.Verdict != "passed" {
			verdict = "**" + verdict + "**"
		}
		var lines []string
		for _, l := range x.Lines {
			lines = append(lines, cleantext.Markdown(l))
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", verdict, cleantext.Markdown(x.Text), strings.Join(lines, "<br>"))
	}
	if g.Note != "" {
		fmt.Fprintf(b, "\nNote: %s.\n", cleantext.Markdown(g.Note))
	}
}
