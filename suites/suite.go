package suites

import (
	"bytes"
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites/result"
)

// Suite is a decoded suite file: what to measure, on which models. The doc tags document its
// schema.
type Suite struct {
	Name   string  `yaml:"name" doc:"short name: letters, digits, - and _; it names the run's folder (required)"`
	Title  string  `yaml:"title" doc:"title of the reports, one line"`
	About  string  `yaml:"about" doc:"purpose of the suite"`
	Seed   uint64  `yaml:"seed" doc:"seed of all random choices, combined with the case (default 1)"`
	Runner string  `yaml:"runner" doc:"runner of the models: cpu and cuda measure, analytic computes, exec runs commands, openai sends requests to a server (default cpu)"`
	Device string  `yaml:"device" doc:"device profile of the analytic runner (yocobench list devices)"`
	Models []Entry `yaml:"models" doc:"names of models (yocobench list models), folders of checkpoints, or mappings (required)"`
	// Baseline is the model that reports divide by.
	Baseline string `yaml:"baseline" doc:"the model that reports compare others with (default: the suite's Transformer, if it has exactly one)"`
	// Tasks holds blocks that their tasks decode.
	Tasks  []yaml.Node `yaml:"tasks" doc:"list of tasks, each a mapping from its name to its parameters (required)"`
	Budget Duration    `yaml:"budget" doc:"time limit of the run, such as 3m: cheapest cases run first, cases that do not fit are skipped, and a case that exceeds its share by half is stopped (default: none)"`
	Memory Size        `yaml:"memory" doc:"memory limit of a model with its sequences, such as 8Gi (default: the machine's)"`
	// References holds published figures to compare with the results.
	References []Reference `yaml:"references" doc:"published figures that reports compare with the results"`
	// Gates are evaluated at the end of a run.
	Gates []Gate `yaml:"gates" doc:"conditions to check, such as throughput.decode_tps >= 0.95x baseline; or {gate: ..., confidence: 0.99} (yocobench gate --help)"`

	// File is the path or name of the suite, Text its content with all settings applied.
	File string `yaml:"-"`
	Text string `yaml:"-"`
	// Dir is the base folder of relative paths.
	Dir    string `yaml:"-"`
	blocks []*block
	sets   []string
}

// block is the part of a suite for one task.
type block struct {
	task Task
	node *yaml.Node // the parameters, or nil
	line int
	file string
}

// Entry is a model in a suite.
type Entry struct {
	Name    string         `yaml:"name" doc:"name of the model in the suite and its reports (default: the value of model)"`
	Model   string         `yaml:"model" doc:"an embedded model, a preset, or a folder with config.json and weights.safetensors; with url, the name of the model in requests (this, layers or command is required)"`
	Weights string         `yaml:"weights" doc:"random: use seeded random weights instead of trained ones; presets have only these (default: trained if available)"`
	Seed    uint64         `yaml:"seed" doc:"seed of random weights (default 1)"`
	DType   *runners.DType `yaml:"dtype" doc:"type of the weights in memory: f32, bf16, f16, or stored for quantised matrices as their file has them, on cpu (default f32 on cpu, bf16 on analytic)"`
	KV      *runners.DType `yaml:"kv" doc:"type of the KV caches: f32 or bf16 (default: as dtype)"`
	Chunk   Size           `yaml:"prefill_chunk" doc:"tokens per prefill chunk (default: chosen for the device)"`
	Logits  string         `yaml:"logits" doc:"chunk: prefill computes and holds the logits of every row of a chunk, as the reference Transformer does; only for models without an early exit (default: only the last row, in the first step)"`
	Runner  string         `yaml:"runner" doc:"runner of this model (default: the suite's)"`
	Device  string         `yaml:"device" doc:"device profile of this model (default: the suite's)"`
	// Baseline is the model of the suite that reports compare this one with.
	Baseline string `yaml:"baseline" doc:"the model that reports compare this one with (default: the suite's baseline)"`
	Process  `yaml:",inline"`
	Served   `yaml:",inline"`
	Composed `yaml:",inline"`

	line   int
	config *runners.Config // the model that Composed defines
}

