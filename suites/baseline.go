package suites

import (
	"fmt"
	"slices"

	"gopkg.in/yaml.v3"

	"github.com/yocobench/yocobench/suites/match"
)

// modelNames returns the names of the suite's models.
func (s *Suite) modelNames() []string {
	var names []string
	for _, e := range s.Models {
		names = append(names, e.Name)
	}
	return names
}

// checkBaselines returns an error for a baseline that is not a model of the suite.
func (s *Suite) checkBaselines(root *yaml.Node) error {
	names := s.modelNames()
	known := func(line int, name string) error {
		if name == "" || slices.Contains(names, name) {
			return nil
		}
		return &Problem{Line: line, Msg: fmt.Sprintf("baseline: the suite has no model %q", name), Hint: Suggest(name, names)}
	}
	for _, e := range s.Models {
		if err := known(e.line, e.Baseline); err != nil {
			return err
		}
	}
	line := root.Line
	if n := field(root, "baseline"); n != nil {
		line = n.Line
	}
	return known(line, s.Baseline)
}

// checkModels returns an error for a name or pattern in the block's field models that matches no
// model of the suite, so that a typing error does not silently drop a model.
func (b *block) checkModels(s *Suite) error {
	if b.node == nil {
		return nil
	}
	n := field(b.node, "models")
	if n == nil {
		return nil
	}
	patterns := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		patterns = n.Content
	}
	for _, p := range patterns {
		if p = resolve(p); p.Kind != yaml.ScalarNode {
			continue // the task's own decoding reports it
		}
		if !slices.ContainsFunc(s.modelNames(), func(name string) bool { return match.Glob(p.Value, name) }) {
			return &Problem{Line: p.Line, Msg: fmt.Sprintf("%s: models: %q is not a model of the suite", b.task.Name(), p.Value), Hint: Suggest(p.Value, s.modelNames())}
		}
	}
	return nil
}

// field returns the value of a mapping's field, or nil.
func field(n *yaml.Node, name string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return resolve(n.Content[i+1])
		}
	}
	return nil
}

// Baselines returns, by model, the model that reports compare it with: the baseline of its entry,
// else that of the suite, else the suite's only Transformer. A baseline is its own baseline, unless
// its entry names another. Models without a baseline have no entry.
func (p *Plan) Baselines() map[string]string {
	common := p.Suite.Baseline
	if common == "" {
		common = p.transformer
	}
	out, bases := map[string]string{}, map[string]bool{}
	for _, e := range p.Suite.Models {
		base := e.Baseline
		if base == "" {
			base = common
		}
		if base != "" {
			out[e.Name], bases[base] = base, true
		}
	}
	for _, e := range p.Suite.Models {
		if bases[e.Name] && e.Baseline == "" {
			out[e.Name] = e.Name
		}
	}
	return out
}
