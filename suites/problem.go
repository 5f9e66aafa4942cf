package suites

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/yocobench/yocobench/internal/suggest"
	"gopkg.in/yaml.v3"
)

// Problem is an error in a suite, with its position.
type Problem struct {
	File string
	Line int // 0: unknown
	Msg  string
	Hint string
	// secret is true if the value may be a key or a password: then it is not shown.
	secret bool
}

func (p *Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	} else if p.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", p.Line)
	}
	b.WriteString(p.Msg)
	if p.Hint != "" {
		b.WriteString("\n  hint: " + p.Hint)
	}
	return b.String()
}

// problemAt returns a Problem at a node.
func problemAt(n *yaml.Node, hint, format string, args ...any) *Problem {
	return &Problem{Line: n.Line, Msg: fmt.Sprintf(format, args...), Hint: hint}
}

// inFile adds the file name to a Problem without one, and converts any other error to a Problem.
func inFile(err error, file string) error {
	if err == nil {
		return nil
	}
	var p *Problem
	if !errors.As(err, &p) {
		return &Problem{File: file, Msg: err.Error()}
	}
	if p.File == "" {
		p.File = file
	}
	return p
}

// resolve returns the node that an alias refers to, or n.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// decodeStrict decodes a node into the struct that out points to. An unknown field or a value of
// the wrong type is a Problem with its line and, for a misspelled name, a suggestion.
func decodeStrict(n *yaml.Node, out any) error {
	n = resolve(n)
	if err := checkFields(n, reflect.TypeOf(out).Elem(), ""); err != nil {
		return err
	}
	err := decodeNode(n, out)
	var te *yaml.TypeError
	if errors.As(err, &te) {
		return typeProblem(n, te)
	}
	return err
}

var (
	yamlLine  = regexp.MustCompile(`^line (-?\d+): (.*)$`)
	yamlWrong = regexp.MustCompile("^cannot unmarshal !!(\\w+) (`[^`]*` )?into (.*)$")
)

// typeProblem converts yaml's error "cannot unmarshal !!str `x` into int" to a readable one.
func typeProblem(n *yaml.Node, te *yaml.TypeError) *Problem {
	p := &Problem{Line: n.Line, Msg: te.Errors[0]}
	if m := yamlLine.FindStringSubmatch(p.Msg); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		p.Msg = m[2]
	}
	if m := yamlWrong.FindStringSubmatch(p.Msg); m != nil {
		p.Msg = fmt.Sprintf("expected %s, got %s %s", typeWord(m[3]), m[1], strings.TrimSpace(m[2]))
		p.Msg = strings.TrimSpace(p.Msg)
	}
	return p
}

func typeWord(goType string) string {
	switch {
	case strings.HasPrefix(goType, "[]"):
		return "a list of " + strings.TrimPrefix(typeWord(goType[2:]), "a ") + "s"
	case strings.Contains(goType, "int"):
		return "a whole number"
	case strings.HasPrefix(goType, "float"):
		return "a number"
	case goType == "bool":
		return "true or false"
	case goType == "string":
		return "a string"
	case strings.HasPrefix(goType, "map"), strings.Contains(goType, "."):
		return "a mapping"
	}
	return goType
}

var (
	unmarshaler     = reflect.TypeOf((*yaml.Unmarshaler)(nil)).Elem()
	textUnmarshaler = reflect.TypeOf((*encoding.TextUnmarshaler)(nil)).Elem()
	nodeType        = reflect.TypeOf(yaml.Node{})
)

// checkFields walks a node and a type in parallel and returns an error for the first key that the
// type does not have.
func checkFields(n *yaml.Node, t reflect.Type, path string) error {
	n = resolve(n)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if path != "" && reflect.PointerTo(t).Implements(unmarshaler) || t == nodeType {
		return nil // has its own checks, or is decoded later
	}
	switch {
	case n.Kind == yaml.ScalarNode && reflect.PointerTo(t).Implements(textUnmarshaler):
		if err := reflect.New(t).Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value)); err != nil {
			return problemAt(n, "", "%v", err)
		}
	case n.Kind == yaml.ScalarNode && n.Tag == "!!float" && (reflect.Int <= t.Kind() && t.Kind() <= reflect.Uint64):
		// the library would truncate 1.5 to 1 and 2^64 to 0
		if v, err := strconv.ParseFloat(n.Value, 64); err != nil || v != math.Trunc(v) {
			return problemAt(n, "", "expected a whole number, got %s", n.Value)
		} else if math.Abs(v) > 1<<53 {
			return problemAt(n, "", "expected a whole number of at most 64 bits, got %s", n.Value)
		}
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		for _, c := range n.Content {
			if err := checkFields(c, t.Elem(), path+"[]"); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Struct && n.Kind == yaml.MappingNode:
		fields := structFields(t)
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			ft, ok := fields[k.Value]
			if !ok {
				var names []string
				for name := range fields {
					names = append(names, name)
				}
				if k.Value == "<<" {
					return problemAt(k, "", "merge keys (<<) are not supported; name the fields, or use an alias for a whole value")
				}
				return problemAt(k, Suggest(k.Value, names), "unknown field %q", k.Value)
			}
			if err := checkFields(n.Content[i+1], ft, path+"."+k.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

// structFields maps the yaml names of a struct's fields to their types.
func structFields(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		if inlined(f) {
			maps.Copy(fields, structFields(f.Type))
		} else if name := yamlName(f); name != "" {
			fields[name] = f.Type
		}
	}
	return fields
}

// inlined reports whether a struct field is inlined.
func inlined(f reflect.StructField) bool { return f.Tag.Get("yaml") == ",inline" }

// yamlName returns the YAML key of a struct field, or "".
func yamlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if name == "-" || !f.IsExported() {
		return ""
	}
	return name
}

// Suggest returns a hint with the known name nearest to a wrong one, or with all known names.
func Suggest(wrong string, known []string) string {
	sort.Strings(known)
	if best := suggest.Nearest(wrong, known); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	if len(known) == 0 {
		return ""
	}
	return "known: " + strings.Join(known, ", ")
}
