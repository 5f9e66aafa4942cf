package suites

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"gopkg.in/yaml.v3"

	"github.com/yocobench/yocobench/runners"
)

// Composed is the part of an Entry that defines a model layer by layer.
type Composed struct {
	Label      string   `yaml:"label" doc:"group of the model in reports (default: its name; of a command the name that it says)"`
	Dim        Size     `yaml:"dim" doc:"width of the residual stream (required with layers)"`
	Vocab      Size     `yaml:"vocab" doc:"number of tokens (required with layers)"`
	Tokenizer  string   `yaml:"tokenizer" doc:"bytes, for tasks that read text; of a command also a file or folder of a model (default: token ids only, or the command's own tokenizer, with which texts cannot be scored)"`
	EmbedScale *float64 `yaml:"embed_scale" doc:"factor of the embeddings (default 1)"`
	TiedOutput bool     `yaml:"tied_output" doc:"true: the output matrix is the embedding (default false)"`
	LogitScale float64  `yaml:"logit_scale" doc:"factor of the logits (default 1)"`
	LogitCap   float64  `yaml:"logit_cap" doc:"limits logits: cap tanh(logit/cap) (default: no limit)"`
	NormEps    *float64 `yaml:"norm_eps" doc:"epsilon of all norms (default 1e-5)"`
	LayerSizes `yaml:",inline"`
	Layers     []Block `yaml:"layers" doc:"the model's layers, instead of model; the weights are random, from seed"`
}

// LayerSizes are the properties that a layer inherits from the enclosing list or model unless it
// sets them.
type LayerSizes struct {
	Heads           Size     `yaml:"heads" doc:"query heads"`
	KVHeads         Size     `yaml:"kv_heads" doc:"KV heads (default: as many as heads)"`
	HeadDim         Size     `yaml:"head_dim" doc:"head dim (default dim/heads)"`
	FFN             Size     `yaml:"ffn" doc:"hidden width of the gated feed-forward block"`
	RopeTheta       *float64 `yaml:"rope_theta" doc:"base of the rotary frequencies (default 10000)"`
	RopeInterleaved *bool    `yaml:"rope_interleaved" doc:"true: rotate adjacent pairs, as in YOCO (default: pairs from the two halves of a head)"`
	RopeEndPoint    *bool    `yaml:"rope_end_point" doc:"true: include the frequency 1/rope_theta, as in YOCO (default false)"`
	RopeNone        *bool    `yaml:"rope_none" doc:"true: no positions, NoPE (default false)"`
	RopeDims        Size     `yaml:"rope_dims" doc:"number of values of a head to rotate (default: all)"`
	RopeFactor      *float64 `yaml:"rope_factor" doc:"divides all rotary frequencies (default 1)"`
	Activation      string   `yaml:"activation" doc:"gelu-tanh (default: SiLU)"`
	Norms           string   `yaml:"norms" doc:"post: norms of the blocks' outputs; pre-post: of inputs and outputs (default: of inputs)"`
	Bias            *bool    `yaml:"bias" doc:"true: biases of queries, keys and values; in retention of the decay (default false)"`
	QKNorm          string   `yaml:"qk_norm" doc:"norms of queries and keys: head, of each head, or whole, of all heads together (default: none)"`
	Scale           *float64 `yaml:"scale" doc:"factor of attention scores (default head_dim^-0.5)"`
	ScoreCap        *float64 `yaml:"score_cap" doc:"limits attention scores: cap tanh(score/cap) (default: no limit)"`
}

// Block is an item of a list of layers: a layer, or a repeated list of layers.
type Block struct {
	Repeat     Size   `yaml:"repeat" doc:"number of repetitions (default 1)"`
	Name       string `yaml:"name" doc:"name for kv_from of later layers"`
	Mixer      string `yaml:"mixer" doc:"attention, retention, or keys-values, which only projects keys and values for later layers (default attention)"`
	Window     Size   `yaml:"window" doc:"keys that attention sees, including the current one (default: the whole context)"`
	KVFrom     string `yaml:"kv_from" doc:"the layer whose keys and values attention reads: the nearest earlier layer of this name (default: its own)"`
	LayerSizes `yaml:",inline"`
	Layers     []Block `yaml:"layers" doc:"layers that repeat together, instead of mixer, window and kv_from; sizes given here are their defaults"`

	line int
}

