package suites

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/yocobench/yocobench/suites/gate"
	"github.com/yocobench/yocobench/suites/match"
)

// Gate is a gate of a suite.
type Gate struct {
	gate.Gate
	line int
}

// UnmarshalYAML decodes the text of a gate, or a mapping of gate and confidence.
func (g *Gate) UnmarshalYAML(n *yaml.Node) error {
	v := struct {
		Gate       string  `yaml:"gate"`
		Confidence float64 `yaml:"confidence"`
	}{Confidence: gate.DefaultConfidence}
	switch n.Kind {
	case yaml.ScalarNode:
		v.Gate = n.Value
	case yaml.MappingNode:
		if err := decodeStrict(n, &v); err != nil {
			return err
		}
	default:
		return problemAt(n, gateHint, "expected a gate, or a mapping of gate and confidence")
	}
	if !(v.Confidence >= 0.5 && v.Confidence < 1) {
		return problemAt(n, "", "confidence: expected 0.5 to below 1, got %v", v.Confidence)
	}
	parsed, err := gate.Parse(v.Gate)
	if err != nil {
		return problemAt(n, gateHint, "%v", err)
	}
	parsed.Confidence = v.Confidence
	*g = Gate{parsed, n.Line}
	return nil
}

const gateHint = "`yocobench gate --help` shows the forms of gates"

// checkGates returns an error for the first gate whose task is not in the suite, or whose metric
// the task does not have.
func (s *Suite) checkGates() error {
	for _, g := range s.Gates {
		if err := s.checkGate(g.Gate, g.line); err != nil {
			return err
		}
	}
	return nil
}

func (s *Suite) checkGate(g gate.Gate, line int) error {
	var names []string
	for _, b := range s.blocks {
		names = append(names, b.task.Name())
		if b.task.Name() == g.Task {
			about := b.task.Describe()
			m, ok := about.Metric(g.Metric)
			if !ok {
				return &Problem{Line: line, Msg: fmt.Sprintf("gate %q: %s has no metric %q", g.Text, g.Task, g.Metric), Hint: "its metrics: " + strings.Join(about.MetricNames(), ", ")}
			}
			if !g.Fits(m.Unit) {
				return &Problem{Line: line, Msg: fmt.Sprintf("gate %q: its limit is in %s, but %s.%s is in %s", g.Text, g.Unit, g.Task, g.Metric, m.Unit)}
			}
			return nil
		}
	}
	return &Problem{Line: line, Msg: fmt.Sprintf("gate %q: the suite has no task %q", g.Text, g.Task), Hint: Suggest(g.Task, slices.Compact(names))}
}

// checkGates returns an error for the first gate that matches no case of the plan.
func (p *Plan) checkGates() error {
	for _, g := range p.Suite.Gates {
		if err := p.matches(g.Gate, g.line); err != nil {
			return err
		}
	}
	return nil
}

// CheckGate returns an error if a gate that is not part of the suite matches no task, metric or
// case of the plan.
func (p *Plan) CheckGate(g gate.Gate) error {
	if err := p.Suite.checkGate(g, 0); err != nil {
		return err
	}
	return p.matches(g, 0)
}

func (p *Plan) matches(g gate.Gate, line int) error {
	if slices.ContainsFunc(p.Cases, func(c *PlannedCase) bool { return c.gated(g) }) {
		return nil
	}
	return unmatched(g, line)
}

// unmatched returns the error of a gate that matches no case.
func unmatched(g gate.Gate, line int) error {
	return &Problem{Line: line, Msg: fmt.Sprintf("gate %q: no case of the suite matches it", g.Text), Hint: "`yocobench run --dry-run` lists the cases"}
}

// gated reports whether a gate applies to a case. The params have the types that they have in a
// record.
func (c *PlannedCase) gated(g gate.Gate) bool {
	b, err := json.Marshal(c.Params)
	var params map[string]any
	if err == nil {
		err = json.Unmarshal(b, &params)
	}
	arch := c.Model.Label
	return err == nil && g.Match(c.Task, c.Model.Name, arch, match.FieldsOf(params, c.Model.Name, arch, c.Model.Runner, c.Label))
}

// ReadGates reads only the gates of a suite's text, because the tasks and models of an old run may
// be unknown to this program. file is the name of the text in errors.
func ReadGates(text, file string) ([]gate.Gate, error) {
	var s struct {
		Gates []Gate `yaml:"gates"`
	}
	root, err := readYAML([]byte(text))
	if err == nil && root != nil {
		err = decodeNode(root, &s)
	}
	if err != nil {
		return nil, inFile(err, file)
	}
	var out []gate.Gate
	for _, g := range s.Gates {
		out = append(out, g.Gate)
	}
	return out, nil
}
