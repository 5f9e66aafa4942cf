package suites

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// applySets applies settings of the form path=value to the document. A path consists of field names
// and list positions joined by dots. In the list of tasks, the name of a task selects all its
// blocks; in the list of models, the name of a model, which may contain dots and =, selects that
// model. A value is YAML. New fields are added; the strict decoding that follows rejects unknown
// ones. Nodes created for setting i have the line -(i+1).
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
				errors.As(err, &p) // readYAML returns no other errors
				return setProblem(set, "the value: "+p.Msg)
			}
			found = assign(root, "", strings.Split(set[:at], "."), v) > 0
		}
		if !found {
			return setProblem(set, fmt.Sprintf("the suite has nothing at %s", first))
		}
	}
	return nil
}

// setValue parses the value of a setting. Its nodes get the given line.
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

// maxNodes limits a document with expanded aliases.
const maxNodes = 100_000

// expand replaces every alias by a copy of its node, so that a setting changes only one place.
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
		if c.Kind == yaml.AliasNode { // copy, because aliases share the node
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

// settingProblem names the setting that caused a problem, if its line is one that applySets
// assigned.
func settingProblem(err error, sets []string) error {
	var p *Problem
	if errors.As(err, &p) && p.Line < 0 && -p.Line <= len(sets) {
		set := sets[-p.Line-1]
		if p.secret {
			set, _, _ = strings.Cut(set, "=")
		}
		p.File, p.Line = "--set "+set, 0
	}
	return err
}

func mark(n *yaml.Node, line int) {
	n.Line = line
	for _, c := range n.Content {
		mark(c, line)
	}
}

// assign sets the value at a path below n, which is the value of the field key. It returns the
// number of places found.
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
		// A name may contain dots: use the longest one that the list has.
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

// named returns the node that name selects if it matches c, an item of the list key: the parameters
// of a task's block, or a model. If inside is set, the node must become a mapping: missing
// parameters, and a model that is only a name, are converted.
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
	case len(c.Content) == 2 && c.Content[0].Value == name: // the block of a task
		if inside && resolve(c.Content[1]).Tag == "!!null" {
			c.Content[1] = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: line}
		}
		return c.Content[1]
	case scalarField(c, "name") == name, scalarField(c, "name") == "" && scalarField(c, "model") == name:
		return c
	}
	return nil
}

// scalarField returns the value of a mapping's field, or "".
func scalarField(n *yaml.Node, name string) string {
	if v := field(n, name); v != nil {
		return v.Value
	}
	return ""
}
