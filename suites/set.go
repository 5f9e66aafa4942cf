package suites

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// applySets changes the document by settings of the form path=value. A path is field names and list
// positions joined by dots; in the list of tasks a task's name selects every block of it, in the
// list of models a model's name, which may hold dots and = itself. A value is YAML. A new field is
// added; the strict decoding that follows rejects one that does not exist. Nodes made here have the
// line -(i+1) for setting i.
func applySets(root *yaml.Node, sets []string) error {
	if len(sets) > 0 {
		left := maxNodes
		if err := expand(root, &left); err != nil {
			return err
		}
	}
	for i, set := range sets {
		first, _, ok := strings.Cut(set, "=")
		if !ok || first == "" {
			return setProblem(set, "expected path=value, such as tasks.needle.trials=3")
		}
		found := false
		for at := len(first); at < len(set) && !found; at++ {
			if set[at] != '=' {
				continue
			}
			v, err := setValue(set[at+1:], -(i + 1))
			if err != nil {
				var p *Problem
				errors.As(err, &p) // readYAML has no other errors
				return setProblem(set, "the value: "+p.Msg)
			}
			found = assign(root, "", strings.Split(set[:at], "."), v) > 0
		}
		if !found {
			return setProblem(set, fmt.Sprintf("nothing in the suite is called %s", first))
		}
	}
	return nil
}

// setValue reads a setting's value; its nodes get the given line.
func setValue(text string, line int) (*yaml.Node, error) {
	v, err := readYAML([]byte(text))
	if err != nil {
		return nil, err
	}
	if v == nil {
		v = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	}
	mark(v, line)
	return v, nil
}

// maxNodes bounds a document whose aliases are expanded.
const maxNodes = 100_000

// expand replaces every alias by a copy of what it stands for, so that a setting changes one place
// only.
func expand(n *yaml.Node, left *int) error {
	if *left--; *left < 0 {
		return problemAt(n, "", "the suite's aliases expand to more than %d values", maxNodes)
	}
	if n.Kind == yaml.AliasNode {
		line := n.Line
		*n = *n.Alias
		n.Line = line
		n.Content = append([]*yaml.Node(nil), n.Content...)
		for i, c := range n.Content {
			copied := *c
			n.Content[i] = &copied
		}
	}
	n.Anchor = ""
	for i, c := range n.Content {
		if c.Kind == yaml.AliasNode { // not the node that others share
			copied := *c
			n.Content[i] = &copied
		}
		if err := expand(n.Content[i], left); err != nil {
			return err
		}
	}
	return nil
}

func setProblem(set, msg string) *Problem {
	return &Problem{File: "--set " + set, Msg: msg}
}

// settingProblem names the setting that a problem stands in, where its line is one of applySets'.
func settingProblem(err error, sets []string) error {
	var p *Problem
	if errors.As(err, &p) && p.Line < 0 && -p.Line <= len(sets) {
		p.File, p.Line = "--set "+sets[-p.Line-1], 0
	}
	return err
}

func mark(n *yaml.Node, line int) {
	n.Line = line
	for _, c := range n.Content {
		mark(c, line)
	}
}

// assign sets the value at a path below n, the value of the field key, and returns how many places
// it found.
func assign(n *yaml.Node, key string, path []string, v *yaml.Node) int {
	n = resolve(n)
	if len(path) == 0 {
		*n = *v
		return 1
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == path[0] {
				return assign(n.Content[i+1], path[0], path[1:], v)
			}
		}
		if len(path) == 1 {
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: path[0], Line: v.Line}, v)
			return 1
		}
	case yaml.SequenceNode:
		// A name may hold dots: the longest one that the list has counts.
		for last := len(path); last > 0; last-- {
			name, found := strings.Join(path[:last], "."), 0
			for _, c := range n.Content {
				if m := named(resolve(c), key, name, last < len(path), v.Line); m != nil {
					found += assign(m, "", path[last:], v)
				}
			}
			if found > 0 {
				return found
			}
		}
		if i, err := strconv.Atoi(path[0]); err == nil && i >= 0 && i < len(n.Content) {
			return assign(n.Content[i], "", path[1:], v)
		}
	}
	return 0
}

// named is what a name selects in the list c stands in: the parameters of a task's block, or a
// model. Where inside is set, a setting goes into it: then parameters that are missing and a model
// that is only a name become mappings.
func named(c *yaml.Node, key, name string, inside bool, line int) *yaml.Node {
	switch {
	case name == "":
		return nil
	case c.Kind == yaml.ScalarNode && c.Value == name && key == "models":
		if inside {
			model := *c
			*c = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: c.Line, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: "model", Line: c.Line}, &model}}
		}
		return c
	case c.Kind == yaml.ScalarNode && c.Value == name && key == "tasks" && inside:
		task := *c
		params := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: line}
		*c = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: c.Line, Content: []*yaml.Node{&task, params}}
		return params
	case c.Kind != yaml.MappingNode || len(c.Content) < 2:
		return nil
	case len(c.Content) == 2 && c.Content[0].Value == name: // a task's block
		if inside && resolve(c.Content[1]).Tag == "!!null" {
			c.Content[1] = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: line}
		}
		return c.Content[1]
	case scalarField(c, "name") == name, scalarField(c, "name") == "" && scalarField(c, "model") == name:
		return c
	}
	return nil
}

// scalarField is the value of a mapping's field, or "".
func scalarField(n *yaml.Node, name string) string {
	if v := field(n, name); v != nil {
		return v.Value
	}
	return ""
}
