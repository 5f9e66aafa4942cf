package gate

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/yocobench/yocobench/suites/match"
)

// Baseline is the value of Gate.Over for a comparison with older runs.
const Baseline = "baseline"

// DefaultConfidence is the confidence of a gate that does not set one.
const DefaultConfidence = 0.95

// Gate is a parsed gate.
type Gate struct {
	// Text is the gate as it was written.
	Text string `json:"text"`
	// Pooled reports whether the questions of all matching cases of a model are pooled.
	Pooled bool `json:"pooled,omitempty"`
	// Models selects models by name, pattern or architecture; empty means all.
	Models string `json:"models,omitempty"`
	Task   string `json:"task"`
	Metric string `json:"metric"`
	// AtLeast reports whether the metric must be at least the limit; otherwise it must be at most
	// the limit.
	AtLeast bool `json:"at_least"`
	// Value is the limit in Unit, or the factor if Over is set.
	Value float64 `json:"value"`
	// Unit is "s", "bytes", "tokens/s", "fraction", or empty for the metric's unit.
	Unit string `json:"unit,omitempty"`
	// Over is what Value multiplies: Baseline, or models as in Models. It is empty for a fixed
	// limit.
	Over string `json:"over,omitempty"`
	// Where holds the conditions that a case must all meet.
	Where match.All `json:"where,omitempty"`
	// Confidence is the confidence level of a verdict, between 0.5 and 1.
	Confidence float64 `json:"confidence"`
}

var (
	nameForm   = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	numberForm = regexp.MustCompile(`^([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*(.*)$`)
)

const example = "for example: throughput.decode_tps >= 0.95x baseline"

// Parse parses a gate. Errors quote the text and say what was expected.
func Parse(text string) (Gate, error) {
	g := Gate{Text: strings.TrimSpace(text), Confidence: DefaultConfidence}
	if err := g.parse(g.Text); err != nil {
		return Gate{}, fmt.Errorf("gate %q: %w", g.Text, err)
	}
	return g, nil
}

func (g *Gate) parse(text string) error {
	if len(text) > 1000 {
		return fmt.Errorf("%d bytes are too long", len(text))
	}
	sentence, where, placed := strings.Cut(text, "@")
	op := strings.IndexAny(sentence, "<>")
	if op < 0 || !strings.HasPrefix(sentence[op+1:], "=") {
		return fmt.Errorf("expected >= or <=; %s", example)
	}
	g.AtLeast = sentence[op] == '>'
	if err := g.parseSubject(strings.Fields(sentence[:op])); err != nil {
		return err
	}
	if err := g.parseLimit(strings.TrimSpace(sentence[op+2:])); err != nil {
		return err
	}
	if !placed {
		return nil
	}
	for part := range strings.SplitSeq(where, ",") {
		c, err := parseCondition(part)
		if err != nil {
			return err
		}
		g.Where = append(g.Where, c)
	}
	return nil
}

// parseSubject parses the part before the operator. Names of models may contain dots, those of
// tasks and metrics may not.
func (g *Gate) parseSubject(words []string) error {
	if len(words) == 2 && words[0] == "pooled" {
		g.Pooled, words = true, words[1:]
	}
	if len(words) != 1 {
		return fmt.Errorf("expected [pooled] [models.]task.metric before the operator; %s", example)
	}
	parts := strings.Split(words[0], ".")
	n := len(parts)
	if n < 2 || !nameForm.MatchString(parts[n-1]) || !nameForm.MatchString(parts[n-2]) {
		return fmt.Errorf("%q is not [models.]task.metric; %s", words[0], example)
	}
	g.Task, g.Metric, g.Models = parts[n-2], parts[n-1], strings.Join(parts[:n-2], ".")
	if n > 2 && g.Models == "" {
		return fmt.Errorf("%q starts with a dot", words[0])
	}
	return checkModels(g.Models)
}

// parseLimit parses the part after the operator.
func (g *Gate) parseLimit(text string) error {
	m := numberForm.FindStringSubmatch(text)
	if m == nil {
		return fmt.Errorf("expected a number after the operator, got %q; %s", text, example)
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil || math.IsInf(v, 0) {
		return fmt.Errorf("the number %q is out of range", m[1])
	}
	if over, ok := strings.CutPrefix(m[2], "x"); ok {
		g.Value, g.Over = v, strings.TrimSpace(over)
		switch {
		case g.Over == "":
			return fmt.Errorf("%sx of what? Write %sx baseline or %sx and a model", m[1], m[1], m[1])
		case len(strings.Fields(g.Over)) != 1 || over == g.Over:
			return fmt.Errorf("expected one word after x, baseline or a model, got %q", over)
		case !(v > 0):
			return fmt.Errorf("the factor must be above 0, got %s", m[1])
		}
		return checkModels(g.Over)
	}
	u, ok := findUnit(m[2])
	if !ok {
		return fmt.Errorf("unknown unit %q; known: %s", m[2], unitNames())
	}
	if g.Value, g.Unit = u.of(v), u.unit; math.IsInf(g.Value, 0) {
		return fmt.Errorf("the number %q is out of range", text)
	}
	return nil
}

func checkModels(pattern string) error {
	if match.Check(pattern) != nil || strings.ContainsAny(pattern, "@,<>=") {
		return fmt.Errorf("%q is not a model's name or a pattern such as tiny-yoco-*", pattern)
	}
	return nil
}

// String formats the gate in canonical form. Parse parses it to the same gate.
func (g Gate) String() string {
	var b strings.Builder
	if g.Pooled {
		b.WriteString("pooled ")
	}
	if g.Models != "" {
		b.WriteString(g.Models + ".")
	}
	b.WriteString(g.Task + "." + g.Metric)
	b.WriteString(map[bool]string{true: " >= ", false: " <= "}[g.AtLeast])
	b.WriteString(strconv.FormatFloat(g.Value, 'g', -1, 64))
	switch {
	case g.Over != "":
		b.WriteString("x " + g.Over)
	case g.Unit != "":
		b.WriteString(" " + baseName(g.Unit))
	}
	for i, c := range g.Where {
		b.WriteString([]string{" @ ", ", "}[min(i, 1)] + c.String())
	}
	return b.String()
}

// Subject returns the metric with its task and, if the gate has any, the models.
func (g Gate) Subject() string {
	if g.Models == "" {
		return g.Task + "." + g.Metric
	}
	return g.Models + "." + g.Task + "." + g.Metric
}

// Fits reports whether the gate's unit is compatible with that of a metric.
func (g Gate) Fits(unit string) bool { return g.Over != "" || g.Unit == "" || g.Unit == unit }

// Picks reports whether pattern selects a model.
func Picks(pattern, model, arch string) bool {
	return pattern == "" || pattern == arch || match.Glob(pattern, model)
}
