package runners

import "fmt"

// Role is the purpose of a weight in its layer or model.
type Role string

// The roles of weights. All matrices are [out, in], y = x Wᵀ.
const (
	RoleEmbed Role = "embed" // [vocab, dim]; belongs to no layer, like RoleNorm and RoleOutput
	// RoleNorm is the weight [dim] of the final norm, RoleOutput the output matrix [vocab, dim].
	RoleNorm   Role = "norm"
	RoleOutput Role = "output"

	RoleMixerNorm Role = "mixer norm" // [dim]
	RoleQ         Role = "q"          // [heads x head_dim, dim]
	RoleK         Role = "k"          // [kv_heads x head_dim, dim]
	RoleV         Role = "v"          // as k
	RoleGate      Role = "gate"       // retention: [heads x head_dim, dim]; its SiLU multiplies the output
	RoleDecay     Role = "decay"      // retention: [heads, dim]
	RoleOut       Role = "out"        // [dim, heads x head_dim]
	RoleFFNNorm   Role = "ffn norm"   // [dim]
	RoleFFNGate   Role = "ffn gate"   // [ffn, dim], goes through SiLU
	RoleFFNUp     Role = "ffn up"     // [ffn, dim]
	RoleFFNDown   Role = "ffn down"   // [dim, ffn]

	// Weights of variants.
	RoleQBias     Role = "q bias"          // [heads x head_dim]
	RoleKBias     Role = "k bias"          // [kv_heads x head_dim]
	RoleVBias     Role = "v bias"          // as k
	RoleDecayBias Role = "decay bias"      // retention: [heads]
	RoleQNorm     Role = "q norm"          // [head_dim], or [heads x head_dim]
	RoleKNorm     Role = "k norm"          // [head_dim], or [kv_heads x head_dim]
	RoleMixerPost Role = "mixer post norm" // [dim], of the mixer's output
	RoleFFNPost   Role = "ffn post norm"   // [dim], of the feed-forward block's output
)

// names are the tensor names of a file format, by part of the model and role; %d is the layer's
// number within its part. A model that is not a decoder-decoder has a single part of layers,
// PartLayers.
type names map[Part]map[Role]string

// referenceYOCO has the names of the reference implementation (microsoft/unilm, folder YOCO).
var referenceYOCO = names{
	PartEmbed: {RoleEmbed: "embed_tokens.weight"},
	PartHead:  {RoleNorm: "layer_norm.weight", RoleOutput: "output_projection.weight"},
	PartSelf:  referenceLayer("self_decoder.layers.%d."),
	PartCross: referenceLayer("cross_decoder.layers.%d."),
	PartKV: {
		RoleMixerNorm: "cross_decoder.kv_layer_norm.weight",
		RoleK:         "cross_decoder.k_proj.weight",
		RoleV:         "cross_decoder.v_proj.weight",
	},
}

func referenceLayer(prefix string) map[Role]string {
	return map[Role]string{
		RoleMixerNorm: prefix + "mixer_layer_norm.weight",
		RoleQ:         prefix + "mixer.q_proj.weight",
		RoleK:         prefix + "mixer.k_proj.weight",
		RoleV:         prefix + "mixer.v_proj.weight",
		RoleGate:      prefix + "mixer.g_proj.weight",
		RoleDecay:     prefix + "mixer.gt_proj.weight",
		RoleOut:       prefix + "mixer.out_proj.weight",
		RoleFFNNorm:   prefix + "final_layer_norm.weight",
		RoleFFNGate:   prefix + "ffn.fc1.weight",
		RoleFFNUp:     prefix + "ffn.gate.weight",
		RoleFFNDown:   prefix + "ffn.fc2.weight",

		RoleQBias:     prefix + "mixer.q_proj.bias",
		RoleKBias:     prefix + "mixer.k_proj.bias",
		RoleVBias:     prefix + "mixer.v_proj.bias",
		RoleDecayBias: prefix + "mixer.gt_proj.bias",
		RoleQNorm:     prefix + "mixer.q_norm.weight",
		RoleKNorm:     prefix + "mixer.k_norm.weight",
		RoleMixerPost: prefix + "mixer_post_norm.weight",
		RoleFFNPost:   prefix + "ffn_post_norm.weight",
	}
}

// referenceTransformer has the names of the reference implementation's Transformer, which are those
// of LLaMA. Retention's wg and wgt are an addition: composed models are stored by these names too.
var referenceTransformer = names{
	PartEmbed: {RoleEmbed: "tok_embeddings.weight"},
	PartHead:  {RoleNorm: "norm.weight", RoleOutput: "output.weight"},
	PartLayers: {
		RoleMixerNorm: "layers.%d.attention_norm.weight",
		RoleQ:         "layers.%d.attention.wq.weight",
		RoleK:         "layers.%d.attention.wk.weight",
		RoleV:         "layers.%d.attention.wv.weight",
		RoleGate:      "layers.%d.attention.wg.weight",
		RoleDecay:     "layers.%d.attention.wgt.weight",
		RoleOut:       "layers.%d.attention.wo.weight",
		RoleFFNNorm:   "layers.%d.ffn_norm.weight",
		RoleFFNGate:   "layers.%d.feed_forward.w1.weight",
		RoleFFNUp:     "layers.%d.feed_forward.w3.weight",
		RoleFFNDown:   "layers.%d.feed_forward.w2.weight",

		RoleQBias:     "layers.%d.attention.wq.bias",
		RoleKBias:     "layers.%d.attention.wk.bias",
		RoleVBias:     "layers.%d.attention.wv.bias",
		RoleDecayBias: "layers.%d.attention.wgt.bias",
		RoleQNorm:     "layers.%d.attention.q_norm.weight",
		RoleKNorm:     "layers.%d.attention.k_norm.weight",
		RoleMixerPost: "layers.%d.attention_post_norm.weight",
		RoleFFNPost:   "layers.%d.ffn_post_norm.weight",
	},
}

