package reports

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"github.com/yocobench/yocobench/internal/cleantext"
)

// text writes the report for the terminal.
func (v *view) text(out io.Writer, width int, color bool) error {
	if width == 0 {
		width = 80
	}
	w := &textWriter{width: min(max(width, 40), 100), color: color}
	w.line(bold, v.heading())
	w.line(plain, v.outcome())
	for _, s := range v.sections {
		w.blank()
		w.line(bold, strings.ToUpper(s.title))
		w.line(dim, s.lead)
		for _, t := range s.tables {
			if err := v.ctx.Err(); err != nil {
				return err
			}
			w.table(t)
		}
	}
	if t, total := v.misses(5); total > 0 {
		t.title = fmt.Sprintf("%s (%d of %d)", t.title, len(t.rows), total)
		w.table(t)
	}
	if t := v.problems(); len(t.rows) > 0 {
		w.table(t)
	}
	if t := v.environment(); len(t.rows) > 0 {
		w.table(t)
	}
	if notes := v.notes(); len(notes) > 0 {
		w.blank()
		w.line(bold, "Notes")
		for _, n := range notes {
			for i, l := range cleantext.Wrap(n, w.width-2) {
				w.buf.WriteString([]string{"- ", "  "}[min(i, 1)] + l + "\n")
			}
		}
	}
	if g := v.gates(); g != nil {
		w.gates(g)
	}
	if w.err != nil {
		return w.err
	}
	_, err := out.Write(w.buf.Bytes())
	return err
}

const bold tone = 100

// textWriter collects lines of at most width columns.
type textWriter struct {
	buf   bytes.Buffer
	width int
	color bool
	err   error
}

func (w *textWriter) blank() { w.buf.WriteByte('\n') }

// line writes wrapped text.
func (w *textWriter) line(t tone, text string) {
	if text == "" {
		return
	}
	for _, l := range cleantext.Wrap(text, w.width) {
		w.buf.WriteString(w.paint(t, l))
		w.buf.WriteByte('\n')
	}
}

// ansi holds the colours of the tones. They do not rely on red versus green, and the text has the
// same information without colour.
var ansi = map[tone]string{good: "36", fair: "33", poor: "1;31", dim: "2", bad: "1;31", bold: "1"}

