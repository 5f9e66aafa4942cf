package families

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"

	"github.com/yocobench/yocobench/internal/suggest"
)

// Limits of the values in a config, so that products of a few sizes cannot overflow.
const (
	maxConfig = 16 << 20 // bytes
	maxSize   = 1 << 24  // a width, a number of heads, a vocabulary
	maxLayers = 1 << 12
	maxName   = 256 // bytes
)

// config reads the fields of a config.json and keeps the first error, after which all readers
// return zero.
type config struct {
	file string
	// path is the name of the object that contains the fields, such as "text_config."; empty at the
	// top level.
	path   string
	fields map[string]any
	read   map[string]bool
	// defaults are the values of absent fields, from the family's config class.
	defaults map[string]any
	// divisors are those of the rotary frequencies, if a GGUF file stores them as a tensor.
	divisors []float64
	err      *error
}

func newConfig(file string, text []byte) (*config, error) {
	if len(text) > maxConfig {
		return nil, fmt.Errorf("%s: %d bytes, want a config of at most %d", file, len(text), maxConfig)
	}
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	d.UseNumber()
	var fields map[string]any
	if err := d.Decode(&fields); err != nil {
		return nil, fmt.Errorf("%s: not a config: %w", file, err)
	}
	if fields == nil || d.More() {
		return nil, fmt.Errorf("%s: not a config: want one JSON object", file)
	}
	return &config{file: file, fields: fields, read: map[string]bool{}, err: new(error)}, nil
}

func (c *config) failf(field, format string, args ...any) {
	if *c.err == nil {
		*c.err = fmt.Errorf("%s: %s%s: %s", c.file, c.path, field, fmt.Sprintf(format, args...))
	}
}

// raw returns a field, or its default, and marks it as read. null counts as absent.
func (c *config) raw(name string) (any, bool) {
	c.read[name] = true
	if v := c.fields[name]; v != nil {
		return v, true
	}
	v, ok := c.defaults[name]
	return v, ok && v != nil
}

// has reports whether a field is present and not null.
func (c *config) has(name string) bool { _, ok := c.raw(name); return ok }

// size reads an integer from 1 to maxSize. With a default, the field is optional.
func (c *config) size(name string, def ...int64) int64 { return c.within(name, 1, maxSize, def) }

// count reads an integer from 0 to maxSize. With a default, the field is optional.
func (c *config) count(name string, def ...int64) int64 { return c.within(name, 0, maxSize, def) }

func (c *config) within(name string, least, most int64, def []int64) int64 {
	v, ok := c.raw(name)
	if !ok {
		if len(def) == 0 {
			c.failf(name, "the field is missing")
			return 0
		}
		return def[0]
	}
	n, ok := integer(v)
	if !ok || n < least || n > most {
		c.failf(name, "%s, want an integer from %d to %d", show(v), least, most)
		return 0
	}
	return n
}

func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case json.Number:
		n, err := strconv.ParseInt(string(v), 10, 64)
		if err != nil { // 1e6, 4096.0
			f, ferr := v.Float64()
			if ferr != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
				return 0, false
			}
			n = int64(f)
		}
		return n, true
	}
	return 0, false
}

// number reads a finite number.
func (c *config) number(name string, def float64) float64 {
	v, ok := c.raw(name)
	if !ok {
		return def
	}
	switch v := v.(type) {
	case float64:
		return v
	case int:
		return float64(v)
	case json.Number:
		if f, err := v.Float64(); err == nil {
			return f
		}
	}
	c.failf(name, "%s, want a number", show(v))
	return def
}

func (c *config) flag(name string, def bool) bool {
	v, ok := c.raw(name)
	if !ok {
		return def
	}
	b, ok := v.(bool)
	if !ok {
		c.failf(name, "%s, want true or false", show(v))
	}
	return b
}

func (c *config) text(name, def string) string {
	v, ok := c.raw(name)
	if !ok {
		return def
	}
	s, ok := v.(string)
	if !ok {
		c.failf(name, "%s, want a string", show(v))
	}
	return s
}