// Config returns the model that the entry defines by layers, or nil if it names a model.
func (e *Entry) Config() *runners.Config { return e.config }

// UnmarshalYAML decodes a name or a mapping.
func (e *Entry) UnmarshalYAML(n *yaml.Node) error {
	type plain Entry // without this method
	p := plain{Seed: 1, line: n.Line}
	switch n.Kind {
	case yaml.ScalarNode:
		p.Model = n.Value
	case yaml.MappingNode:
		left := maxNodes
		if err := bounded(n, &left); err != nil {
			return err
		}
		if err := decodeStrict(n, &p); err != nil {
			return err
		}
	default:
		return problemAt(n, "", "expected a model's name or a mapping")
	}
	if err := (*Entry)(&p).process(n); err != nil {
		return err
	}
	if err := (*Entry)(&p).served(n); err != nil {
		return err
	}
	if err := (*Entry)(&p).compose(n); err != nil {
		return err
	}
	if p.Weights != "" && p.Weights != "random" {
		return problemAt(n, "remove it to use the trained weights", "weights: expected random, got %q", p.Weights)
	}
	if p.Logits != "" && p.Logits != "chunk" {
		return problemAt(n, "remove it to compute no logits in prefill", "logits: expected chunk, got %q", p.Logits)
	}
	if p.Chunk > maxChunk {
		return problemAt(n, "", "prefill_chunk is %s, more than %s", p.Chunk, Size(maxChunk))
	}
	if p.Name == "" {
		p.Name = p.Model
		if filepath.IsAbs(p.Name) || strings.HasPrefix(p.Name, "~/") { // reports must not reveal folders of the machine
			p.Name = filepath.Base(p.Name)
		}
	}
	*e = Entry(p)
	return nil
}

// compose builds the model of an entry that defines one by layers.
func (e *Entry) compose(n *yaml.Node) (err error) {
	if e.Layers == nil {
		if e.Command != nil || e.URL != "" {
			return nil
		}
		if !reflect.ValueOf(e.Composed).IsZero() {
			return problemAt(n, layersHint, "label, dim and other sizes belong to a model that is defined by layers")
		}
		if e.Model == "" {
			return problemAt(n, "for example: - {name: big, model: yoco-gret-3b}", "a model without the field model")
		}
		return nil
	}
	switch {
	case e.Model != "":
		return problemAt(n, "remove one of them", "a model with both model and layers")
	case e.Name == "":
		return problemAt(n, "for example: - {name: mine, dim: 768, ...}", "a model with layers and without a name")
	case len(e.Layers) == 0:
		return problemAt(n, layersHint, "an empty list of layers")
	}
	e.config, err = e.Composed.config(e.Name, n)
	return err
}

// Reference is a published figure; see result.Reference.
type Reference struct {
	Task   string  `yaml:"task"`
	Metric string  `yaml:"metric"`
	Model  string  `yaml:"model"`
	Over   string  `yaml:"over"`
	Length Size    `yaml:"length"`
	Value  float64 `yaml:"value"`
	Unit   string  `yaml:"unit"`
	Source string  `yaml:"source"`
	Note   string  `yaml:"note"`
}

func (r Reference) result() result.Reference {
	return result.Reference{
		Task: r.Task, Metric: r.Metric, Model: r.Model, Over: r.Over, Length: float64(r.Length),
		Value: r.Value, Unit: r.Unit, Source: r.Source, Note: r.Note,
	}
}

// Duration is a time.Duration written as 90s, 3m or 1h30m.
type Duration time.Duration

// UnmarshalYAML decodes a scalar.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil || v < 0 || n.Kind != yaml.ScalarNode {
		return problemAt(n, "", "%q is not a duration; expected something like 90s, 3m or 1h30m", n.Value)
	}
	*d = Duration(v)
	return nil
}

