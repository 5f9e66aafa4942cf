package checkpoint

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/runners"
)

// config.json has one of two forms. One is the form of a runners.Shape, as the reference fixtures
// use it:
//
//	{
//	 "arch": "yoco_gret" | "yoco_swa" | "transformer",
//	 "reference_args": {the constructor arguments of the reference implementation},
//	 "tokenizer": "bytes",            optional
//	 "name": "tiny-yoco-gret",        optional, default: the folder's name
//	 "gate_logit_normalizer": 16,     optional, must be 16
//	 "tied_output": false,            optional, must be false
//	 ...                              other fields are ignored, such as training records
//	}
//
// reference_args is closed: an unknown argument would change the model, so it is an error.
//
// Any other model is written as a list of layers, by runners.Config's MarshalJSON (see layers.go).

// maxConfig limits the size of a config.json in bytes.
const maxConfig = 16 << 20

// family says how reference_args describe an architecture.
type family struct {
	arch runners.Arch
	// heads and kvHeads are the names of the arguments for the head counts.
	heads, kvHeads string
	// required are the arguments without a default, optional the other known ones.
	required, optional []string
}

var families = map[string]family{
	"yoco_gret": {runners.YOCOGatedRetention, "n_attn_heads", "n_attn_kv_heads",
		append([]string{"n_attn_heads", "n_self_heads"}, sizeArgs...), []string{"n_attn_kv_heads", "rope_theta", "norm_eps"}},
	"yoco_swa": {runners.YOCOSlidingWindow, "n_attn_heads", "n_attn_kv_heads",
		append([]string{"n_attn_heads", "n_self_heads", "sliding_window"}, sizeArgs...), []string{"n_attn_kv_heads", "rope_theta", "norm_eps"}},
	"transformer": {runners.Transformer, "n_heads", "n_kv_heads",
		append([]string{"n_heads"}, sizeArgs...), []string{"n_kv_heads", "head_dim", "rope_theta", "norm_eps"}},
}

// The arguments that every family requires, and those that do not affect what a model computes.
var (
	sizeArgs    = []string{"dim", "n_layers", "hidden_dim", "vocab_size"}
	ignoredArgs = []string{"max_batch_size", "model_parallel_size", "load_checkpoint"}
)

