// Package match parses and evaluates conditions on cases, which --filter, gates and the models of
// tasks share.
//
//	condition = key ("=" | "!=" | "<=" | ">=" | "<" | ">") value
//	value     = number | pattern    a pattern only after = and !=
//
// A number is written 4, 0.5, 16Ki, 64KiB, 1M or 2.5G. A pattern is one of path.Match, except that
// * and ? also match slashes, because names may be folders. A name always matches itself.
package match

import (
	"errors"
	"fmt"
	"path"
	"reflect"
	"strconv"
	"strings"
)

// Condition is a condition on a case.
type Condition struct {
	// Key is a field of the case, or empty for its context (Fields.Context).
	Key string `json:"key,omitempty"`
	// Op is =, !=, <=, >=, < or >.
	Op string `json:"op"`
	// Value is a number or, if Op is = or !=, a pattern.
	Value string `json:"value"`
}

// ErrForm is the error for a text that does not have the form of a condition.
var ErrForm = errors.New("not a condition such as length<=16Ki")

var operators = []string{"<=", ">=", "!=", "=", "<", ">"}

// Parse parses a condition. The error is ErrForm, or describes an invalid value.
func Parse(text string) (Condition, error) {
	at := strings.IndexAny(text, "<>=!")
	if at < 0 {
		return Condition{}, ErrForm
	}
	for _, op := range operators {
		value, ok := strings.CutPrefix(text[at:], op)
		if !ok {
			continue
		}
		c := Condition{strings.TrimSpace(text[:at]), op, strings.TrimSpace(value)}
		if c.Key == "" || strings.ContainsAny(c.Key, " \t,") || c.Value == "" || strings.HasPrefix(c.Value, "=") {
			break
		}
		if op != "=" && op != "!=" {
			_, err := Number(c.Value)
			return c, err
		}
		return c, Check(c.Value)
	}
	return Condition{}, ErrForm
}

func (c Condition) String() string {
	if c.Key == "" {
		return c.Value
	}
	return c.Key + c.Op + c.Value
}

// Fields are the fields of a case. Numbers may have any numeric type of Go.
type Fields map[string]any

// FieldsOf returns the fields of a case.
func FieldsOf(params map[string]any, model, arch, runner, label string) Fields {
	f := Fields{}
	for k, v := range params {
		f[k] = v
	}
	f["model"], f["arch"], f["runner"], f["label"] = model, arch, runner, label
	return f
}

// Context returns the context of a case: its param length, or depth if it has no length.
func (f Fields) Context() (any, bool) {
	if v, ok := f["length"]; ok {
		return v, true
	}
	v, ok := f["depth"]
	return v, ok
}

// Match reports whether a case meets the condition. A case without the key does not. For the key
// case, a prefix of the id is enough.
func (c Condition) Match(f Fields) bool {
	have, ok := f[c.Key]
	if c.Key == "" {
		have, ok = f.Context()
	}
	if !ok {
		return false
	}
	num, isNum := number(have)
	want, err := Number(c.Value)
	isNum = isNum && err == nil
	switch c.Op {
	case "<=":
		return isNum && num <= want
	case ">=":
		return isNum && num >= want
	case "<":
		return isNum && num < want
	case ">":
		return isNum && num > want
	}
	text := fmt.Sprint(have)
	equal := isNum && num == want || Glob(c.Value, text) || c.Key == "case" && strings.HasPrefix(text, c.Value)
	return equal == (c.Op == "=")
}

func number(v any) (float64, bool) {
	switch x := reflect.ValueOf(v); {
	case !x.IsValid():
		return 0, false
	case x.CanFloat():
		return x.Float(), true
	case x.CanInt():
		return float64(x.Int()), true
	case x.CanUint():
		return float64(x.Uint()), true
	}
	return 0, false
}

// All is a list of conditions that must all hold.
type All []Condition

// Match reports whether a case meets all conditions.
func (a All) Match(f Fields) bool {
	for _, c := range a {
		if !c.Match(f) {
			return false
		}
	}
	return true
}

// Patterns is a list of patterns of names. An empty list matches all names.
type Patterns []string

// Match reports whether one of the names matches one of the patterns.
func (p Patterns) Match(names ...string) bool {
	for _, pattern := range p {
		for _, n := range names {
			if Glob(pattern, n) {
				return true
			}
		}
	}
	return len(p) == 0
}

// Glob reports whether name is pattern, or matches it.
func Glob(pattern, name string) bool {
	if name == pattern {
		return true
	}
	ok, err := path.Match(strings.ReplaceAll(pattern, "/", "|"), strings.ReplaceAll(name, "/", "|"))
	return err == nil && ok
}

// Check returns an error for a malformed pattern.
func Check(pattern string) error {
	if _, err := path.Match(pattern, ""); err != nil {
		return fmt.Errorf("%q is a malformed pattern", pattern)
	}
	return nil
}

var units = []struct {
	suffix string
	scale  float64
}{{"Ki", 1 << 10}, {"Mi", 1 << 20}, {"Gi", 1 << 30}, {"Ti", 1 << 40}, {"K", 1e3}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}}

// Number parses 4, -0.5, 16Ki, 64KiB, 1M or 2.5G. Ki, Mi, Gi and Ti are powers of 1024; K, M, G and
// T are powers of 1000.
func Number(s string) (float64, error) {
	num, scale := strings.TrimSuffix(strings.TrimSpace(s), "B"), 1.0
	for _, u := range units {
		if n, ok := strings.CutSuffix(num, u.suffix); ok {
			num, scale = strings.TrimSpace(n), u.scale
			break
		}
	}
	v, err := strconv.ParseFloat(num, 64)
	if err != nil || strings.ContainsAny(num, "xXpPnN_") {
		return 0, fmt.Errorf("%q is not a number or a size such as 16Ki", s)
	}
	return v * scale, nil
}
