package compare

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/units"
)

// Text writes the comparison for a terminal, in lines of at most width columns (60 to 120; 0 means
// 100). Only longer model names exceed that.
func (c *Comparison) Text(w io.Writer, width int) error {
	if width == 0 {
		width = 100
	}
	t := &textWriter{width: min(max(width, 60), 120)}
	head := fmt.Sprintf("base %s, new %s; ± %s intervals; differences are significant at p <= %s",
		clean(c.Base), clean(c.New), percentOf(c.Confidence), short(c.Alpha))
	if c.byRun() {
		head += "; for times, n counts runs"
	}
	t.wrapped("", head)
	for _, warning := range c.Warnings {
		t.wrapped("warning: ", clean(warning))
	}
	var equal []string
	for _, g := range c.Groups {
		if g.count(Equal) == len(g.Changes) {
			equal = append(equal, fmt.Sprintf("%s.%s (%s)", g.Task, g.Metric, units.Plural(float64(len(g.Changes)), "case")))
			continue
		}
		t.group(g)
	}
	if len(equal) > 0 {
		t.buf.WriteByte('\n')
		t.wrapped("equal everywhere: ", clean(strings.Join(equal, ", ")))
	}
	t.list("only in base", c.OnlyBase)
	t.list("only in new", c.OnlyNew)
	t.buf.WriteByte('\n')
	t.wrapped("", c.outcome())
	if c.Note != "" {
		t.wrapped("note: ", c.Note)
	}
	if c.Gates != nil {
		t.buf.WriteByte('\n')
		c.Gates.write(t, c.Note)
	}
	_, err := w.Write(t.buf.Bytes())
	return err
}

// byRun reports whether the samples of times are runs.
func (c *Comparison) byRun() bool {
	for _, g := range c.Groups {
		for _, x := range g.Changes {
			if x.Runs {
				return true
			}
		}
	}
	return false
}

// outcome summarises the verdicts.
func (c *Comparison) outcome() string {
	if len(c.Groups) == 0 {
		return "no case is on both sides: nothing to compare"
	}
	var parts []string
	for _, v := range []struct {
		v    Verdict
		word string
	}{{Better, "better"}, {Worse, "worse"}, {Differs, "different"}, {Unknown, "undecided"}, {Equal, "equal"}} {
		if n := c.Count(v.v); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v.word))
		}
	}
	tests := 0
	for _, g := range c.Groups {
		for _, x := range g.Changes {
			if x.P != nil {
				tests++
			}
		}
	}
	s := strings.Join(parts, ", ")
	if by := c.Alpha * float64(tests); by >= 0.5 {
		s += fmt.Sprintf("; about %.0f of %d tests would be significant by chance", by, tests)
	}
	return s
}

func (g Group) count(v Verdict) (n int) {
	for _, x := range g.Changes {
		if x.Verdict == v {
			n++
		}
	}
	return n
}

func percentOf(f float64) string { return short(100*f) + " %" }

// short formats a number from the user, such as 0.05, without extra digits.
func short(f float64) string { return strconv.FormatFloat(f, 'g', 6, 64) }

// textWriter collects lines.
type textWriter struct {
	buf   bytes.Buffer
	width int
}

// wrapped writes a paragraph after a prefix. Further lines are indented by two, or by the prefix's
// width if it is blank.
func (t *textWriter) wrapped(prefix, text string) {
	line, indent := prefix, "  "
	if strings.TrimSpace(prefix) == "" {
		indent = prefix + "  "
	}
	begun := false
	for word := range strings.FieldsSeq(text) {
		if begun && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > t.width {
			t.buf.WriteString(line + "\n")
			line, begun = indent, false
		}
		if begun {
			line += " "
		}
		line += word
		begun = true
	}
	t.buf.WriteString(strings.TrimRight(line, " ") + "\n")
}

// listed is the number of one-sided cases that are listed by name.
const listed = 10

