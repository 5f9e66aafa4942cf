package suites

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// applySets changes the document by settings of the form path=value. A path is
// field names and list positions joined by dots; in the list of tasks a task's
// name selects every block of it, in the list of models a model's name. A value
// is YAML. A new field is added; the strict decoding that follows rejects one
// that does not exist. Nodes made here have the line -(i+1) for setting i.
func applySets(root *yaml.Node, sets []string) error {
	if len(sets) > 0 {
		left := maxNodes
		if err := expand(root, &left); err != nil {
			return err
		}
	}
	for i, set := range sets {
		path, value, ok := strings.Cut(set, "=")
		if !ok || path == "" {
			return setProblem(set, "expected path=value, such as tasks.needle.trials=3")
		}
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(value), &doc); err != nil {
			return setProblem(set, "the value is "+syntaxProblem(err).Msg)
		}
		v := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
		if len(doc.Content) == 1 {
			v = doc.Content[0]
		}
		mark(v, -(i + 1))
		if n := assign(root, strings.Split(path, "."), v); n == 0 {
			return setProblem(set, fmt.Sprintf("nothing in the suite is called %s", path))
		}
	}
	return nil
}

// maxNodes bounds a document whose aliases are expanded.
const maxNodes = 100_000

// expand replaces every alias by a copy of what it stands for, so that a setting changes one place only.
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

// assign sets the value at a path below n and returns how many places it found.
func assign(n *yaml.Node, path []string, v *yaml.Node) int {
	n = resolve(n)
	if len(path) == 0 {
		*n = *v
		return 1
	}
	found := 0
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == path[0] {
				return assign(n.Content[i+1], path[1:], v)
			}
		}
		if len(path) == 1 {
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: path[0], Line: v.Line}, v)
			return 1
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(path[0]); err == nil {
			if i >= 0 && i < len(n.Content) {
				return assign(n.Content[i], path[1:], v)
			}
			return 0
		}
		for _, c := range n.Content {
			c = resolve(c)
			if c.Kind != yaml.MappingNode || len(c.Content) < 2 {
				continue
			}
			switch {
			case len(c.Content) == 2 && c.Content[0].Value == path[0]: // a task's block
				if len(path) > 1 && resolve(c.Content[1]).Tag == "!!null" {
					c.Content[1] = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: v.Line}
				}
				found += assign(c.Content[1], path[1:], v)
			case scalarField(c, "name") == path[0] || scalarField(c, "name") == "" && scalarField(c, "model") == path[0]:
				found += assign(c, path[1:], v)
			}
		}
	}
	return found
}

// scalarField is the value of a mapping's field, or "".
func scalarField(n *yaml.Node, name string) string {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1].Value
		}
	}
	return ""
}
