package cleantext

import (
	"strings"

	"github.com/olekukonko/tablewriter/pkg/twwidth"
)

// Width returns the number of columns of the widest line of text on a terminal.
func Width(s string) int {
	w := 0
	for l := range strings.SplitSeq(s, "\n") {
		w = max(w, twwidth.Width(l))
	}
	return w
}

// Cut shortens a line to at most width columns, and marks the cut.
func Cut(s string, width int) string {
	if Width(s) <= width {
		return s
	}
	w, end := 0, 0
	for i, r := range s {
		if w += Width(string(r)); w > width-1 {
			end = i
			break
		}
	}
	return s[:end] + "…"
}

// Pad cuts a line to width columns, or pads it with spaces.
func Pad(s string, width int) string {
	s = Cut(s, width)
	return s + strings.Repeat(" ", max(0, width-Width(s)))
}

// Wrap breaks text into lines of at most width columns, at spaces if possible.
func Wrap(text string, width int) []string {
	if Width(text) <= width && !strings.Contains(text, "\n") {
		return []string{text}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && Width(line)+1+Width(word) <= width {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		line = ""
		for _, r := range word {
			if line != "" && Width(line+string(r)) > width {
				lines = append(lines, line)
				line = ""
			}
			line += string(r)
		}
	}
	if line != "" || len(lines) == 0 {
		lines = append(lines, line)
	}
	return lines
}
