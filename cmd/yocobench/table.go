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
	for _, r := range t.rows {
		var line strings.Builder
		for i, c := range r {
			fmt.Fprintf(&line, "%-*s  ", width[i], c)
		}
		if _, err := fmt.Fprintln(t.w, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}
