package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/yocobench/yocobench/internal/cleantext"
)

// table prints a list on the terminal: columns two spaces apart, headings in capitals. It is for
// lists of names; package reports prints results.
type table struct {
	w    io.Writer
	rows [][]string
}

func newTable(w io.Writer, heads ...string) *table {
	t := &table{w: w}
	for i, h := range heads {
		heads[i] = strings.ToUpper(h)
	}
	t.rows = append(t.rows, heads)
	return t
}

// row adds a row. Line breaks in a cell are removed.
func (t *table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = cleantext.Line(c)
	}
	t.rows = append(t.rows, cells)
}

// write writes the table. It wraps the last column to the terminal's width, or to 80 columns. On a
// terminal too narrow for that, it wraps the other columns too.
func (t *table) write() error {
	limit, _ := terminal(t.w)
	if terminalFile(t.w) == nil {
		return t.writeTo(limit, false)
	}
	return t.writeTo(limit, true)
}

// leastLast is the minimum width of the last column.
const leastLast = 20

func (t *table) writeTo(limit int, shrink bool) error {
	var width []int
	for _, r := range t.rows {
		for i, c := range r {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], cleantext.Width(c))
		}
	}
	last := len(width) - 1
	before := 0
	for _, w := range width[:last] {
		before += w + 2
	}
	for shrink && before > limit-min(leastLast, width[last]) {
		widest := 0
		for i := range width[:last] {
			if width[i] > width[widest] {
				widest = i
			}
		}
		if width[widest] <= 6 {
			break
		}
		width[widest]--
		before--
	}
	width[last] = max(leastLast, limit-before)
	if shrink {
		width[last] = max(6, limit-before)
	}
	for _, r := range t.rows {
		parts, lines := make([][]string, len(r)), 1
		for i, c := range r {
			parts[i] = []string{c}
			if cleantext.Width(c) > width[i] {
				parts[i] = cleantext.Wrap(c, width[i])
			}
			lines = max(lines, len(parts[i]))
		}
		for n := range lines {
			var line strings.Builder
			for i, p := range parts {
				cell := ""
				if n < len(p) {
					cell = p[n]
				}
				line.WriteString(cell)
				if i < last {
					line.WriteString(strings.Repeat(" ", width[i]-cleantext.Width(cell)+2))
				}
			}
			if _, err := fmt.Fprintln(t.w, strings.TrimRight(line.String(), " ")); err != nil {
				return err
			}
		}
	}
	return nil
}