func (t *textWriter) list(head string, names []string) {
	if len(names) == 0 {
		return
	}
	fmt.Fprintf(&t.buf, "\n%s (%s)\n", head, units.Plural(float64(len(names)), "case"))
	for _, n := range names[:min(len(names), listed)] {
		t.buf.WriteString("  " + cleantext.Ellipsis(n, t.width-2) + "\n")
	}
	if more := len(names) - listed; more > 0 {
		fmt.Fprintf(&t.buf, "  and %d more\n", more)
	}
}

// group writes the table of one metric: case, base, new, change, p and n.
func (t *textWriter) group(g Group) {
	fmt.Fprintf(&t.buf, "\n%s.%s  (%s, %s)\n", clean(g.Task), clean(g.Metric), clean(g.Unit), directionText(g.Better))
	rows, notes := g.rows()
	rows = append([][]string{{"", "base", "new", "change", ""}}, rows...)
	if g.Ratio != nil && len(g.Changes) > 1 {
		rows = append(rows, []string{"geometric mean", "", "", percent(g.Ratio), ""})
	}
	t.table(rows)
	for i, n := range notes {
		t.wrapped(fmt.Sprintf("  %s ", footnote(i)), n)
	}
}

// rows returns the table rows of a group and the notes that they refer to.
func (g Group) rows() (rows [][]string, notes []string) {
	number := map[string]int{}
	for _, c := range g.Changes {
		label := strings.TrimPrefix(strings.TrimPrefix(c.Label, g.Task), " ")
		side := func(s *Summary, state string) string {
			switch {
			case s != nil:
				return s.text(g.Unit, c.Kind)
			case state == "ok":
				return "no value"
			}
			return state
		}
		evidence := ""
		if c.P != nil {
			evidence = pText(*c.P)
		}
		if c.Base != nil && c.New != nil && c.Kind != Exact {
			n := fmt.Sprintf("n=%d", c.New.N)
			if c.Base.N != c.New.N {
				n = fmt.Sprintf("n=%d+%d", c.Base.N, c.New.N)
			}
			evidence = strings.TrimPrefix(evidence+" "+n, " ")
		}
		if c.Note != "" {
			i, ok := number[c.Note]
			if !ok {
				i = len(notes)
				number[c.Note] = i
				notes = append(notes, c.Note)
			}
			evidence += " " + footnote(i)
		}
		rows = append(rows, []string{clean(c.Model + " " + label), side(c.Base, string(c.BaseState)), side(c.New, string(c.NewState)), c.changeText(), evidence})
	}
	return rows, notes
}

// changeText formats the change with its verdict.
func (c Change) changeText() string {
	switch c.Verdict {
	case Unknown:
		switch {
		case c.Base == nil || c.New == nil:
			return ""
		case c.Kind == Timed && c.P == nil && c.Ratio != nil:
			return "~ (" + percent(c.Ratio) + ")" // shown, but not tested
		}
		return "~"
	case Equal:
		return "equal"
	}
	if c.Ratio == nil {
		return string(c.Verdict)
	}
	return percent(c.Ratio) + " " + string(c.Verdict)
}

// footnote returns the mark of the i-th note.
func footnote(i int) string {
	mark := ""
	for _, d := range fmt.Sprint(i + 1) {
		mark += string([]rune("⁰¹²³⁴⁵⁶⁷⁸⁹")[d-'0'])
	}
	return mark
}

// table writes columns two spaces apart. The first is left-aligned and shortened to fit the width,
// the last is left-aligned, the others are right-aligned.
func (t *textWriter) table(rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, c := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	rest := 2
	for _, w := range widths[1:] {
		rest += 2 + w
	}
	widths[0] = min(widths[0], max(t.width-rest, 16))
	for _, r := range rows {
		line := "  "
		for i, c := range r {
			switch {
			case i == 0:
				line += pad(cleantext.Ellipsis(c, widths[0]), widths[0], false)
			default:
				line += "  " + pad(c, widths[i], i < len(r)-1)
			}
		}
		t.buf.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// pad pads text to n columns.
func pad(s string, n int, left bool) string {
	fill := strings.Repeat(" ", max(n-utf8.RuneCountInString(s), 0))
	if left {
		return fill + s
	}
	return s + fill
}
