package needle

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/param"
)

// The kinds of needle tests, as named by RULER (arXiv 2404.06654).
const (
	// Single: one fact, one question.
	Single = "single"
	// Multi: several facts, with one question each, asked one after another in the same text.
	Multi = "multi"
	// MultiKey: one fact among others with the same wording and other keys.
	MultiKey = "multikey"
	// MultiValue: several values of one key, all asked for in one question.
	MultiValue = "multivalue"
	// MultiQuery: several facts, all asked for in one question.
	MultiQuery = "multiquery"
)

var kinds = []string{Single, Multi, MultiKey, MultiValue, MultiQuery}

// Params are the fields of a needle block in a suite.
type Params struct {
	Models      param.Models    `yaml:"models" doc:"models of the suite to run, by name or pattern such as tiny-yoco-* (default: all)"`
	Kind        string          `yaml:"kind" doc:"single: one fact, one question; multi: several facts, one question each; multikey: one fact among distractors; multivalue: several values of one key in one question; multiquery: several keys in one question"`
	Lengths     suites.Sizes    `yaml:"lengths" doc:"context lengths in tokens, including haystack, facts, question and answer"`
	Depths      Depths          `yaml:"depths" doc:"position of the fact: fractions such as [0, 0.5, 1], {count: 11} evenly from 0 to 1, random, or spread: every trial (with several facts: every fact) in another part of the text. Several facts require random or spread (default {count: 5}, for several facts spread)"`
	Trials      param.Counts    `yaml:"trials" doc:"questions per cell, each with other keys and values: a number, or numbers by length such as {256: 4, 8Ki: 2, 128Ki: 1}, each from its length up to the next"`
	Haystacks   int             `yaml:"haystacks" doc:"haystacks per cell, used in rotation. Trials of one haystack count as fewer in intervals (default: one per trial up to 4Ki, where that costs little; beyond, one)"`
	Needles     suites.Sizes    `yaml:"needles" doc:"facts to retrieve in multi, multivalue and multiquery: a number, or a list with one case each (default 4)"`
	Distractors int             `yaml:"distractors" doc:"facts that no question asks for, at random depths; not with single (default 3 with multikey, otherwise 0)"`
	Haystack    param.Corpus    `yaml:"haystack" doc:"the haystack text: prose (generated, the same on every machine), go (Go's sources, packages never trained on), files:PATH or {files: [PATHS]} (default prose)"`
	Template    Wordings        `yaml:"template" doc:"wording of the fact: a name or a list of names from needle/templates.json, all, trained or held-out; trials use them in rotation (default secret-number)"`
	Keys        corpus.KeyShape `yaml:"keys" doc:"spelling of keys: word, words, hyphen, capital, camel, code or mixed; always ones that the embedded models never saw"`
	Digits      int             `yaml:"digits" doc:"digits of a value"`
	Answer      int             `yaml:"answer" doc:"token limit of an answer, at least one more than the correct answer (default: 16 more)"`
	Chat        param.Chat      `yaml:"chat" doc:"true: the text and the question are a user's message, in the form of the model's chat template (of a model without one, the cases are unsupported); {system: TEXT}: with a system message. exact then reads the first number in the answer of as many digits as a value, and logprob is left out. Wordings that ask a question, such as pass-code, suit a chat; not with multi (default: plain completion)"`
	Share       bool            `yaml:"share" doc:"prefill the common part of a cell's trials once and fork it; false recomputes it, with half the memory"`
}

func defaults() *Params {
	return &Params{
		Kind: Single, Lengths: suites.Sizes{1 << 10, 2 << 10, 4 << 10, 8 << 10}, Trials: param.Everywhere(5),
		Haystack: param.Corpus{Spec: corpus.Spec{Kind: corpus.KindProse}}, Template: Wordings{"secret-number"},
		Keys: corpus.KeyWord, Digits: 6, Share: true,
	}
}

// several reports whether a trial asks for more than one value.
func (p *Params) several() bool { return p.Kind != Single && p.Kind != MultiKey }

// Limits against typing errors.
const (
	maxTokens = 1 << 27 // a prompt takes 8 bytes per token
	maxFacts  = 1 << 12
)

