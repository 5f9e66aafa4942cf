package reports

import (
	"bytes"
	"fmt"
	"io"

	"github.com/yocobench/yocobench/internal/cleantext"
)

// markdown writes report.md, which refers to the PNG pictures in the same folder.
func (v *view) markdown(out io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n%s\n", cleantext.Markdown(v.heading()), cleantext.Markdown(v.outcome()))
	if g := v.gates(); g != nil {
		mdGates(&b, g)
	}
	for _, s := range v.sections {
		fmt.Fprintf(&b, "\n## %s\n", cleantext.Markdown(s.title))
		if s.lead != "" {
			fmt.Fprintf(&b, "\n%s\n", cleantext.Markdown(s.lead))
		}
		for _, f := range s.figures {
			fmt.Fprintf(&b, "\n![%s](%s.png)\n", cleantext.Markdown(joined(f.title, f.subtitle)), f.id)
		}
		for _, t := range s.tables {
			mdTable(&b, t)
		}
	}
	if t, total := v.misses(20); total > 0 {
		t.title = fmt.Sprintf("%s (%d of %d)", t.title, len(t.rows), total)
		mdTable(&b, t)
	}
	if t := v.problems(); len(t.rows) > 0 {
		mdTable(&b, t)
	}
	if t := v.environment(); len(t.rows) > 0 {
		t.head = []string{"environment", ""}
		t.title = ""
		b.WriteString("\n## Environment\n")
		mdTable(&b, t)
	}
	if notes := v.notes(); len(notes) > 0 {
		b.WriteString("\n## Notes\n\n")
		for _, n := range notes {
			fmt.Fprintf(&b, "- %s\n", cleantext.Markdown(n))
		}
	}
	_, err := out.Write(b.Bytes())
	return err
}

// mdTable writes a table without splitting it, because a Markdown page scrolls.
func mdTable(b *bytes.Buffer, t table) {
	b.WriteByte('\n')
	if t.title != "" {
		fmt.Fprintf(b, "### %s\n\n", cleantext.Markdown(t.title))
	}
	for _, n := range t.notes {
		fmt.Fprintf(b, "%s\n\n", cleantext.Markdown(n))
	}
	b.WriteByte('|')
	for _, h := range t.head {
		fmt.Fprintf(b, " %s |", cleantext.Markdown(h))
	}
	b.WriteString("\n|")
	for i := range t.head {
		if i < t.fixed {
			b.WriteString(" :--- |")
		} else {
			b.WriteString(" ---: |")
		}
	}
	b.WriteByte('\n')
	row := func(r []cell, mark string) {
		b.WriteByte('|')
		for _, c := range r {
			text := cleantext.Markdown(c.text)
			if text != "" && mark != "" {
				text = mark + text + mark
			}
			fmt.Fprintf(b, " %s |", text)
		}
		b.WriteByte('\n')
	}
	for _, r := range t.rows {
		row(r, "")
	}
	for i, r := range t.foot {
		row(r, map[bool]string{true: "**"}[i == 0])
	}
}
