package compare

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/yocobench/yocobench/internal/cleantext"
)

// Markdown writes the comparison for a pull request or a job summary. Verdicts on gates come first.
func (c *Comparison) Markdown(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s compared with %s\n\n%s.\n", cleantext.Markdown(c.New), cleantext.Markdown(c.Base), cleantext.Markdown(c.outcome()))
	if c.Gates != nil {
		b.WriteByte('\n')
		c.Gates.markdown(&b)
	}
	for _, warning := range c.Warnings {
		fmt.Fprintf(&b, "\n> **Warning:** %s\n", cleantext.Markdown(warning))
	}
	var equal []string
	for _, g := range c.Groups {
		if g.count(Equal) == len(g.Changes) {
			equal = append(equal, fmt.Sprintf("%s.%s", g.Task, g.Metric))
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s, %s.\n\n", cleantext.Markdown(g.Task+"."+g.Metric), cleantext.Markdown(g.Unit), directionText(g.Better))
		b.WriteString("| case | base | new | change | evidence |\n| :--- | ---: | ---: | ---: | :--- |\n")
		rows, notes := g.rows()
		for i, r := range rows {
			if v := g.Changes[i].Verdict; v == Worse || v == Better {
				r[3] = "**" + cleantext.Markdown(r[3]) + "**"
			} else {
				r[3] = cleantext.Markdown(r[3])
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", cleantext.Markdown(r[0]), cleantext.Markdown(r[1]), cleantext.Markdown(r[2]), r[3], cleantext.Markdown(r[4]))
		}
		if g.Ratio != nil && len(g.Changes) > 1 {
			fmt.Fprintf(&b, "| geometric mean | | | %s | |\n", cleantext.Markdown(percent(g.Ratio)))
		}
		for i, n := range notes {
			fmt.Fprintf(&b, "\n%s %s\n", footnote(i), cleantext.Markdown(n))
		}
	}
	if len(equal) > 0 {
		fmt.Fprintf(&b, "\nEqual everywhere: %s.\n", cleantext.Markdown(strings.Join(equal, ", ")))
	}
	mdList(&b, "Only in base", c.OnlyBase)
	mdList(&b, "Only in new", c.OnlyNew)
	fmt.Fprintf(&b, "\nValues ± %s intervals; differences are significant at p ≤ %s.\n", percentOf(c.Confidence), short(c.Alpha))
	if c.Note != "" {
		fmt.Fprintf(&b, "\nNote: %s.\n", cleantext.Markdown(c.Note))
	}
	_, err := w.Write(b.Bytes())
	return err
}

func mdList(b *bytes.Buffer, head string, names []string) {
	if len(names) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s:\n\n", head)
	for _, n := range names {
		fmt.Fprintf(b, "- %s\n", cleantext.Markdown(n))
	}
}

// Markdown writes the verdicts.
func (j *Judgement) Markdown(w io.Writer) error {
	var b bytes.Buffer
	j.markdown(&b)
	_, err := w.Write(b.Bytes())
	return err
}

func (j *Judgement) markdown(b *bytes.Buffer) {
	fmt.Fprintf(b, "## Gates: %s\n\n| verdict | gate | evidence |\n| :--- | :--- | :--- |\n", j.Verdict)
	for _, g := range j.Gates {
		var lines []string
		for _, l := range g.Lines() {
			lines = append(lines, cleantext.Markdown(l))
		}
		verdict := cleantext.Markdown(string(g.Verdict))
		if g.Verdict != Passed {
			verdict = "**" + verdict + "**"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", verdict, cleantext.Markdown(g.Gate.Text), strings.Join(lines, "<br>"))
	}
}
