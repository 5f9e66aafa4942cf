package param

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/yocobench/yocobench/suites"
)

// Counts is a number of questions: the same at every length, or by length, so that long contexts
// take fewer.
type Counts []CountFrom

// CountFrom holds from a length in tokens up to the next one.
type CountFrom struct {
	Length suites.Size
	N      int
}

// maxCount limits a number of questions, against typing errors.
const maxCount = 1 << 16

// Everywhere is n questions at every length.
func Everywhere(n int) Counts { return Counts{{0, n}} }

// At returns the number at a length; 0 below the first one.
func (t Counts) At(length int) (n int) {
	for _, s := range t {
		if int64(s.Length) > int64(length) {
			break
		}
		n = s.N
	}
	return n
}

// Check reports the first length that has no number, or one out of bounds. name is the field's name
// in suites.
func (t Counts) Check(name string, lengths suites.Sizes) error {
	if len(t) == 0 {
		return fmt.Errorf("%s: no number", name)
	}
	for _, s := range t {
		if s.N < 1 || s.N > maxCount {
			return fmt.Errorf("%s: %d, expected 1 to %d", name, s.N, maxCount)
		}
	}
	for _, l := range lengths {
		if t.At(int(l)) == 0 {
			return fmt.Errorf("%s: none at length %s; they begin at %s", name, suites.Size(l), t[0].Length)
		}
	}
	return nil
}

// UnmarshalYAML reads a number, or a mapping of lengths to numbers such as {256: 4, 8Ki: 2}.
func (t *Counts) UnmarshalYAML(n *yaml.Node) error {
	bad := func(n *yaml.Node, format string, args ...any) error {
		return &suites.Problem{Line: n.Line, Msg: fmt.Sprintf(format, args...), Hint: "expected a number, or numbers by length such as {256: 4, 8Ki: 2, 128Ki: 1}"}
	}
	var out Counts
	switch n.Kind {
	case yaml.ScalarNode:
		out = Everywhere(0)
		if !whole(n, &out[0].N) {
			return bad(n, "%q is not a number of questions", n.Value)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			var s CountFrom
			if err := key.Decode(&s.Length); err != nil {
				return bad(key, "%q is no length", key.Value)
			}
			if !whole(value, &s.N) {
				return bad(value, "the value of %s is not a number of questions", s.Length)
			}
			out = append(out, s)
		}
		slices.SortStableFunc(out, func(a, b CountFrom) int { return cmp.Compare(a.Length, b.Length) })
		for i := range out {
			if i > 0 && out[i].Length == out[i-1].Length {
				return bad(n, "%s is there twice", out[i].Length)
			}
		}
		if len(out) == 0 {
			return bad(n, "no lengths")
		}
	default:
		return bad(n, "not a number of questions")
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
func (t Counts) String() string {
	if len(t) == 1 && t[0].Length == 0 {
		return fmt.Sprint(t[0].N)
	}
	parts := make([]string, len(t))
	for i, s := range t {
		parts[i] = fmt.Sprintf("%s: %d", s.Length, s.N)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