// TensorSpec describes one weight tensor of a model.
type TensorSpec struct {
	// Layer is the index of the tensor's layer, -1 for tensors that belong to no layer.
	Layer int
	Role  Role
	// Name is the tensor's name in files, as in the reference implementation.
	Name string
	// Shape is [out, in] for a matrix (y = x Wᵀ) and [n] for a norm's weight.
	Shape []int
}

// Elements returns the number of values of the tensor.
func (p TensorSpec) Elements() int64 {
	n := int64(1)
	for _, d := range p.Shape {
		n *= int64(d)
	}
	return n
}

// Parameters lists every weight of the model in layer order.
func (c Config) Parameters() []TensorSpec {
	parts := c.LayerParts()
	table := referenceTransformer
	if len(parts) > 0 && parts[0] != PartLayers {
		table = referenceYOCO
	}
	ps := []TensorSpec{{-1, RoleEmbed, table[PartEmbed][RoleEmbed], []int{c.Vocab, c.Dim}}}
	number := map[Part]int{}
	for i, l := range c.Layers {
		part := parts[i]
		for _, w := range l.weights(c.Dim) {
			name := table[part][w.role]
			if part != PartKV {
				name = fmt.Sprintf(name, number[part])
			}
			ps = append(ps, TensorSpec{i, w.role, name, w.shape})
		}
		number[part]++
	}
	ps = append(ps, TensorSpec{-1, RoleNorm, table[PartHead][RoleNorm], []int{c.Dim}})
	if c.TiedOutput {
		return ps
	}
	return append(ps, TensorSpec{-1, RoleOutput, table[PartHead][RoleOutput], []int{c.Vocab, c.Dim}})
}

// layerWeight is one weight of a layer.
type layerWeight struct {
	role  Role
	shape []int
}

// weights lists the weights of a layer in a model of width d.
func (l Layer) weights(d int) []layerWeight {
	m := l.Mixer
	q, kv := m.QDim(), m.KVDim()
	var ws []layerWeight
	if l.Norms.Pre() {
		ws = append(ws, layerWeight{RoleMixerNorm, []int{d}})
	}
	switch {
	case m.Kind == KeysValues:
		return append(ws, layerWeight{RoleK, []int{kv, d}}, layerWeight{RoleV, []int{kv, d}})
	case m.Kind == Retention:
		for _, r := range []Role{RoleQ, RoleK, RoleV, RoleGate} {
			ws = append(ws, layerWeight{r, []int{q, d}})
		}
		ws = append(ws, layerWeight{RoleDecay, []int{m.Heads, d}})
		if m.Bias {
			ws = append(ws, layerWeight{RoleDecayBias, []int{m.Heads}})
		}
	default:
		ws = append(ws, layerWeight{RoleQ, []int{q, d}})
		if m.Writes() {
			ws = append(ws, layerWeight{RoleK, []int{kv, d}}, layerWeight{RoleV, []int{kv, d}})
		}
		ws = append(ws, m.vectors()...)
	}
	ws = append(ws, layerWeight{RoleOut, []int{d, q}})
	if l.Norms.Post() {
		ws = append(ws, layerWeight{RoleMixerPost, []int{d}})
	}
	if l.Norms.Pre() {
		ws = append(ws, layerWeight{RoleFFNNorm, []int{d}})
	}
	ws = append(ws,
		layerWeight{RoleFFNGate, []int{l.FFN, d}},
		layerWeight{RoleFFNUp, []int{l.FFN, d}},
		layerWeight{RoleFFNDown, []int{d, l.FFN}})
	if l.Norms.Post() {
		ws = append(ws, layerWeight{RoleFFNPost, []int{d}})
	}
	return ws
}

// vectors lists the biases and norms of queries, keys and values in attention.
func (m Mixer) vectors() (ws []layerWeight) {
	q, kv := m.QDim(), m.KVDim()
	if m.Bias {
		ws = append(ws, layerWeight{RoleQBias, []int{q}})
		if m.Writes() {
			ws = append(ws, layerWeight{RoleKBias, []int{kv}}, layerWeight{RoleVBias, []int{kv}})
		}
	}
	if m.QKNorm == HeadQKNorm {
		q, kv = m.HeadDim, m.HeadDim
	}
	if m.QKNorm != NoQKNorm {
		ws = append(ws, layerWeight{RoleQNorm, []int{q}})
		if m.Writes() {
			ws = append(ws, layerWeight{RoleKNorm, []int{kv}})
		}
	}
	return ws
}

// Count returns the number of weights of the model, and how many of them are neither in the
// embedding nor in the output matrix (the "non-embedding" parameters by which papers size models).
func (c Config) Count() (total, nonEmbedding int64) {
	for _, p := range c.Parameters() {
		total += p.Elements()
	}
	tables := int64(2)
	if c.TiedOutput {
		tables = 1
	}
	return total, total - tables*int64(c.Vocab)*int64(c.Dim)
}