// UnmarshalYAML decodes a mapping.
func (b *Block) UnmarshalYAML(n *yaml.Node) error {
	type plain Block
	p := plain{line: n.Line}
	if n.Kind != yaml.MappingNode {
		return problemAt(n, "for example: - {mixer: attention, window: 1024, repeat: 5}", "expected a layer: a mapping")
	}
	if err := decodeStrict(n, &p); err != nil {
		return err
	}
	*b = Block(p)
	return nil
}

// layersHint shows the form of a list of layers.
const layersHint = "for example: layers: [{repeat: 4, layers: [{mixer: attention, window: 1024, repeat: 5}, {mixer: attention}]}]"

// bounded returns an error if a node has more than left nodes with aliases expanded.
func bounded(n *yaml.Node, left *int) error {
	n = resolve(n)
	if *left--; *left < 0 {
		return problemAt(n, "", "more than %d values, aliases followed", maxNodes)
	}
	for _, c := range n.Content {
		if err := bounded(c, left); err != nil {
			return err
		}
	}
	return nil
}

// config returns the model of a composed entry.
func (c *Composed) config(name string, n *yaml.Node) (*runners.Config, error) {
	for _, f := range []struct {
		name string
		v    Size
	}{{"dim", c.Dim}, {"vocab", c.Vocab}} {
		if f.v == 0 {
			return nil, problemAt(n, layersHint, "a model with layers needs %s", f.name)
		}
	}
	out := &runners.Config{
		Name: name, Label: c.Label, Dim: int(c.Dim), Vocab: int(c.Vocab), Tokenizer: c.Tokenizer,
		EmbedScale: or(c.EmbedScale, 1), NormEps: or(c.NormEps, 1e-5),
		TiedOutput: c.TiedOutput, LogitScale: c.LogitScale, LogitCap: c.LogitCap,
	}
	if out.Label == "" {
		out.Label = name
	}
	l := layering{config: out, named: map[string]int{}}
	if err := l.list(c.Layers, c.LayerSizes); err != nil {
		return nil, err
	}
	if err := out.Validate(); err != nil {
		p := problemAt(n, "", "model %s: %v", name, err)
		var bad *runners.LayerError
		if errors.As(err, &bad) {
			p.Line, p.Msg = l.lines[bad.Layer], fmt.Sprintf("layer %d of %s: %v", bad.Layer, name, bad.Err)
		}
		return nil, p
	}
	return out, nil
}

// layering appends the layers of blocks to a config.
type layering struct {
	config *runners.Config
	lines  []int          // line of each layer
	named  map[string]int // the latest layer of each name
}

func (l *layering) list(blocks []Block, around LayerSizes) error {
	for i := range blocks {
		b := &blocks[i]
		for range max(b.Repeat, 1) {
			if err := l.block(b, around); err != nil {
				return err
			}
			if len(l.config.Layers) > runners.MaxLayers {
				return &Problem{Line: b.line, Msg: fmt.Sprintf("more than %d layers", runners.MaxLayers)}
			}
		}
	}
	return nil
}

// block appends a layer, or one repetition of a list of layers.
func (l *layering) block(b *Block, around LayerSizes) error {
	if b.Layers != nil {
		if b.Mixer != "" || b.Window != 0 || b.KVFrom != "" || b.Name != "" {
			return &Problem{Line: b.line, Msg: "a list of layers with mixer, window, kv_from or name", Hint: "set them in the layers of the list"}
		}
		if len(b.Layers) == 0 {
			return &Problem{Line: b.line, Msg: "an empty list of layers", Hint: layersHint}
		}
		return l.list(b.Layers, b.within(around))
	}
	layer, err := l.layer(b, b.within(around))
	if err != nil {
		return err
	}
	if b.Name != "" {
		l.named[b.Name] = len(l.config.Layers)
	}
	l.config.Layers, l.lines = append(l.config.Layers, layer), append(l.lines, b.line)
	return nil
}

// within returns s with unset sizes taken from around. A layer with a different number of heads
// does not inherit their width or groups.
func (s LayerSizes) within(around LayerSizes) LayerSizes {
	if s.Heads != 0 {
		around.HeadDim, around.KVHeads = 0, 0
	}
	from, to := reflect.ValueOf(around), reflect.ValueOf(&s).Elem()
	for i := range to.NumField() {
		if f := to.Field(i); f.IsZero() {
			f.Set(from.Field(i))
		}
	}
	return s
}

