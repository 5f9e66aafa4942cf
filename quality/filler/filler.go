// Package filler makes samples whose filler is a list, such as lines, pairs or sentences.
package filler

import (
	"cmp"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/quality"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// List is a draft of a prompt: a head, a list of filler with items between its units, and a tail.
// Units and items are joined by Separator.
type List struct {
	Head, Separator, Tail string
	// Unit returns the i-th unit of the filler. It is called for i = 0, 1, 2 and so on, once each,
	// and returns false if there are no more.
	Unit func(i int) (string, bool)
	// Items are inserted between units, by depth; those of equal depth in the list's order.
	Items []Item
	// Least and Step are what Units returns.
	Least, Step int
	// Finish completes a sample of n units. It may change everything but Base and Edits. Depths are
	// those of all items, in the order of Items.
	Finish func(s *quality.Sample, n int)

	text strings.Builder
	ends []int // of units in text
	over bool  // there are no more units
}

// Item is a text at a depth of the filler: 0 is before the first unit, 1 after the last.
type Item struct {
	Depth float64
	Text  string
}

// Units returns the smallest number of units and the step.
func (l *List) Units() (least, step int) { return l.Least, l.Step }

// Make returns the sample with n units. The base text holds a power of two of units without the
// head, the items and the tail, so samples with the same units share it, and it is a prefix of the
// base text with more.
func (l *List) Make(n int) (*quality.Sample, error) {
	size := 1
	for size < n {
		size *= 2
	}
	for len(l.ends) < size && !l.over {
		unit, ok := l.Unit(len(l.ends))
		if !ok {
			l.over = true
			break
		}
		if len(l.ends) > 0 {
			l.text.WriteString(l.Separator)
		}
		l.text.WriteString(unit)
		l.ends = append(l.ends, l.text.Len())
	}
	n = min(n, len(l.ends))
	have := min(size, len(l.ends))
	s := &quality.Sample{Base: l.text.String()[:l.end(have)]}
	var edits []tokenizer.Edit
	add := func(at int, text string) {
		if k := len(edits) - 1; k >= 0 && edits[k].From == at {
			edits[k].With += text
			return
		}
		edits = append(edits, tokenizer.Edit{From: at, To: at, With: text})
	}
	add(0, l.Head)
	places := make([]int, len(l.Items)) // bytes before the item, without the head
	inserted := 0
	for k, i := range l.order() {
		item := l.Items[i]
		unit := min(int(item.Depth*float64(n+1)), n)
		at, text := 0, item.Text
		switch {
		case unit < n:
			if unit > 0 {
				at = l.end(unit) + len(l.Separator)
			}
			places[i] = at + inserted
			text += l.Separator
		case unit+k > 0:
			at = l.end(n)
			places[i] = at + inserted + len(l.Separator)
			text = l.Separator + text
		}
		add(at, text)
		inserted += len(text)
	}
	add(l.end(n), l.Tail)
	edits[len(edits)-1].To = len(s.Base)
	s.Edits = slices.DeleteFunc(edits, func(e tokenizer.Edit) bool { return e.From == e.To && e.With == "" })
	total := l.end(n) + inserted
	for _, at := range places {
		s.Depths = append(s.Depths, float64(at)/float64(max(1, total)))
	}
	if l.Finish != nil {
		l.Finish(s, n)
	}
	return s, nil
}

// order returns the indices of items by depth.
func (l *List) order() []int {
	out := make([]int, len(l.Items))
	for i := range out {
		out[i] = i
	}
	slices.SortStableFunc(out, func(a, b int) int { return cmp.Compare(l.Items[a].Depth, l.Items[b].Depth) })
	return out
}

// end returns the offset of the end of the first n units.
func (l *List) end(n int) int {
	if n == 0 {
		return 0
	}
	return l.ends[n-1]
}

// Depths returns n random depths in thousandths, in ascending order.
func Depths(r *rng.Rand, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = float64(r.IntN(1001)) / 1000
	}
	slices.Sort(out)
	return out
}