// complete fills in the defaults that depend on the kind, and returns the first error.
func (p *Params) complete() error {
	if !slices.Contains(kinds, p.Kind) {
		return fmt.Errorf("unknown kind %q; %s", p.Kind, suites.Suggest(p.Kind, slices.Clone(kinds)))
	}
	if len(p.Lengths) == 0 {
		return fmt.Errorf("lengths: no sizes")
	}
	if err := p.Trials.Check("trials", p.Lengths); err != nil {
		return err
	}
	fewest := p.Trials.At(int(p.Lengths[0]))
	for _, l := range p.Lengths {
		fewest = min(fewest, p.Trials.At(int(l)))
	}
	for _, c := range []struct {
		name           string
		n, least, most int
	}{
		{"haystacks", p.Haystacks, 0, fewest},
		{"distractors", p.Distractors, 0, maxFacts},
		{"digits", p.Digits, 1, 18},
		{"answer", p.Answer, 0, 1 << 16},
	} {
		if c.n < c.least || c.n > c.most {
			return fmt.Errorf("%s: %d, expected %d to %d", c.name, c.n, c.least, c.most)
		}
	}
	if p.Chat.On && p.Kind == Multi {
		return fmt.Errorf("chat: kind multi asks one question after another, but a chat template has one; multiquery asks all at once")
	}
	if last := p.Lengths[len(p.Lengths)-1]; last > maxTokens {
		return fmt.Errorf("lengths: %d, expected at most %s", last, suites.Size(maxTokens))
	}
	if !slices.Contains(corpus.KeyShapes(), p.Keys) {
		return fmt.Errorf("keys: unknown shape %q (known: %v)", p.Keys, corpus.KeyShapes())
	}
	if err := p.completeFacts(); err != nil {
		return err
	}
	if values := int(p.Needles[len(p.Needles)-1]) + p.Distractors; float64(values) > math.Pow10(p.Digits)/4 {
		return fmt.Errorf("digits: %d digits are too few for %d different values", p.Digits, values)
	}
	return p.completeDepths()
}

func (p *Params) completeFacts() error {
	if len(p.Needles) == 0 {
		p.Needles = suites.Sizes{1}
		if p.several() {
			p.Needles = suites.Sizes{4}
		}
	}
	first, last := p.Needles[0], p.Needles[len(p.Needles)-1]
	if first < 1 || last > maxFacts {
		return fmt.Errorf("needles: expected 1 to %d, got %d to %d", maxFacts, first, last)
	}
	if !p.several() && last > 1 {
		return fmt.Errorf("needles: kind %s asks for one fact; multi, multivalue and multiquery ask for several", p.Kind)
	}
	if p.Kind == Single && p.Distractors > 0 {
		return fmt.Errorf("distractors: kind single has none; use multikey")
	}
	if p.Kind == MultiKey && p.Distractors == 0 {
		p.Distractors = 3
	}
	return nil
}

func (p *Params) completeDepths() error {
	d := &p.Depths
	if d.Mode == "" && d.At == nil {
		if p.several() {
			d.Mode = spread
		} else {
			d.At = evenly(5)
		}
	}
	if p.several() && d.Mode == "" {
		return fmt.Errorf("depths: kind %s has several facts: their depths are spread (each in another part of the text) or random", p.Kind)
	}
	return nil
}

// The modes of placing facts other than at given depths.
const (
	spread = "spread"
	random = "random"
)

// Depths determines where facts are placed: at fractions of the haystack, or by a mode.
type Depths struct {
	At   []float64
	Mode string
}

// UnmarshalYAML decodes [0, 0.5, 1], one fraction, {count: 11}, random or spread.
func (d *Depths) UnmarshalYAML(n *yaml.Node) error {
	bad := func(format string, args ...any) error {
		return &suites.Problem{Line: n.Line, Msg: "depths: " + fmt.Sprintf(format, args...), Hint: "expected fractions such as [0, 0.5, 1], {count: 11}, spread or random"}
	}
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Value == spread || n.Value == random {
			*d = Depths{Mode: n.Value}
			return nil
		}
		var one float64
		if err := n.Decode(&one); err != nil {
			return bad("%q is not a depth", n.Value)
		}
		*d = Depths{At: []float64{one}}
	case yaml.SequenceNode:
		var at []float64
		if err := n.Decode(&at); err != nil || len(at) == 0 {
			return bad("not a list of numbers")
		}
		*d = Depths{At: at}
	case yaml.MappingNode:
		var m struct {
			Count int `yaml:"count"`
		}
		if len(n.Content) != 2 || n.Content[0].Value != "count" || n.Decode(&m) != nil || m.Count < 1 || m.Count > 1001 {
			return bad("expected a count of 1 to 1001")
		}
		*d = Depths{At: evenly(m.Count)}
	default:
		return bad("cannot read them")
	}
	for i, f := range d.At {
		if !(f >= 0 && f <= 1) {
			return bad("%g is not a fraction of the text, 0 to 1", f)
		}
		if i > 0 && f <= d.At[i-1] {
			return bad("fractions must increase: %g follows %g", f, d.At[i-1])
		}
	}
	return nil
}

// evenly returns n evenly spaced depths from 0 to 1, or only .5 if n is 1.
func evenly(n int) []float64 {
	if n == 1 {
		return []float64{0.5}
	}
	at := make([]float64, n)
	for i := range at {
		at[i] = float64(i) / float64(n-1)
	}
	return at
}

// depth is one row of the grid: a fraction, or a mode.
type depth struct {
	at   float64
	mode string
}

func (d Depths) list() []depth {
	if d.Mode != "" {
		return []depth{{mode: d.Mode}}
	}
	var out []depth
	for _, at := range d.At {
		out = append(out, depth{at: at})
	}
	return out
}

// String returns the depth for labels: 50%, spread.
func (d depth) String() string {
	if d.mode != "" {
		return d.mode
	}
	return strconv.FormatFloat(math.Round(d.at*1000)/10, 'f', -1, 64) + "%"
}

// value returns the depth for records: a number or a word.
func (d depth) value() any {
	if d.mode != "" {
		return d.mode
	}
	return d.at
}
