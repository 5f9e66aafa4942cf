package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// table is a list for the terminal: columns two spaces apart, headings in capitals.
// (Results are drawn by package reports; this is for lists of names.)
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

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// listWidth is the width that a table keeps to, by wrapping its last column.
const listWidth = 80

func (t *table) write() error {
	var width []int
	for _, r := range t.rows {
		for i, c := range r {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	last := len(width) - 1
	before := 0
	for _, w := range width[:last] {
		before += w + 2
	}
	for _, r := range t.rows {
		var line strings.Builder
		for i, c := range r[:last] {
			fmt.Fprintf(&line, "%-*s  ", width[i], c)
		}
		for i, part := range wrapWords(strings.Fields(r[last]), max(20, listWidth-before)) {
			if i > 0 {
				line.WriteString("\n" + strings.Repeat(" ", before))
			}
			line.WriteString(part)
		}
		if _, err := fmt.Fprintln(t.w, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// wrapWords joins words into lines of at most width columns.
func wrapWords(words []string, width int) (lines []string) {
	line := ""
	for _, w := range words {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(w) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	return append(lines, line)
}
