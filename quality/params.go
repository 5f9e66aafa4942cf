package quality

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/match"
	"github.com/yocobench/yocobench/suites/param"
)

// Params are the fields of a family's block in a suite.
type Params struct {
	Models       param.Models `yaml:"models" doc:"models of the suite to run, by name or pattern such as tiny-yoco-* (default: all)"`
	Kinds        Kinds        `yaml:"kinds" doc:"kinds of questions, by name or pattern such as niah_* (default: all that need no data, and those that have data)"`
	Lengths      suites.Sizes `yaml:"lengths" doc:"context lengths in tokens, including the prompt, the beginning of the answer and the answer's limit"`
	Samples      param.Counts `yaml:"samples" doc:"questions per kind and length: a number, or numbers by length such as {1Ki: 50, 32Ki: 10}, each from its length up to the next"`
	Adaptive     int          `yaml:"adaptive" doc:"find the effective length of each kind with at most this number of questions, in place of samples; a search chooses their lengths (default 0: samples at every length)"`
	AnswerPrefix bool         `yaml:"answer_prefix" doc:"end the prompt with the beginning of the answer, as the benchmark defines. Without it, models that are not trained for chat often continue the text instead of answering"`
	Wording      string       `yaml:"wording" doc:"texts of the prompts: own, or the name of published texts that the benchmark has, such as ruler (default own)"`
	Haystack     param.Corpus `yaml:"haystack" doc:"the running text of kinds that use one: prose (generated, the same on every machine), go (Go's sources), files:PATH or {files: [PATHS]} (default prose)"`
	Data         Data         `yaml:"data" doc:"files of kinds that need a data set: one path, or paths by kind such as {qa_1: squad.jsonl}; docs/quality.md describes the layouts"`
	Chat         param.Chat   `yaml:"chat" doc:"true: the prompt is a user's message, in the form of the model's chat template (of a model without one, the cases are unsupported); {system: TEXT}: with a system message (default: plain completion)"`
}

func defaults() *Params {
	return &Params{
		Lengths: suites.Sizes{1 << 10, 2 << 10, 4 << 10, 8 << 10}, Samples: param.Everywhere(20), AnswerPrefix: true,
		Wording: WordingOwn, Haystack: param.Corpus{Spec: corpus.Spec{Kind: corpus.KindProse}},
	}
}

// Limits against typing errors.
const (
	minLength = 16
	maxLength = 1 << 27
)

func (p *Params) check(f *Family) error {
	if len(p.Lengths) == 0 {
		return fmt.Errorf("lengths: no sizes")
	}
	for _, n := range p.Lengths {
		if n < minLength || n > maxLength {
			return fmt.Errorf("lengths: %s, expected at least %d and at most %s", suites.Size(n), minLength, suites.Size(maxLength))
		}
	}
	if err := p.Samples.Check("samples", p.Lengths); err != nil {
		return err
	}
	if err := p.checkAdaptive(); err != nil {
		return err
	}
	if known := append([]string{WordingOwn}, f.Wordings...); !slices.Contains(known, p.Wording) {
		return fmt.Errorf("wording: unknown name %q; %s", p.Wording, suites.Suggest(p.Wording, known))
	}
	names := f.names()
	for _, name := range slices.Sorted(p.Data.kinds()) {
		i := slices.Index(names, name)
		if i < 0 {
			return fmt.Errorf("data: unknown kind %q; %s", name, suites.Suggest(name, names))
		}
		if f.Kinds[i].Open == nil {
			return fmt.Errorf("data: kind %s uses no data", name)
		}
	}
	if p.Data.All != "" && !slices.ContainsFunc(f.Kinds, func(k Kind) bool { return k.Open != nil }) {
		return fmt.Errorf("data: no kind of %s uses data", f.Name)
	}
	return nil
}

func (f *Family) names() (out []string) {
	for _, k := range f.Kinds {
		out = append(out, k.Name)
	}
	return out
}

// Kinds is a list of names of kinds, or of patterns such as niah_*. An empty list means all.
type Kinds []string

// UnmarshalYAML decodes a name or pattern, or a list of them.
func (k *Kinds) UnmarshalYAML(n *yaml.Node) error {
	names, err := param.Names(n)
	if err != nil || len(names) == 0 {
		return &suites.Problem{Line: n.Line, Msg: "kinds: expected a name, a pattern such as niah_*, or a list of them"}
	}
	*k = names
	return nil
}

// choose returns the kinds of a family that a suite asks for, in the family's order.
func (p *Params) choose(f *Family) (out []*Kind, err error) {
	used := make([]bool, len(p.Kinds))
	for i := range f.Kinds {
		k := &f.Kinds[i]
		wanted := len(p.Kinds) == 0 && (k.Open == nil || p.Data.path(k.Name) != "")
		for j, pattern := range p.Kinds {
			if err := match.Check(pattern); err != nil {
				return nil, fmt.Errorf("kinds: %w", err)
			}
			if (match.Patterns{pattern}).Match(k.Name) {
				wanted, used[j] = true, true
			}
		}
		if !wanted {
			continue
		}
		if k.Open != nil && p.Data.path(k.Name) == "" {
			if !slices.Contains(p.Kinds, k.Name) {
				continue // only a pattern selects it
			}
			return nil, fmt.Errorf("kinds: %s needs a data set: set data to its path", k.Name)
		}
		out = append(out, k)
	}
	for j, pattern := range p.Kinds {
		if !used[j] {
			return nil, fmt.Errorf("kinds: no kind %q; %s", pattern, suites.Suggest(pattern, f.names()))
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("kinds: all of %s need a data set: set data to its path", strings.Join(p.Kinds, ", "))
	}
	return out, nil
}

// Data holds the paths of data sets: one for all kinds, or one for each.
type Data struct {
	All    string
	ByKind map[string]string
}

// UnmarshalYAML decodes a path, or paths by kind.
func (d *Data) UnmarshalYAML(n *yaml.Node) error {
	bad := &suites.Problem{Line: n.Line, Msg: "data: expected a path, or paths by kind such as {qa_1: squad.jsonl}"}
	var out Data
	switch n.Kind {
	case yaml.ScalarNode:
		if out.All = n.Value; out.All == "" || n.ShortTag() == "!!null" {
			return bad
		}
	case yaml.MappingNode:
		if n.Decode(&out.ByKind) != nil || len(out.ByKind) == 0 {
			return bad
		}
		for _, path := range out.ByKind {
			if path == "" {
				return bad
			}
		}
	default:
		return bad
	}
	*d = out
	return nil
}

func (d *Data) kinds() func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range d.ByKind {
			if !yield(k) {
				return
			}
		}
	}
}

// path returns the path of a kind's data set, or "".
func (d *Data) path(kind string) string {
	if p, ok := d.ByKind[kind]; ok {
		return p
	}
	return d.All
}

// maxData limits the size of a data set in bytes.
const maxData = 1 << 30

// data is an opened data set.
type data struct {
	value       any
	fingerprint string
}

// open reads the data set of a kind. Relative paths are relative to dir.
func (d *Data) open(k *Kind, dir string) (*data, error) {
	path := d.path(k.Name)
	f, err := corpus.OpenFile(path, dir)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxData+1))
	if err != nil {
		return nil, fmt.Errorf("data: %s: %w", path, err)
	}
	if len(text) > maxData {
		return nil, fmt.Errorf("data: %s is larger than %d bytes", path, maxData)
	}
	v, err := k.Open(path, text)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	sum := sha256.Sum256(text)
	return &data{v, hex.EncodeToString(sum[:8])}, nil
}
