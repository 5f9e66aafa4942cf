// Package param holds parameter types that several tasks share: texts and models.
package param

import (
	"fmt"

	"gopkg.in/yaml.v3"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/match"
)

// Corpus is the text source of a task. A suite writes it as prose, go, files:PATH (see
// corpus.ParseSpec) or {files: [PATH, …]}.
type Corpus struct{ corpus.Spec }

// UnmarshalYAML decodes a scalar or a mapping.
func (c *Corpus) UnmarshalYAML(n *yaml.Node) error {
	const hint = "expected prose, go, or {files: [notes/*.txt, book.txt]}"
	switch n.Kind {
	case yaml.ScalarNode:
		spec, err := corpus.ParseSpec(n.Value)
		if err != nil {
			return &suites.Problem{Line: n.Line, Msg: err.Error(), Hint: hint}
		}
		c.Spec = spec
		return nil
	case yaml.MappingNode:
		var m struct {
			Files []string `yaml:"files"`
		}
		if len(n.Content) != 2 || n.Content[0].Value != corpus.KindFiles {
			return &suites.Problem{Line: n.Line, Msg: "a text with other fields than files", Hint: hint}
		}
		if err := n.Decode(&m); err != nil || len(m.Files) == 0 {
			return &suites.Problem{Line: n.Line, Msg: "files: expected a list of files, folders or patterns", Hint: hint}
		}
		c.Spec = corpus.Spec{Kind: corpus.KindFiles, Paths: m.Files}
		return nil
	}
	return &suites.Problem{Line: n.Line, Msg: "not a text", Hint: hint}
}

// Models is a list of names of the suite's models, or of patterns such as tiny-yoco-*. An empty
// list means all.
type Models []string

// UnmarshalYAML decodes a name or pattern, or a list of them.
func (m *Models) UnmarshalYAML(n *yaml.Node) error {
	names, err := Names(n)
	if err != nil {
		return &suites.Problem{Line: n.Line, Msg: "models: expected a name, a pattern such as tiny-yoco-*, or a list of them"}
	}
	*m = names
	return nil
}

// Names decodes a name or a list of names.
func Names(n *yaml.Node) (names []string, err error) {
	if n.Kind == yaml.ScalarNode {
		return []string{n.Value}, nil
	}
	err = n.Decode(&names)
	return names, err
}

// Match reports whether name matches the list.
func (m Models) Match(name string) (bool, error) {
	if match.Patterns(m).Match(name) {
		return true, nil
	}
	for _, pattern := range m {
		if err := match.Check(pattern); err != nil {
			return false, fmt.Errorf("models: %w", err)
		}
	}
	return false, nil
}