func (w *textWriter) paint(t tone, text string) string {
	code := ansi[t]
	if !w.color || code == "" || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// table writes a table. It splits the table into several if the columns do not fit.
func (w *textWriter) table(t table) {
	w.blank()
	w.line(bold, t.title)
	for _, n := range t.notes {
		w.line(dim, n)
	}
	if t.prose {
		w.grid(w.fit(t))
		return
	}
	if w.span(t) > w.width {
		t = w.narrow(t)
	}
	for lo := t.fixed; ; {
		hi := t.next(lo)
		for hi < len(t.head) && w.span(t.columns(lo, t.next(hi))) <= w.width {
			hi = t.next(hi)
		}
		if hi < len(t.head) && t.heat != nil {
			hi = w.balance(t, lo, hi)
		}
		if lo > t.fixed {
			w.blank()
		}
		w.grid(w.fit(t.columns(lo, hi)))
		if lo = hi; lo >= len(t.head) {
			return
		}
	}
}

// next returns the first column after i at which the table may be split.
func (t table) next(i int) int {
	if t.blocks == nil {
		return min(i+1, len(t.head))
	}
	for _, b := range t.blocks {
		if b > i {
			return b
		}
	}
	return len(t.head)
}

// narrow wraps the fixed columns if that avoids splitting the table.
func (w *textWriter) narrow(t table) table {
	limit := widths(t)
	over := w.span(t) - w.width
	for i := range t.fixed {
		if cut := min(over, limit[i]-28); cut > 0 {
			limit[i] -= cut
			over -= cut
		}
	}
	if over > 0 {
		return t
	}
	return wrapTo(t, limit)
}

// balance distributes the columns from lo to hi-1 evenly over the number of tables that they need.
func (w *textWriter) balance(t table, lo, hi int) int {
	left, fit := len(t.head)-lo, hi-lo
	n := (left + fit - 1) / fit
	return lo + (left+n-1)/n
}

// span returns the width of a table, including rules and padding: three columns between cells and
// one at each end.
func (w *textWriter) span(t table) int {
	n := 3*len(t.head) - 1
	for _, c := range widths(t) {
		n += c
	}
	return n
}

// column returns the texts of a column, including its heading and foot.
func (t table) column(i int) []string {
	out := []string{t.head[i]}
	for _, rows := range [][][]cell{t.rows, t.foot} {
		for _, r := range rows {
			out = append(out, r[i].text)
		}
	}
	return out
}

func widths(t table) []int {
	out := make([]int, len(t.head))
	for i := range out {
		for _, s := range t.column(i) {
			out[i] = max(out[i], cleantext.Width(s))
		}
	}
	return out
}

// fit wraps the widest cells of a table until it fits. It breaks words only if it must.
func (w *textWriter) fit(t table) table {
	cols := widths(t)
	over := w.span(t) - w.width
	if over <= 0 {
		return t
	}
	least := make([]int, len(cols)) // the longest words
	for i := range cols {
		for _, s := range t.column(i) {
			for word := range strings.FieldsSeq(s) {
				least[i] = max(least[i], cleantext.Width(word))
			}
		}
	}
	for over > 0 {
		widest := -1
		for i := range cols {
			if cols[i] > least[i] && (widest < 0 || cols[i] > cols[widest]) {
				widest = i
			}
		}
		switch {
		case widest >= 0:
			cols[widest]--
			over--
		case slices.Max(cols) > 3:
			least = slices.Repeat([]int{3}, len(cols))
		default:
			over = 0
		}
	}
	return wrapTo(t, cols)
}

// wrapTo wraps every cell of a table to its column's width.
func wrapTo(t table, cols []int) table {
	cut := func(s string, i int) string { return strings.Join(cleantext.Wrap(s, cols[i]), "\n") }
	out := t
	out.head = nil
	for i, h := range t.head {
		out.head = append(out.head, cut(h, i))
	}
	rows := func(in [][]cell) (rows [][]cell) {
		for _, r := range in {
			row := make([]cell, len(r))
			for i, c := range r {
				row[i] = cell{cut(c.text, i), c.tone}
			}
			rows = append(rows, row)
		}
		return rows
	}
	out.rows, out.foot = rows(t.rows), rows(t.foot)
	return out
}

// grid writes a table that fits.
func (w *textWriter) grid(t table) {
	var buf bytes.Buffer
	align := make(tw.Alignment, len(t.head))
	for i := range align {
		align[i] = tw.AlignRight
		if i < t.fixed {
			align[i] = tw.AlignLeft
		}
	}
	head := tw.Off
	if strings.Join(t.head, "") != "" {
		head = tw.On
	}
	tab := tablewriter.NewTable(&buf,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders: tw.Border{Left: tw.Off, Right: tw.Off, Top: tw.Off, Bottom: tw.Off},
			Symbols: tw.NewSymbols(tw.StyleLight),
			Settings: tw.Settings{
				Separators: tw.Separators{BetweenColumns: tw.On, BetweenRows: tw.Off, ShowHeader: head, ShowFooter: tw.On},
				Lines:      tw.Lines{ShowHeaderLine: head, ShowFooterLine: tw.On},
			},
		})),
		tablewriter.WithEastAsian(tw.Off),
		tablewriter.WithHeaderAutoFormat(tw.Off), tablewriter.WithFooterAutoFormat(tw.Off),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone), tablewriter.WithRowAutoWrap(tw.WrapNone), tablewriter.WithFooterAutoWrap(tw.WrapNone),
		tablewriter.WithTrimSpace(tw.Off), tablewriter.WithTrimLine(tw.Off),
		tablewriter.WithAlignment(align),
	)
	if head == tw.On {
		tab.Header(t.head)
	}
	for _, r := range t.rows {
		w.keep(tab.Append(w.row(r)))
	}
	if len(t.foot) > 0 {
		// tablewriter has one footer row, so its cells contain one line per foot row.
		foot := make([]string, len(t.head))
		for i, r := range t.foot {
			for k, c := range w.row(r) {
				if i > 0 {
					foot[k] += "\n"
				}
				foot[k] += c
			}
		}
		tab.Footer(foot)
	}
	w.keep(tab.Render())
	for line := range strings.Lines(buf.String()) {
		w.buf.WriteString(strings.TrimRight(line, " \n"))
		w.buf.WriteByte('\n')
	}
}

func (w *textWriter) keep(err error) {
	if w.err == nil {
		w.err = err
	}
}

// row colours the cells of a row, each line separately.
func (w *textWriter) row(cells []cell) []string {
	out := make([]string, len(cells))
	for i, c := range cells {
		lines := strings.Split(c.text, "\n")
		for k := range lines {
			lines[k] = w.paint(c.tone, lines[k])
		}
		out[i] = strings.Join(lines, "\n")
	}
	return out
}
