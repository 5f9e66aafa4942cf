package needle

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/yocobench/yocobench/suites"
)

// Trials is the number of questions of a cell: the same at every length, or by length, so that long
// contexts take fewer.
type Trials []trialsFrom

// trialsFrom holds from a length in tokens up to the next one.
type trialsFrom struct {
	length suites.Size
	n      int
}

// everywhere is n trials at every length.
func everywhere(n int) Trials { return Trials{{0, n}} }

// at is the number of trials at a length; 0 below the first one.
func (t Trials) at(length int) (n int) {
	for _, s := range t {
		if int64(s.length) > int64(length) {
			break
		}
		n = s.n
	}
	return n
}

// check reports the first length that has no number of trials within the bounds.
func (t Trials) check(lengths suites.Sizes) error {
	if len(t) == 0 {
		return fmt.Errorf("trials: no number")
	}
	for _, s := range t {
		if s.n < 1 || s.n > maxTrials {
			return fmt.Errorf("trials: %d, expected 1 to %d", s.n, maxTrials)
		}
	}
	for _, l := range lengths {
		if t.at(int(l)) == 0 {
			return fmt.Errorf("trials: none at length %s; they begin at %s", suites.Size(l), t[0].length)
		}
	}
	return nil
}

// UnmarshalYAML reads a number, or a mapping of lengths to numbers such as {256: 4, 8Ki: 2}.
func (t *Trials) UnmarshalYAML(n *yaml.Node) error {
	bad := func(n *yaml.Node, format string, args ...any) error {
		return &suites.Problem{Line: n.Line, Msg: "trials: " + fmt.Sprintf(format, args...), Hint: "expected a number, or numbers by length such as {256: 4, 8Ki: 2, 128Ki: 1}"}
	}
	var out Trials
	switch n.Kind {
	case yaml.ScalarNode:
		out = everywhere(0)
		if !whole(n, &out[0].n) {
			return bad(n, "%q is not a number", n.Value)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			var s trialsFrom
			if err := key.Decode(&s.length); err != nil {
				return bad(key, "%q is no length", key.Value)
			}
			if !whole(value, &s.n) {
				return bad(value, "the value of %s is not a number", s.length)
			}
			out = append(out, s)
		}
		slices.SortStableFunc(out, func(a, b trialsFrom) int { return cmp.Compare(a.length, b.length) })
		for i := range out {
			if i > 0 && out[i].length == out[i-1].length {
				return bad(n, "%s is there twice", out[i].length)
			}
		}
		if len(out) == 0 {
			return bad(n, "no lengths")
		}
	default:
		return bad(n, "not a number")
	}
	*t = out
	return nil
}

// whole reads a whole number.
func whole(n *yaml.Node, out *int) bool {
	if n.Alias != nil {
		n = n.Alias
	}
	return n.ShortTag() == "!!int" && n.Decode(out) == nil
}

// String is how a suite writes them.
func (t Trials) String() string {
	if len(t) == 1 && t[0].length == 0 {
		return fmt.Sprint(t[0].n)
	}
	parts := make([]string, len(t))
	for i, s := range t {
		parts[i] = fmt.Sprintf("%s: %d", s.length, s.n)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
