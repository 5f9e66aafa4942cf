package reports

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// paramText formats the value of a parameter.
func paramText(name string, value any) string {
	switch x := value.(type) {
	case nil:
		return ""
	case string:
		return clean(x)
	case float64:
		if name == "depth" && x >= 0 && x <= 1 {
			return units.Percent(x)
		}
		if name == "memory" && math.Mod(x, 1e9) == 0 && x > 0 {
			return trim(amountB(x))
		}
		if name == "memory" {
			return trim(units.Bytes(x))
		}
		return units.Tokens(x)
	case bool:
		return fmt.Sprint(x)
	case []any:
		words := make([]string, len(x))
		for i := range x {
			words[i] = paramText(name, x[i])
		}
		return strings.Join(words, "+")
	}
	b, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return clean(string(b))
}

// number returns a numeric parameter.
func number(r *result.Record, name string) (float64, bool) {
	x, ok := r.Params[name].(float64)
	return x, ok
}

// word returns a parameter as text.
func word(r *result.Record, name string) string { return paramText(name, r.Params[name]) }

// metric returns a metric of a record with a result.
func metric(r *result.Record, name string) (result.Metric, bool) {
	if r == nil || r.Status != result.OK {
		return result.Metric{}, false
	}
	m, ok := r.Metrics[name]
	return m, ok
}

// series returns a curve of a record, truncated to the points with both coordinates.
func series(r *result.Record, name string) (result.Series, bool) {
	if r == nil || r.Status != result.OK {
		return result.Series{}, false
	}
	for _, s := range r.Series {
		if s.Name == name {
			n := min(len(s.X), len(s.Y))
			s.X, s.Y = s.X[:n], s.Y[:n]
			if len(s.Lo) < n || len(s.Hi) < n {
				s.Lo, s.Hi = nil, nil
			}
			if len(s.N) < n {
				s.N = nil
			}
			return s, n > 0
		}
	}
	return result.Series{}, false
}

// short returns the reason for which a record has no numbers, in a word or two.
func short(r *result.Record) string {
	switch {
	case r == nil:
		return ""
	case r.Status == result.OK:
		return "no value"
	case r.Status == result.Skipped && strings.Contains(strings.ToLower(r.Reason), "budget"):
		return "over budget"
	}
	return cleantext.Ellipsis(clean(string(r.Status)), 12)
}

// numbers returns the distinct values of a parameter in records, ascending.
func numbers(records []*result.Record, name string) []float64 {
	var out []float64
	seen := map[float64]bool{}
	for _, r := range records {
		if x, ok := number(r, name); ok && !seen[x] {
			seen[x] = true
			out = append(out, x)
		}
	}
	slices.Sort(out)
	return out
}
