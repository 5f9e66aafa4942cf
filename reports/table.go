package reports

import "github.com/yocobench/yocobench/suites/result"

// tone is the meaning of a cell, which writers can show as a colour.
type tone int

// The tones.
const (
	plain tone = iota
	good       // a score of at least .95
	fair       // at least .5
	poor       // less
	dim        // not a result: a reason, or an interval below a number
	bad        // a failure
)

// cell is one cell of a table.
type cell struct {
	text string
	tone tone
}

// table is a table for all writers. All texts are clean.
type table struct {
	// id is unique within the report.
	id, title string
	notes     []string
	head      []string
	// fixed is the number of leading columns that name the row. They are left-aligned, and repeated
	// if a narrow writer splits the columns.
	fixed int
	rows  [][]cell
	// foot holds summary rows, which are separated from the others.
	foot [][]cell
	// prose marks tables of text, which are left-aligned and wrapped instead of split.
	prose bool
	// blocks holds the columns at which the table may be split; if it is empty, the table may be
	// split at every column after the fixed ones.
	blocks []int
	// heat holds the records of a table of needle scores, for writers that show details. It is nil
	// for other tables.
	heat *heatRows
}

// heatRows holds the records of a table of scores: for each row a name and, for each column that is
// not fixed, a record or nil.
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

// columns returns the table with its fixed columns and columns lo to hi-1.
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

// dropEmpty returns the table without empty columns.
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
