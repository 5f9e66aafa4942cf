package tokenizer

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// value decodes a value to map[string]any, []any, string, float64, bool or nil. It is for the small
// parts of a file.
func (j *jsonText) value(what string) (any, error) {
	switch j.next() {
	case '{':
		m := map[string]any{}
		err := j.object(what, func(key string) error {
			if _, twice := m[key]; twice {
				return j.errorf("%s has the key %q twice", what, key)
			}
			v, err := j.value(what)
			m[strings.Clone(key)] = v
			return err
		})
		return m, err
	case '[':
		a := []any{}
		err := j.array(what, func(int) error {
			v, err := j.value(what)
			a = append(a, v)
			return err
		})
		return a, err
	case '"':
		s, err := j.str(what)
		return strings.Clone(s), err
	case 't', 'f':
		return j.boolean(what)
	case 'n':
		if j.null() {
			return nil, nil
		}
	}
	return j.float(what)
}

// component is an object with a type, such as a normalizer of tokenizer.json. Each field must be
// read: done reports fields that were not read as an error, because they may change the tokens.
type component struct {
	// where names the file, the line and the kind of component, for errors.
	where  string
	kind   string
	fields map[string]any
	used   []string
	err    error
}

// readComponent reads an object with a type. For null it returns nil.
func (j *jsonText) readComponent(what string) (*component, error) {
	if j.null() {
		return nil, nil
	}
	j.next()
	line := j.errorf("%s", what).Error()
	v, err := j.value(what)
	if err != nil {
		return nil, err
	}
	return newComponent(line, v)
}

func newComponent(where string, v any) (*component, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: want an object", where)
	}
	c := &component{where: where, fields: m}
	c.kind = c.str("type", "")
	if c.err == nil && c.kind == "" {
		c.err = fmt.Errorf("%s: the type is missing", where)
	}
	return c, c.err
}

// fail records an error unless there is one already.
func (c *component) fail(format string, args ...any) error {
	if c.err == nil {
		c.err = fmt.Errorf("%s %s: %s", c.where, c.kind, fmt.Sprintf(format, args...))
	}
	return c.err
}

// unsupported records that the component is not supported.
func (c *component) unsupported() error {
	return fmt.Errorf("%s %s is not supported", c.where, c.kind)
}

// get returns a field, nil if it is missing or null.
func (c *component) get(key string) any {
	c.used = append(c.used, key)
	return c.fields[key]
}

// str returns a string field, or a default if it is missing.
func (c *component) str(key, missing string) string {
	switch v := c.get(key).(type) {
	case nil:
		return missing
	case string:
		return v
	default:
		c.fail("%s is no string", key)
		return missing
	}
}

// boolean returns a boolean field, or a default if it is missing.
func (c *component) boolean(key string, missing bool) bool {
	switch v := c.get(key).(type) {
	case nil:
		return missing
	case bool:
		return v
	default:
		c.fail("%s is neither true nor false", key)
		return missing
	}
}

// parts returns the components of a list.
func (c *component) parts(key string) (parts []*component) {
	list, ok := c.get(key).([]any)
	if !ok {
		c.fail("%s is no array", key)
	}
	for i, v := range list {
		p, err := newComponent(fmt.Sprintf("%s %s: %s %d", c.where, c.kind, key, i), v)
		if err != nil {
			c.err = err
			return nil
		}
		parts = append(parts, p)
	}
	return parts
}

// pattern returns the pattern of a field {"String": s} or {"Regex": s}.
func (c *component) pattern(key string) pattern {
	m, _ := c.get(key).(map[string]any)
	s, isString := m["String"].(string)
	expr, isRegex := m["Regex"].(string)
	switch {
	case len(m) == 1 && isString && s != "":
		return literal(s)
	case len(m) == 1 && isRegex:
		p, err := compilePattern(expr)
		if err != nil {
			c.fail("%v", err)
		}
		return p
	}
	c.fail("%s: want a String or a Regex", key)
	return nil
}

// done returns the first error. A field that was not read is an error too.
func (c *component) done() error {
	if c.err != nil {
		return c.err
	}
	var unknown []string
	for key, v := range c.fields {
		if v != nil && !slices.Contains(c.used, key) {
			unknown = append(unknown, key)
		}
	}
	if sort.Strings(unknown); len(unknown) > 0 {
		return c.fail("the field %q is not supported", unknown[0])
	}
	return nil
}
