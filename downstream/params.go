package downstream

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/param"
)

// The types of tasks, by the names of lm-evaluation-harness.
const (
	multipleChoice = "multiple_choice"
	generateUntil  = "generate_until"
	rolling        = "loglikelihood_rolling"
)

var outputTypes = []string{multipleChoice, generateUntil, rolling}

// Params are the fields of a downstream block in a suite.
type Params struct {
	Models      param.Models `yaml:"models" doc:"models of the suite to run, by name or pattern (default: all)"`
	Name        string       `yaml:"name" doc:"name of the task in reports (default: that of the file)"`
	File        string       `yaml:"file" doc:"the documents: a file with one JSON object on each line, relative to the suite's folder"`
	OutputType  string       `yaml:"output_type" doc:"multiple_choice (log-likelihood of each choice), generate_until (exact match of the answer) or loglikelihood_rolling (perplexity of whole texts)"`
	Text        string       `yaml:"doc_to_text" doc:"the prompt: a field, or a text with fields such as {question}"`
	Choice      Texts        `yaml:"doc_to_choice" doc:"the choices: a field with a list, or a list of texts with fields"`
	Target      string       `yaml:"doc_to_target" doc:"the correct answer, a field or a text with fields. multiple_choice: its index from 0, its text or its label, or a list of them; generate_until: the text, or a list of which one is enough; loglikelihood_rolling: the text to score"`
	Labels      Texts        `yaml:"labels" doc:"labels of the choices, if doc_to_target is a label: a field such as choices.label, or a list such as [A, B, C, D]"`
	Blank       string       `yaml:"blank" doc:"the text in doc_to_text that a choice replaces, such as _ in Winogrande; the text after it is scored"`
	Description string       `yaml:"description" doc:"text before each prompt, such as an instruction or solved examples"`
	Delimiter   string       `yaml:"target_delimiter" doc:"text between the prompt and a choice (default: a space)"`
	Generation  Generation   `yaml:"generation_kwargs" doc:"{until: texts that end an answer, max_gen_toks: its maximum length in tokens} (default: an empty line, 256)"`
	Filters     []Pipeline   `yaml:"filter_list" doc:"one list of filters of an answer: [{filter: [{function: regex, regex_pattern: PATTERN, group_select: 0}, {function: take_first}]}]; functions: regex, remove_whitespace, lowercase, uppercase, take_first"`
	Metrics     []MetricSpec `yaml:"metric_list" doc:"metrics to report (default: all of the type), such as [{metric: exact_match, ignore_case: true, ignore_punctuation: true, ignore_numbers: true, regexes_to_ignore: [',']}]"`
	Limit       int          `yaml:"limit" doc:"number of documents from the beginning of the file; 0 means all"`
	MaxLength   suites.Size  `yaml:"max_length" doc:"maximum number of tokens that the model reads; a longer prompt loses its beginning (default: the model's trained context)"`
	PerCase     int          `yaml:"documents_per_case" doc:"documents of one case; a resumed run repeats at most one case"`
}

// Generation holds the settings of generated answers.
type Generation struct {
	Until       Until   `yaml:"until"`
	MaxGenToks  int     `yaml:"max_gen_toks"`
	DoSample    bool    `yaml:"do_sample"`
	Temperature float64 `yaml:"temperature"`
}

// Pipeline is a list of filters, applied in order.
type Pipeline struct {
	Name   string   `yaml:"name"`
	Filter []Filter `yaml:"filter"`
}

// Filter is a change of an answer before it is compared.
type Filter struct {
	Function string `yaml:"function"`
	// Pattern, Group and Fallback belong to the function regex.
	Pattern  *string `yaml:"regex_pattern"`
	Group    int     `yaml:"group_select"`
	Fallback *string `yaml:"fallback"`
}

// MetricSpec is a metric to report.
type MetricSpec struct {
	Metric         string `yaml:"metric"`
	Aggregation    string `yaml:"aggregation"`
	HigherIsBetter *bool  `yaml:"higher_is_better"`
	ExactMatch     `yaml:",inline"`
}

// ExactMatch holds the options of exact_match: what is removed from the answer and the correct
// answer before they are compared.
type ExactMatch struct {
	Case        bool     `yaml:"ignore_case"`
	Punctuation bool     `yaml:"ignore_punctuation"`
	Numbers     bool     `yaml:"ignore_numbers"`
	Regexes     []string `yaml:"regexes_to_ignore"`
}

// Texts is a field of the documents or a list of texts.
type Texts struct {
	Field string
	List  []string
}

// UnmarshalYAML decodes a field's name or a list of texts.
func (t *Texts) UnmarshalYAML(n *yaml.Node) error {
	bad := &suites.Problem{Line: n.Line, Msg: "expected the name of a field with a list, or a list of texts"}
	switch n.Kind {
	case yaml.ScalarNode:
		t.Field = n.Value
		if t.Field == "" {
			return bad
		}
		return nil
	case yaml.SequenceNode:
		for _, c := range n.Content {
			if c.Kind != yaml.ScalarNode {
				return bad
			}
			t.List = append(t.List, c.Value) // as written: yes, 1.0
		}
		if len(t.List) > 0 {
			return nil
		}
	}
	return bad
}

func (t Texts) given() bool { return t.Field != "" || t.List != nil }

// Until is one text or a list of texts.
type Until []string