// layer returns a layer with sizes s.
func (l *layering) layer(b *Block, s LayerSizes) (runners.Layer, error) {
	none := runners.Layer{}
	m := runners.Mixer{
		Kind: runners.MixerKind(b.Mixer), Heads: int(s.Heads), KVHeads: int(s.KVHeads), HeadDim: int(s.HeadDim), Window: int(b.Window),
		Bias: or(s.Bias, false), QKNorm: runners.QKNorm(s.QKNorm), Scale: or(s.Scale, 0), ScoreCap: or(s.ScoreCap, 0),
	}
	if m.Kind == "" {
		m.Kind = runners.Attention
	}
	known := false
	var names []string
	for _, k := range runners.MixerKinds() {
		known = known || k == m.Kind
		names = append(names, string(k))
	}
	if !known {
		return none, &Problem{Line: b.line, Msg: fmt.Sprintf("unknown mixer %q", b.Mixer), Hint: Suggest(b.Mixer, names)}
	}
	if m.HeadDim == 0 && m.Heads > 0 {
		m.HeadDim = l.config.Dim / m.Heads
	}
	if m.KVHeads == 0 {
		m.KVHeads = m.Heads
	}
	// Do not inherit what this kind of layer does not have. If the layer sets it, Validate returns
	// an error.
	out := runners.Layer{FFN: int(s.FFN), Activation: runners.Activation(s.Activation), Norms: runners.NormPlacement(s.Norms)}
	if m.Kind != runners.Attention {
		m.QKNorm, m.Scale, m.ScoreCap = runners.QKNorm(b.QKNorm), or(b.Scale, 0), or(b.ScoreCap, 0)
	}
	switch m.Kind {
	case runners.Retention:
		m.KVHeads = int(b.KVHeads)
	case runners.KeysValues:
		m.Heads, m.Bias = int(b.Heads), or(b.Bias, false)
		out = runners.Layer{FFN: int(b.FFN), Activation: runners.Activation(b.Activation), Norms: runners.NormPlacement(b.Norms)}
	}
	m.Rope = s.rope(m.HeadDim)
	if b.KVFrom == "" {
		out.Mixer = m
		return out, nil
	}
	from, ok := l.named[b.KVFrom]
	if !ok {
		for name := range l.named {
			names = append(names, name)
		}
		hint := "kv_from is the name of an earlier layer; give that layer name: " + b.KVFrom
		if len(l.named) > 0 {
			hint = Suggest(b.KVFrom, names[len(runners.MixerKinds()):])
		}
		return none, &Problem{Line: b.line, Msg: fmt.Sprintf("kv_from: no earlier layer is named %q", b.KVFrom), Hint: hint}
	}
	source := l.config.Layers[from].Mixer
	m.KVBack = len(l.config.Layers) - from
	if b.KVHeads == 0 {
		m.KVHeads = source.KVHeads
	}
	if b.HeadDim == 0 {
		m.HeadDim = source.HeadDim
	}
	if b.RopeTheta == nil && b.RopeInterleaved == nil && b.RopeEndPoint == nil && b.RopeNone == nil && b.RopeDims == 0 && b.RopeFactor == nil {
		m.Rope = source.Rope
	} else {
		m.Rope = s.rope(m.HeadDim)
	}
	out.Mixer = m
	return out, nil
}

// rope returns the rotary embedding of heads of width headDim.
func (s LayerSizes) rope(headDim int) runners.Rotary {
	r := runners.Rotary{Interleaved: or(s.RopeInterleaved, false), None: or(s.RopeNone, false)}
	if r.None {
		return r
	}
	r.Theta, r.EndPoint, r.Dims = or(s.RopeTheta, 10000), or(s.RopeEndPoint, false), int(s.RopeDims)
	if f := or(s.RopeFactor, 1); f != 1 && headDim > 0 && headDim <= 1<<20 {
		r.Divisors = runners.NewDivisors(slices.Repeat([]float64{f}, r.Pairs(headDim)))
	}
	return r
}

// or returns *p, or otherwise if p is nil.
func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
