package reports

import "github.com/yocobench/yocobench/suites/result"

// tone says how a cell is to be read; writers with colour use it.
type tone int

// The tones.
const (
	plain tone = iota
	good       // at least .95 of what was asked
	fair       // at least .5
	poor       // less
	dim        // no number: a reason, or an interval under a number
	bad        // a failure
)

// cell is one place in a table.
type cell struct {
	text string
	tone tone
}

// table is what every writer of tables draws. All texts are clean.
type table struct {
	// id is unique within the report.
	id, title string
	notes     []string
	head      []string
	// fixed is how many leading columns name the row: aligned left, and repeated
	// where a narrow writer splits the table's columns.
	fixed int
	rows  [][]cell
	// foot rows are set apart from the others: summaries.
	foot [][]cell
	// prose marks tables of words, aligned left and wrapped rather than split.
	prose bool
	// blocks are the columns at which the table may be split, where that is not every column after
	// the fixed ones.
	blocks []int
	// heat holds the records behind a table of needle scores, for writers that can show more of
	// them; nil for others.
	heat *heatRows
}

// heatRows are the records of a table of scores: a name for each row and a record, or nil, for each
// column that is not fixed.
type heatRows struct {
	scoring
	corner string
	names  []string
	at     [][]*result.Record
}

func texts(words ...string) []cell {
	out := make([]cell, len(words))
	for i, w := range words {
		out[i] = cell{text: w}
	}
	return out
}

// columns returns the table with only its fixed columns and those from lo up to hi.
func (t table) columns(lo, hi int) table {
	cut := func(row []cell) []cell { return append(append([]cell{}, row[:t.fixed]...), row[lo:hi]...) }
	out := t
	out.head = append(append([]string{}, t.head[:t.fixed]...), t.head[lo:hi]...)
	out.rows, out.foot = nil, nil
	for _, r := range t.rows {
		out.rows = append(out.rows, cut(r))
	}
	for _, r := range t.foot {
		out.foot = append(out.foot, cut(r))
	}
	return out
}

// dropEmpty returns the table without the columns that hold nothing.
func (t table) dropEmpty() table {
	keep := []int{}
	for i := t.fixed; i < len(t.head); i++ {
		for _, r := range t.rows {
			if r[i].text != "" {
				keep = append(keep, i)
				break
			}
		}
	}
	out := t
	out.head = append([]string{}, t.head[:t.fixed]...)
	out.rows, out.blocks = nil, nil
	for _, i := range keep {
		for _, b := range t.blocks {
			if b == i {
				out.blocks = append(out.blocks, len(out.head))
			}
		}
		out.head = append(out.head, t.head[i])
	}
	for _, r := range t.rows {
		row := append([]cell{}, r[:t.fixed]...)
		for _, i := range keep {
			row = append(row, r[i])
		}
		out.rows = append(out.rows, row)
	}
	return out
}
