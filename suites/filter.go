package suites

import (
	"fmt"
	"path"
	"sort"
	"strconv"
	"strings"
)

// Filter selects cases. It is a list of alternatives, each a list of conditions that all must hold.
type Filter [][]condition

// condition compares one field of a case.
type condition struct{ key, op, value string }

var operators = []string{"<=", ">=", "!=", "=", "<", ">"}

// ParseFilter reads filters of the form key=glob[,key<=number…]; a case passes if one of them holds. Keys are
// task, model, arch, label, case and the case's params; values may be sizes such as 8Ki.
func ParseFilter(texts []string) (Filter, error) {
	var f Filter
	for _, t := range texts {
		var all []condition
		for _, part := range strings.Split(t, ",") {
			c, err := parseCondition(part)
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		}
		f = append(f, all)
	}
	return f, nil
}

func parseCondition(s string) (condition, error) {
	bad := fmt.Errorf("--filter %q: expected conditions such as task=needle,model=tiny-*,length<=8Ki", s)
	at, op := -1, ""
	for _, o := range operators { // the operator that stands first; of those, the longest
		if i := strings.Index(s, o); i > 0 && (at < 0 || i < at) {
			at, op = i, o
		}
	}
	if at < 0 {
		return condition{}, bad
	}
	c := condition{strings.TrimSpace(s[:at]), op, strings.TrimSpace(s[at+len(op):])}
	if c.key == "" || c.value == "" {
		return condition{}, bad
	}
	if strings.ContainsAny(op, "<>") {
		if _, err := number(c.value); err != nil {
			return condition{}, fmt.Errorf("--filter %q: %w", s, err)
		}
	} else if _, err := path.Match(c.value, ""); err != nil {
		return condition{}, fmt.Errorf("--filter %q: a malformed pattern", s)
	}
	return c, nil
}

func number(s string) (float64, error) {
	if v, err := ParseSize(s); err == nil {
		return float64(v), nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	return v, nil
}

// Match reports whether a case with these fields passes. A filter without alternatives lets all pass.
func (f Filter) Match(fields map[string]any) bool {
	for _, all := range f {
		ok := true
		for _, c := range all {
			ok = ok && c.match(fields)
		}
		if ok {
			return true
		}
	}
	return len(f) == 0
}

func (c condition) match(fields map[string]any) bool {
	have, ok := fields[c.key]
	if !ok {
		return false
	}
	num, isNum := toFloat(have)
	want, err := number(c.value)
	switch c.op {
	case "<=", ">=", "<", ">":
		if !isNum || err != nil {
			return false
		}
		return c.op == "<=" && num <= want || c.op == ">=" && num >= want || c.op == "<" && num < want || c.op == ">" && num > want
	}
	equal := isNum && err == nil && num == want
	if !equal {
		text := fmt.Sprint(have)
		equal, _ = path.Match(strings.ReplaceAll(c.value, "/", "|"), strings.ReplaceAll(text, "/", "|"))
		if c.key == "case" {
			equal = strings.HasPrefix(text, c.value)
		}
	}
	return equal == (c.op == "=")
}

func toFloat(v any) (float64, bool) {
	switch x := v.(type) {
	case int:
		return float64(x), true
	case int64:
		return float64(x), true
	case uint64:
		return float64(x), true
	case float64:
		return x, true
	case Size:
		return float64(x), true
	}
	return 0, false
}

// Check reports a key that no case has.
func (f Filter) Check(p *Plan) error {
	known := map[string]bool{}
	for _, c := range p.Cases {
		for k := range c.fields() {
			known[k] = true
		}
	}
	for _, all := range f {
		for _, c := range all {
			if !known[c.key] {
				var names []string
				for k := range known {
					names = append(names, k)
				}
				sort.Strings(names)
				return &Problem{Msg: fmt.Sprintf("--filter: no case has a field %q", c.key), Hint: Suggest(c.key, names)}
			}
		}
	}
	return nil
}

// String gives the filters as they were written.
func (f Filter) String() string {
	var alts []string
	for _, all := range f {
		var cs []string
		for _, c := range all {
			cs = append(cs, c.key+c.op+c.value)
		}
		alts = append(alts, strings.Join(cs, ","))
	}
	return strings.Join(alts, " --filter ")
}