// UnmarshalYAML decodes a text or a list.
func (u *Until) UnmarshalYAML(n *yaml.Node) error {
	list, err := param.Names(n)
	if err != nil {
		return &suites.Problem{Line: n.Line, Msg: "until: expected a text or a list of texts"}
	}
	*u = list
	return nil
}

// The defaults of lm-evaluation-harness.
const (
	defaultMaxGenToks = 256
	defaultUntil      = "\n\n"
	defaultPattern    = `#### (\-?[0-9\.\,]+)`
	defaultFallback   = "[invalid]"
)

func defaults() *Params {
	return &Params{OutputType: multipleChoice, Delimiter: " ", PerCase: 1000, Generation: Generation{MaxGenToks: defaultMaxGenToks}}
}

// maxPerCase limits the documents whose answers a record holds.
const maxPerCase = 10_000

// complete checks the parameters and fills in defaults.
func (p *Params) complete() (*form, error) {
	if p.File == "" {
		return nil, fmt.Errorf("file: missing; expected a file with one JSON object on each line")
	}
	if p.Name == "" {
		base := filepath.Base(p.File)
		p.Name = cmp.Or(strings.TrimSuffix(base, filepath.Ext(base)), base)
	}
	if !slices.Contains(outputTypes, p.OutputType) {
		return nil, fmt.Errorf("output_type: unknown type %q; %s", p.OutputType, suites.Suggest(p.OutputType, slices.Clone(outputTypes)))
	}
	for _, c := range []struct {
		name           string
		n, least, most int
	}{
		{"limit", p.Limit, 0, maxDocuments},
		{"documents_per_case", p.PerCase, 1, maxPerCase},
		{"max_gen_toks", p.Generation.MaxGenToks, 1, 1 << 16},
		{"max_length", int(min(p.MaxLength, 1<<30)), 0, 1 << 27},
	} {
		if c.n < c.least || c.n > c.most {
			return nil, fmt.Errorf("%s: %d, expected %d to %d", c.name, c.n, c.least, c.most)
		}
	}
	if p.Limit == 0 {
		p.Limit = maxDocuments
	}
	if err := p.checkUse(); err != nil {
		return nil, err
	}
	if len(p.Generation.Until) == 0 {
		p.Generation.Until = Until{defaultUntil}
	}
	if p.Generation.DoSample || p.Generation.Temperature != 0 {
		return nil, fmt.Errorf("generation_kwargs: answers are generated greedily; do_sample and a temperature are not supported")
	}
	return p.form()
}

// checkUse returns an error for a field that the type does not use.
func (p *Params) checkUse() error {
	for _, f := range []struct {
		name  string
		given bool
		need  []string // types that require it
		may   []string // other types that use it
	}{
		{"doc_to_text", p.Text != "", []string{generateUntil}, []string{multipleChoice}},
		{"doc_to_choice", p.Choice.given(), []string{multipleChoice}, nil},
		{"doc_to_target", p.Target != "", outputTypes, nil},
		{"labels", p.Labels.given(), nil, []string{multipleChoice}},
		{"blank", p.Blank != "", nil, []string{multipleChoice}},
		{"description", p.Description != "", nil, []string{multipleChoice, generateUntil}},
		{"target_delimiter", p.Delimiter != " ", nil, []string{multipleChoice}},
		{"generation_kwargs", p.Generation.Until != nil || p.Generation.MaxGenToks != defaultMaxGenToks, nil, []string{generateUntil}},
		{"filter_list", p.Filters != nil, nil, []string{generateUntil}},
	} {
		if !f.given && slices.Contains(f.need, p.OutputType) {
			return fmt.Errorf("%s: missing; %s needs it", f.name, p.OutputType)
		}
		if f.given && !slices.Contains(f.need, p.OutputType) && !slices.Contains(f.may, p.OutputType) {
			return fmt.Errorf("%s: %s does not use it", f.name, p.OutputType)
		}
	}
	return nil
}

// params returns everything that determines a result of documents from an index on, by the names of
// lm-evaluation-harness.
func (p *Params) params(m *suites.Target, hash string, from, documents, all int) map[string]any {
	ps := map[string]any{
		"name": p.Name, "file": filepath.Base(p.File), "text": hash, "documents": documents,
		"output_type": p.OutputType, "doc_to_target": p.Target,
	}
	ps["dtype"], ps["kv"] = m.TypeNames()
	optional := func(name, value string) {
		if value != "" {
			ps[name] = value
		}
	}
	optional("doc_to_text", p.Text)
	optional("blank", p.Blank)
	optional("description", p.Description)
	for name, t := range map[string]Texts{"doc_to_choice": p.Choice, "labels": p.Labels} {
		if t.List != nil {
			ps[name] = t.List
		} else {
			optional(name, t.Field)
		}
	}
	if p.Delimiter != " " {
		ps["target_delimiter"] = p.Delimiter
	}
	if p.OutputType == generateUntil {
		ps["until"], ps["max_gen_toks"] = []string(p.Generation.Until), p.Generation.MaxGenToks
	}
	if p.MaxLength > 0 {
		ps["max_length"] = int(p.MaxLength)
	}
	if all > documents {
		ps["from"] = from + 1
	}
	if f := p.filterNames(); f != nil {
		ps["filter"] = f
	}
	if o := p.optionNames(); o != nil {
		ps["exact_match"] = o
	}
	return ps
}
