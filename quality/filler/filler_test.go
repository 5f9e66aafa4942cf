package filler

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/quality"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// prompt applies the edits.
func prompt(s *quality.Sample) string {
	var b strings.Builder
	at := 0
	for _, e := range s.Edits {
		b.WriteString(s.Base[at:e.From])
		b.WriteString(e.With)
		at = e.To
	}
	b.WriteString(s.Base[at:])
	return b.String()
}

// The prompt equals the joined list for every number of units, and bases are prefixes of each
// other.
func TestList(t *testing.T) {
	items := []Item{{0, "A"}, {0, "B"}, {0.3, "C"}, {0.5, "D"}, {0.99, "E"}, {1, "F"}}
	mixed := []Item{items[3], items[0], items[5], items[1], items[2]}
	for _, some := range [][]Item{nil, items[:1], items[5:], items[2:4], items, mixed} {
		l := &List{Head: "<", Separator: ", ", Tail: ">", Items: some, Least: 0, Step: 1, Unit: func(i int) (string, bool) { return fmt.Sprint(i), i < 37 }}
		before := ""
		for n := range 45 {
			s, err := l.Make(n)
			if err != nil {
				t.Fatal(err)
			}
			n = min(n, 37)
			var want []string
			sorted := slices.Clone(some)
			slices.SortStableFunc(sorted, func(a, b Item) int { return cmp.Compare(a.Depth, b.Depth) })
			for i := range n + 1 {
				for _, item := range sorted {
					if min(int(item.Depth*float64(n+1)), n) == i {
						want = append(want, item.Text)
					}
				}
				if i < n {
					want = append(want, fmt.Sprint(i))
				}
			}
			text := "<" + strings.Join(want, ", ") + ">"
			if got := prompt(s); got != text {
				t.Errorf("%d units, %d items: %q, want %q", n, len(some), got, text)
			}
			for i, item := range some {
				at := 1 + s.Depths[i]*float64(len(text)-2)
				if got := strings.Index(text, item.Text); float64(got) < at-0.01 || float64(got) > at+0.01 {
					t.Errorf("%d units: item %s at %g, want %d", n, item.Text, at, got)
				}
			}
			if !strings.HasPrefix(s.Base, before) {
				t.Errorf("%d units: the base %q does not begin with %q", n, s.Base, before)
			}
			before = s.Base
			if !slices.IsSortedFunc(s.Edits, func(a, b tokenizer.Edit) int { return a.From - b.From }) {
				t.Errorf("edits %+v", s.Edits)
			}
		}
	}
}
