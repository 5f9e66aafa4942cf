package gate

import (
	"fmt"
	"path"
	"strings"
)

// Condition is what a case must meet.
type Condition struct {
	// Key is a field of the case; empty for its context, see Context.
	Key string `json:"key,omitempty"`
	// Op is =, !=, <=, >=, < or >.
	Op string `json:"op"`
	// Value is a number or size, or a pattern where Op is = or !=.
	Value string `json:"value"`
}

var operators = []string{"<=", ">=", "!=", "=", "<", ">"}

func parseCondition(text string) (Condition, error) {
	text = strings.TrimSpace(text)
	at := strings.IndexAny(text, "<>=!")
	if at < 0 {
		if _, err := count(text); err != nil {
			return Condition{}, fmt.Errorf("after @: expected a size such as 16Ki or a condition such as batch=4, got %q", text)
		}
		return Condition{Op: "=", Value: text}, nil
	}
	for _, op := range operators {
		value, ok := strings.CutPrefix(text[at:], op)
		if !ok {
			continue
		}
		c := Condition{strings.TrimSpace(text[:at]), op, strings.TrimSpace(value)}
		if !nameForm.MatchString(c.Key) || c.Value == "" || strings.HasPrefix(c.Value, "=") {
			break
		}
		if _, err := count(c.Value); err != nil && op != "=" && op != "!=" {
			return Condition{}, fmt.Errorf("after @: %s: %w", text, err)
		}
		if _, err := path.Match(c.Value, ""); err != nil {
			return Condition{}, fmt.Errorf("after @: %q is a malformed pattern", c.Value)
		}
		return c, nil
	}
	return Condition{}, fmt.Errorf("after @: expected a condition such as length<=16Ki, got %q", text)
}

func (c Condition) String() string {
	if c.Key == "" {
		return c.Value
	}
	return c.Key + c.Op + c.Value
}

// Fields are what conditions see of a case.
type Fields map[string]any

// Context is the length that a case is about: its param length, or depth where it has none.
func (f Fields) Context() (any, bool) {
	if v, ok := f["length"]; ok {
		return v, true
	}
	v, ok := f["depth"]
	return v, ok
}

// Match reports whether a case meets the condition. One that lacks the key does not.
func (c Condition) Match(f Fields) bool {
	have, ok := f[c.Key]
	if c.Key == "" {
		have, ok = f.Context()
	}
	if !ok {
		return false
	}
	num, isNum := number(have)
	want, err := count(c.Value)
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
	equal := isNum && num == want || glob(c.Value, fmt.Sprint(have))
	return equal == (c.Op == "=")
}

func number(v any) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, true
	case int:
		return float64(x), true
	case int64:
		return float64(x), true
	case uint64:
		return float64(x), true
	}
	return 0, false
}

// Match reports whether the gate is about a case: its task, models and conditions.
func (g Gate) Match(task, model, arch string, f Fields) bool {
	if task != g.Task || !Picks(g.Models, model, arch) {
		return false
	}
	for _, c := range g.Where {
		if !c.Match(f) {
			return false
		}
	}
	return true
}

// FieldsOf gathers the fields of a case.
func FieldsOf(params map[string]any, model, arch, runner, label string) Fields {
	f := Fields{}
	for k, v := range params {
		f[k] = v
	}
	f["model"], f["arch"], f["runner"], f["label"] = model, arch, runner, label
	return f
}
