package suites

import (
	"fmt"
	"math"
	"strconv"

	"gopkg.in/yaml.v3"

	"github.com/yocobench/yocobench/suites/match"
)

// Size is a count of tokens or bytes, written 4096, 4Ki, 64KiB, 1M or 2.5G: Ki, Mi and Gi are
// powers of 1024, K, M and G powers of 1000.
type Size int64

// ParseSize parses a Size.
func ParseSize(s string) (Size, error) {
	v, err := match.Number(s)
	if err != nil || !(v >= 0) {
		return 0, fmt.Errorf("%q is not a size; expected a number with an optional Ki, Mi, Gi, K, M or G, such as 64Ki", s)
	}
	if v != math.Trunc(v) {
		return 0, fmt.Errorf("%q is not a whole number", s)
	}
	if v > 1<<50 {
		return 0, fmt.Errorf("%q exceeds the largest size, 1024Ti", s)
	}
	return Size(v), nil
}

// String returns the shortest exact form, preferably in powers of 1024: 65536 is "64Ki", 1000 is
// "1000".
func (s Size) String() string {
	for i, suffix := range []string{"Ti", "Gi", "Mi", "Ki"} {
		if n := int64(1) << (40 - 10*i); s != 0 && int64(s)%n == 0 {
			text := strconv.FormatInt(int64(s)/n, 10) + suffix
			// 128000 is also 125Ki, but 128k is more likely to be meant.
			if short := strconv.FormatInt(int64(s)/1000, 10) + "k"; s%1000 == 0 && len(short) < len(text) {
				return short
			}
			return text
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// UnmarshalYAML decodes a scalar.
func (s *Size) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return problemAt(n, "", "expected a size such as 64Ki")
	}
	v, err := ParseSize(n.Value)
	if err != nil {
		return problemAt(n, "", "%v", err)
	}
	*s = v
	return nil
}

// MarshalYAML returns the form of String.
func (s Size) MarshalYAML() (any, error) { return s.String(), nil }

// Sizes is an ascending list of sizes, written as one size, a list, or a range {from: 1Ki, to: 1Mi,
// factor: 4}. The default factor is 2. A range ends at the last value that does not exceed `to`.
type Sizes []int64

// maxSizes limits the values of one list, so that a typing error does not cause an endless run.
const maxSizes = 4096

// UnmarshalYAML decodes the three forms.
func (s *Sizes) UnmarshalYAML(n *yaml.Node) error {
	var out []int64
	switch n.Kind {
	case yaml.ScalarNode:
		var one Size
		if err := one.UnmarshalYAML(n); err != nil {
			return err
		}
		out = []int64{int64(one)}
	case yaml.SequenceNode:
		if len(n.Content) == 0 {
			return problemAt(n, "", "an empty list of sizes")
		}
		for _, c := range n.Content {
			var one Size
			if err := one.UnmarshalYAML(resolve(c)); err != nil {
				return err
			}
			if len(out) > 0 && int64(one) <= out[len(out)-1] {
				return problemAt(c, "", "sizes must increase: %s follows %s", one, Size(out[len(out)-1]))
			}
			out = append(out, int64(one))
		}
	case yaml.MappingNode:
		r := struct {
			From   Size    `yaml:"from"`
			To     Size    `yaml:"to"`
			Factor float64 `yaml:"factor"`
		}{Factor: 2}
		if err := decodeStrict(n, &r); err != nil {
			return err
		}
		if r.From < 1 || r.To < r.From {
			return problemAt(n, "", "a range needs from >= 1 and to >= from, got from %s to %s", r.From, r.To)
		}
		if !(r.Factor >= 1.01) || math.IsInf(r.Factor, 0) {
			return problemAt(n, "", "the factor of a range must be at least 1.01, got %g", r.Factor)
		}
		for v := float64(r.From); v <= float64(r.To)*(1+1e-9); v *= r.Factor {
			if x := int64(math.Round(v)); len(out) == 0 || x > out[len(out)-1] {
				out = append(out, x)
			}
		}
	default:
		return problemAt(n, "", "expected sizes: 64Ki, [1Ki, 64Ki] or {from: 1Ki, to: 1Mi, factor: 4}")
	}
	if len(out) > maxSizes {
		return problemAt(n, "", "%d sizes, more than %d", len(out), maxSizes)
	}
	*s = out
	return nil
}