// words reads an array of strings.
func (c *config) words(name string) []string {
	v, ok := c.raw(name)
	if !ok {
		return nil
	}
	list, ok := v.([]any)
	out := make([]string, len(list))
	for i := range list {
		s, isText := list[i].(string)
		ok, out[i] = ok && isText, s
	}
	if !ok || len(list) > maxLayers {
		c.failf(name, "%s, want an array of at most %d strings", show(v), maxLayers)
		return nil
	}
	return out
}

// sizes reads an array of integers from least to maxSize.
func (c *config) sizes(name string, least int64) []int64 {
	v, ok := c.raw(name)
	if !ok {
		return nil
	}
	list, ok := v.([]any)
	out := make([]int64, len(list))
	for i := range list {
		n, isInt := integer(list[i])
		ok, out[i] = ok && isInt && n >= least && n <= maxSize, n
	}
	if !ok || len(list) > maxLayers {
		c.failf(name, "%s, want an array of at most %d integers from %d", show(v), maxLayers, least)
		return nil
	}
	return out
}

// numbers reads an array of finite numbers.
func (c *config) numbers(name string) []float64 {
	v, ok := c.raw(name)
	if !ok {
		return nil
	}
	list, ok := v.([]any)
	out := make([]float64, len(list))
	for i := range list {
		n, isNumber := list[i].(json.Number)
		f, err := n.Float64()
		ok, out[i] = ok && isNumber && err == nil, f
	}
	if !ok || len(list) > maxLayers {
		c.failf(name, "%s, want an array of at most %d numbers", show(v), maxLayers)
		return nil
	}
	return out
}

// object reads an object, or returns nil if it is absent.
func (c *config) object(name string) *config {
	v, ok := c.raw(name)
	if !ok {
		return nil
	}
	fields, ok := v.(map[string]any)
	if !ok {
		c.failf(name, "%s, want an object", show(v))
		return nil
	}
	return c.inner(name, fields)
}

// empty returns an object without fields.
func (c *config) empty(name string) *config { return c.inner(name, map[string]any{}) }

func (c *config) inner(name string, fields map[string]any) *config {
	return &config{file: c.file, path: c.path + name + ".", fields: fields, read: map[string]bool{}, err: c.err}
}

// alias accepts other names for a field: those of the transformers library, if they differ from
// those of the model's maker.
func (c *config) alias(name string, others ...string) {
	for _, o := range others {
		c.read[o] = true
		if v, ok := c.fields[o]; ok && v != nil && c.fields[name] == nil {
			c.fields[name] = v
		}
	}
}

// must returns an error unless the field is absent or has the given value.
func (c *config) must(name string, want any) {
	v, ok := c.raw(name)
	if ok && show(v) != show(want) {
		c.failf(name, "%s is not supported, only %s", show(v), show(want))
	}
}

// ignore marks fields as read that do not affect the size of models of this family.
func (c *config) ignore(names ...string) {
	for _, n := range names {
		c.read[n] = true
	}
}

// unread returns the first field that nothing has read and that may affect what a model computes,
// and its value; "" if there is none.
func (c *config) unread() (name string, value any) {
	for n, v := range c.fields {
		if !c.read[n] && !inert(n) && v != nil && (name == "" || n < name) {
			name, value = n, v
		}
	}
	return name, value
}

// done returns the first error, or an error for a field that nothing has read.
func (c *config) done() error {
	if *c.err != nil {
		return *c.err
	}
	var unknown []string
	for name, v := range c.fields {
		if !c.read[name] && !neutral(name) && v != nil {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	sort.Strings(unknown)
	name := unknown[0]
	hint := "if it does not affect the model's size, use --ignore " + c.path + name
	var known []string
	for n := range c.read {
		known = append(known, n)
	}
	sort.Strings(known)
	if other := suggest.Nearest(name, known); other != "" && !slices.Contains(unknown, other) {
		hint = fmt.Sprintf("did you mean %s? %s", other, hint)
	}
	return &FieldError{File: c.file, Field: c.path + name, Value: show(c.fields[name]), Hint: hint}
}

// FieldError reports an unknown field of a config.
type FieldError struct{ File, Field, Value, Hint string }

func (e *FieldError) Error() string {
	return fmt.Sprintf("%s: the field %s (%s) is not known, and it may affect the model's size", e.File, e.Field, e.Value)
}

// show formats a value as JSON, truncated.
func show(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if s := string(b); len(s) <= 60 {
		return s
	}
	return string(b[:57]) + "..."
}