// maxChunk limits the tokens of a prefill chunk.
const maxChunk = 1 << 20

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// Parse parses a suite. file is its name in errors. sets are settings path=value, which are applied
// before decoding. tasks are the known tasks. Every error is a *Problem.
func Parse(text []byte, file string, sets []string, tasks []Task) (*Suite, error) {
	s := &Suite{Seed: 1, File: file, sets: sets}
	return s, s.place(s.parse(text, tasks))
}

// place adds the position to an error: a line of the file, or a setting.
func (s *Suite) place(err error) error { return inFile(settingProblem(err, s.sets), s.File) }

func (s *Suite) parse(text []byte, tasks []Task) error {
	root, err := readYAML(text)
	const hint = "`yocobench suite explain` shows an example"
	switch {
	case err != nil:
		return err
	case root == nil:
		return &Problem{Msg: "the file is empty", Hint: hint}
	case root.Kind != yaml.MappingNode:
		return problemAt(root, hint, "expected a mapping of fields")
	}
	if err := applySets(root, s.sets); err != nil {
		return err
	}
	if err := checkValues(root); err != nil {
		return err
	}
	if err := decodeStrict(root, s); err != nil {
		return err
	}
	if err := s.check(root, tasks); err != nil {
		return err
	}
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(root); err != nil {
		return err
	}
	if out.Len() > maxSuite {
		return &Problem{Msg: fmt.Sprintf("with its settings and expanded aliases the suite has %d bytes, more than %d", out.Len(), maxSuite)}
	}
	s.Text = out.String()
	return nil
}

func (s *Suite) check(root *yaml.Node, tasks []Task) error {
	if !nameForm.MatchString(s.Name) {
		return problemAt(root, "", "name: expected letters, digits, - and _, got %q", s.Name)
	}
	if len(s.Models) == 0 {
		return problemAt(root, "for example: models: [tiny-yoco-gret, tiny-transformer]", "no models")
	}
	if s.Runner == "" {
		s.Runner = "cpu"
	}
	seen := map[string]bool{}
	for _, e := range s.Models {
		if seen[e.Name] {
			return &Problem{Line: e.line, Msg: fmt.Sprintf("two models are named %q", e.Name), Hint: "rename one of them"}
		}
		seen[e.Name] = true
	}
	if err := s.checkBaselines(root); err != nil {
		return err
	}
	if len(s.Tasks) == 0 {
		return problemAt(root, "for example: tasks: [needle: {lengths: [1Ki, 4Ki]}]", "no tasks")
	}
	var names []string
	for _, t := range tasks {
		names = append(names, t.Name())
	}
	for i := range s.Tasks {
		n := resolve(&s.Tasks[i])
		b := &block{line: n.Line, file: s.File}
		switch {
		case n.Kind == yaml.ScalarNode:
			b.task = taskNamed(tasks, n.Value)
		case n.Kind == yaml.MappingNode && len(n.Content) == 2:
			n, b.node = n.Content[0], resolve(n.Content[1])
			b.task = taskNamed(tasks, n.Value)
		default:
			return problemAt(n, "for example: - needle: {lengths: [1Ki, 4Ki]}", "expected a task: a mapping of one name to its parameters")
		}
		if b.task == nil {
			return problemAt(n, Suggest(n.Value, slices.Clone(names)), "unknown task %q", n.Value)
		}
		if err := b.checkModels(s); err != nil {
			return err
		}
		s.blocks = append(s.blocks, b)
	}
	return s.checkGates()
}

func taskNamed(tasks []Task, name string) Task {
	for _, t := range tasks {
		if t.Name() == name {
			return t
		}
	}
	return nil
}

// params decodes the parameters of a block over the task's defaults.
func (b *block) params() (any, error) {
	p := b.task.Params()
	if b.node == nil || b.node.Kind == yaml.ScalarNode && b.node.Tag == "!!null" {
		return p, nil
	}
	if b.node.Kind != yaml.MappingNode {
		return nil, problemAt(b.node, "", "%s: expected a mapping of parameters", b.task.Name())
	}
	return p, decodeStrict(b.node, p)
}

// Published returns the suite's references for reports.
func (s *Suite) Published() (out []result.Reference) {
	for _, r := range s.References {
		out = append(out, r.result())
	}
	return out
}