// knownArgs lists the arguments of all families.
func knownArgs() (names []string) {
	for _, f := range families {
		names = append(append(names, f.required...), f.optional...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// arg is a number and the line on which it was read.
type arg struct {
	n    float64
	line string
}

// rawConfig is the content of config.json before the architecture is known.
type rawConfig struct {
	arch, archAt    string
	name, tokenizer string
	args            map[string]arg
	// argsName is the name of the arguments in errors, argsAt the line on which they begin.
	argsName, argsAt string
	headDim, selfDim *arg
	embedScale       *arg
	maxSeqLen        int
}

// ParseConfig parses a config.json. file is the name used in errors; name is the model's name if
// the text does not contain one.
func ParseConfig(file, name string, text []byte) (runners.Config, error) {
	if len(text) > maxConfig {
		return runners.Config{}, fmt.Errorf("%s: %d bytes long, want a config of at most %d", file, len(text), maxConfig)
	}
	if layered(text) {
		return parseLayers(file, name, text)
	}
	j, err := newJSON(file, text)
	if err != nil {
		return runners.Config{}, err
	}
	r := rawConfig{name: name, args: map[string]arg{}, argsName: "reference_args"}
	if err := j.object("the config", func(key string) error { return r.field(j, key) }); err != nil {
		return runners.Config{}, err
	}
	if err := j.end(); err != nil {
		return runners.Config{}, err
	}
	return r.config(file)
}

// config makes a model of what was read.
func (r *rawConfig) config(file string) (runners.Config, error) {
	s, err := r.shape(file)
	if err != nil {
		return runners.Config{}, err
	}
	if err := s.Validate(); err != nil {
		return runners.Config{}, fmt.Errorf("%s: %s: %w", r.argsAt, r.argsName, err)
	}
	c := s.Config()
	c.MaxSeqLen = r.maxSeqLen
	return c, nil
}

// field reads one top-level field.
func (r *rawConfig) field(j *jsonFile, key string) (err error) {
	switch key {
	case "arch":
		r.arch, err = j.str(key)
		r.archAt = j.place()
	case "name":
		r.name, err = j.str(key)
	case "tokenizer":
		r.tokenizer, err = j.str(key)
		if err == nil && r.tokenizer != "bytes" {
			err = j.errorf("tokenizer is %q, want \"bytes\" or no such field", r.tokenizer)
		}
	case "reference_args":
		r.argsAt = j.place()
		err = j.object(r.argsName, func(name string) error { return r.argument(j, name) })
	case "gate_logit_normalizer":
		var n float64
		if n, err = j.float(key); err == nil && n != runners.GateNormalizer {
			err = j.errorf("%s is %g, want %d, the only value in the reference implementation", key, n, runners.GateNormalizer)
		}
	case "tied_output":
		var tied bool
		if tied, err = j.boolean(key); err == nil && tied {
			err = j.errorf("%s is true, want false: the output matrix must be a separate tensor", key)
		}
	case "head_dim":
		r.headDim, err = j.number(key)
	case "self_head_dim":
		r.selfDim, err = j.number(key)
	case "embed_scale":
		r.embedScale, err = j.number(key)
	default:
		err = j.skip(fmt.Sprintf("%q", key))
	}
	return err
}

// argument reads one field of reference_args. null means absent.
func (r *rawConfig) argument(j *jsonFile, name string) error {
	what := r.argsName + "." + name
	if slices.Contains(ignoredArgs, name) {
		return j.skip(what)
	}
	switch name {
	case "max_seq_len":
		n, set, err := j.optionalInteger(what)
		if err == nil && set && n < 1 {
			err = j.errorf("%s is %d, want 1 or more", what, n)
		}
		r.maxSeqLen = int(n)
		return err
	case "rope_theta", "norm_eps":
		a, err := j.number(what)
		if err == nil {
			r.args[name] = *a
		}
		return err
	}
	known := knownArgs()
	if !slices.Contains(known, name) {
		return j.errorf("%s has the unknown field %q%s", r.argsName, name, didYouMean(name, known))
	}
	n, set, err := j.optionalInteger(what)
	if err == nil && set {
		if n < 1 || n > 1<<20 {
			return j.errorf("%s is %d, want 1 to %d", what, n, 1<<20)
		}
		r.args[name] = arg{float64(n), j.place()}
	}
	return err
}

// shape converts the fields to a Shape and checks them against the architecture.
func (r *rawConfig) shape(file string) (runners.Shape, error) {
	f, ok := families[r.arch]
	if !ok {
		if r.archAt == "" {
			return runners.Shape{}, fmt.Errorf("%s: no field arch, want \"yoco_gret\", \"yoco_swa\" or \"transformer\", or a list of layers\n  hint: a config of Hugging Face has the field model_type", file)
		}
		return runners.Shape{}, fmt.Errorf("%s: arch is %q, want \"yoco_gret\", \"yoco_swa\" or \"transformer\"", r.archAt, r.arch)
	}
	if r.argsAt == "" {
		return runners.Shape{}, fmt.Errorf("%s: no field reference_args, which must hold the model's sizes", file)
	}
	for _, name := range f.required {
		if _, ok := r.args[name]; !ok {
			return runners.Shape{}, fmt.Errorf("%s: %s has no %s, which %s needs", r.argsAt, r.argsName, name, r.arch)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.args)) {
		if !slices.Contains(f.required, name) && !slices.Contains(f.optional, name) {
			return runners.Shape{}, fmt.Errorf("%s: %s.%s does not belong to %s", r.args[name].line, r.argsName, name, r.arch)
		}
	}
	get := func(name string, otherwise int) int {
		if a, ok := r.args[name]; ok {
			return int(a.n)
		}
		return otherwise
	}
	real := func(name string, otherwise float64) float64 {
		if a, ok := r.args[name]; ok {
			return a.n
		}
		return otherwise
	}
	s := runners.Shape{
		Name: r.name, Arch: f.arch, Tokenizer: r.tokenizer,
		Dim: get("dim", 0), Layers: get("n_layers", 0), FFN: get("hidden_dim", 0), Vocab: get("vocab_size", 0),
		SelfHeads: get("n_self_heads", 0), Window: get("sliding_window", 0),
		Heads:   get(f.heads, 0),
		KVHeads: get(f.kvHeads, get(f.heads, 0)), // as in the reference implementation
		// Also the reference implementation's defaults.
		RopeTheta: real("rope_theta", 10000), NormEps: real("norm_eps", 1e-5),
	}
	s.HeadDim = get("head_dim", s.Dim/s.Heads)
	return s, r.derived(s)
}

// derived checks the fields that can be computed from the others.
func (r *rawConfig) derived(s runners.Shape) error {
	for _, f := range []struct {
		name string
		got  *arg
		want float64
	}{
		{"head_dim", r.headDim, float64(s.HeadDim)},
		{"self_head_dim", r.selfDim, float64(s.SelfHeadDim())},
		{"embed_scale", r.embedScale, s.Config().EmbedScale},
	} {
		if f.got == nil || f.name == "self_head_dim" && s.SelfHeads == 0 {
			continue
		}
		if !(math.Abs(f.got.n-f.want) <= 1e-6*f.want) {
			return fmt.Errorf("%s: %s is %g, but reference_args makes it %g", f.got.line, f.name, f.got.n, f.want)
		}
	}
	return nil
}

// number reads a number and records its line.
func (j *jsonFile) number(what string) (*arg, error) {
	n, err := j.float(what)
	return &arg{n, j.place()}, err
}

// ahead returns "file:line" of the next token.
func (j *jsonFile) ahead() string {
	j.at = j.dec.InputOffset()
	return j.place()
}

// place returns "file:line" of the last token.
func (j *jsonFile) place() string {
	return strings.TrimSuffix(j.errorf("").Error(), ": ")
}

// writeConfig writes c as a config.json that ParseConfig reads back.
func writeConfig(w io.Writer, c runners.Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	s, ok := c.Shape()
	if !ok {
		return e.Encode(c)
	}
	all := map[string]any{"gate_logit_normalizer": runners.GateNormalizer, "tied_output": false}
	for arch, f := range families {
		if f.arch != s.Arch {
			continue
		}
		args := map[string]any{"sliding_window": nil}
		for name, v := range map[string]any{
			"dim": s.Dim, "n_layers": s.Layers, "hidden_dim": s.FFN, "vocab_size": s.Vocab, "rope_theta": s.RopeTheta, "norm_eps": s.NormEps,
			"n_self_heads": s.SelfHeads, f.heads: s.Heads, f.kvHeads: s.KVHeads, "head_dim": s.HeadDim, "sliding_window": s.Window,
		} {
			if slices.Contains(f.required, name) || slices.Contains(f.optional, name) {
				args[name] = v
			}
		}
		if c.MaxSeqLen > 0 {
			args["max_seq_len"] = c.MaxSeqLen
		}
		all["arch"], all["reference_args"] = arch, args
	}
	if c.Name != "" {
		all["name"] = c.Name
	}
	if c.Tokenizer != "" {
		all["tokenizer"] = c.Tokenizer
	}
	return e.Encode(all)
}
