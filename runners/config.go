package runners

import (
	"fmt"
	"strings"
)

// Arch names an architecture.
type Arch string

// The architectures that package arch implements.
const (
	// YOCOGatedRetention is YOCO (arXiv 2405.05254) whose self-decoder is gated retention.
	YOCOGatedRetention Arch = "yoco-gret"
	// YOCOSlidingWindow is YOCO whose self-decoder is sliding-window attention.
	YOCOSlidingWindow Arch = "yoco-swa"
	// Transformer is the baseline: GQA, RoPE, SwiGLU and RMSNorm in every layer.
	Transformer Arch = "transformer"
)

// Arches lists every architecture, in the order in which reports show them.
func Arches() []Arch { return []Arch{YOCOGatedRetention, YOCOSlidingWindow, Transformer} }

// IsYOCO reports whether the architecture is a decoder-decoder with one global KV cache.
func (a Arch) IsYOCO() bool { return a == YOCOGatedRetention || a == YOCOSlidingWindow }

// GateNormalizer divides the log-sigmoid of the retention gate:
// gamma = sigmoid(z)^(1/16), fixed in the reference implementation.
const GateNormalizer = 16

// RetentionChunk is the chunk length of the retention's parallel form in the
// reference implementation, and the one that the cost model counts with.
const RetentionChunk = 256

// Config describes a model. Sizes are counts, not bytes.
type Config struct {
	// Name is the preset's or checkpoint's name, such as "tiny-yoco-gret".
	Name string `json:"name"`
	Arch Arch   `json:"arch"`
	// Dim is the width of the residual stream.
	Dim int `json:"dim"`
	// Layers counts all layers; a YOCO has Layers/2 self- and Layers/2 cross-decoder layers.
	Layers int `json:"layers"`
	// FFN is the hidden width of the SwiGLU block.
	FFN   int `json:"ffn"`
	Vocab int `json:"vocab"`
	// SelfHeads counts the heads of a YOCO's self-decoder (queries, keys and
	// values alike: there is no grouping). Zero for a Transformer.
	SelfHeads int `json:"self_heads,omitempty"`
	// Heads and KVHeads count the query and key/value heads of the
	// cross-decoder (YOCO) or of every layer (Transformer).
	Heads   int `json:"heads"`
	KVHeads int `json:"kv_heads"`
	// HeadDim is the head dimension that goes with Heads and KVHeads. A
	// Transformer's may differ from Dim/Heads; a YOCO's may not.
	HeadDim int `json:"head_dim"`
	// Window is the number of keys that the sliding-window self-decoder sees,
	// the present one included. Zero elsewhere.
	Window    int     `json:"window,omitempty"`
	RopeTheta float64 `json:"rope_theta"`
	NormEps   float64 `json:"norm_eps"`
	// Tokenizer names how text becomes tokens: "bytes", or empty for a model
	// that takes token ids only.
	Tokenizer string `json:"tokenizer,omitempty"`
}

// SelfLayers and CrossLayers count the layers of the two decoders of a YOCO.
// A Transformer counts all its layers as cross layers: each holds a key/value
// cache of the whole context.
func (c Config) SelfLayers() int {
	if c.Arch.IsYOCO() {
		return c.Layers / 2
	}
	return 0
}

// CrossLayers: see SelfLayers.
func (c Config) CrossLayers() int { return c.Layers - c.SelfLayers() }

// SelfHeadDim is the head dimension of a YOCO's self-decoder, Dim/SelfHeads.
func (c Config) SelfHeadDim() int {
	if c.SelfHeads == 0 {
		return 0
	}
	return c.Dim / c.SelfHeads
}

// QDim and KVDim are the widths of the queries and of the keys (or values) of
// the cross-decoder or Transformer layer.
func (c Config) QDim() int { return c.Heads * c.HeadDim }

// KVDim: see QDim.
func (c Config) KVDim() int { return c.KVHeads * c.HeadDim }

// limit bounds every size of a Config, so that products of a few of them
// cannot overflow an int64 whatever a file says.
const limit = 1 << 20

// Validate reports the first thing about c that no runner could run.
func (c Config) Validate() error {
	known := false
	for _, a := range Arches() {
		known = known || a == c.Arch
	}
	if !known {
		return fmt.Errorf("unknown architecture %q (known: %s)", c.Arch, joinArches())
	}
	for _, f := range []struct {
		name string
		n    int
	}{
		{"dim", c.Dim}, {"layers", c.Layers}, {"ffn", c.FFN}, {"vocab", c.Vocab},
		{"heads", c.Heads}, {"kv_heads", c.KVHeads}, {"head_dim", c.HeadDim},
	} {
		if f.n < 1 || f.n > limit {
			return fmt.Errorf("%s is %d, want 1 to %d", f.name, f.n, limit)
		}
	}
	if c.Heads%c.KVHeads != 0 {
		return fmt.Errorf("heads (%d) is not a multiple of kv_heads (%d)", c.Heads, c.KVHeads)
	}
	if c.HeadDim%2 != 0 {
		return fmt.Errorf("head_dim is %d, but rotary positions need an even one", c.HeadDim)
	}
	if !(c.RopeTheta > 1) || c.RopeTheta > 1e12 {
		return fmt.Errorf("rope_theta is %g, want more than 1 and at most 1e12", c.RopeTheta)
	}
	if !(c.NormEps > 0) || c.NormEps > 1 {
		return fmt.Errorf("norm_eps is %g, want more than 0 and at most 1", c.NormEps)
	}
	if c.Tokenizer != "" && c.Tokenizer != "bytes" {
		return fmt.Errorf("unknown tokenizer %q (known: bytes)", c.Tokenizer)
	}
	if c.Tokenizer == "bytes" && c.Vocab < 256 {
		return fmt.Errorf("the bytes tokenizer needs a vocab of at least 256, not %d", c.Vocab)
	}
	if !c.Arch.IsYOCO() {
		if c.SelfHeads != 0 || c.Window != 0 {
			return fmt.Errorf("self_heads and window belong to YOCO, not to %s", c.Arch)
		}
		return nil
	}
	if c.Layers%2 != 0 {
		return fmt.Errorf("layers is %d, but a YOCO has as many self- as cross-decoder layers", c.Layers)
	}
	if c.SelfHeads < 1 || c.SelfHeads > limit || c.Dim%c.SelfHeads != 0 {
		return fmt.Errorf("self_heads is %d, want a divisor of dim (%d)", c.SelfHeads, c.Dim)
	}
	if c.SelfHeadDim()%2 != 0 {
		return fmt.Errorf("dim/self_heads is %d, but rotary positions need an even head dimension", c.SelfHeadDim())
	}
	if c.Heads*c.HeadDim != c.Dim {
		return fmt.Errorf("heads x head_dim is %d, want dim (%d) in a YOCO", c.Heads*c.HeadDim, c.Dim)
	}
	if (c.HeadDim < 4 || c.SelfHeadDim() < 4) && c.Arch.IsYOCO() {
		return fmt.Errorf("a YOCO's head dimensions must be at least 4: its rotary frequencies include both end points")
	}
	if (c.Arch == YOCOSlidingWindow) != (c.Window > 0) || c.Window > limit {
		return fmt.Errorf("window is %d, want 1 to %d for %s and 0 for other architectures", c.Window, limit, YOCOSlidingWindow)
	}
	return nil
}

func joinArches() string {
	var s []string
	for _, a := range Arches() {
		s = append(s, string(a))
	}
	return strings.Join(s, ", ")
}

// Param is one weight tensor of a model, by the reference implementation's name.
type Param struct {
	Name string
	// Shape is [out, in] for a matrix (y = x Wᵀ) and [n] for a norm's weight.
	Shape []int
}

// Elements is the number of values of p.
func (p Param) Elements() int64 {
	n := int64(1)
	for _, d := range p.Shape {
		n *= int64(d)
	}
	return n
}

// Parameters lists every weight of the model in the order of its layers, with
// the names of the reference implementation (microsoft/unilm, folder YOCO).
func (c Config) Parameters() []Param {
	var ps []Param
	add := func(name string, shape ...int) { ps = append(ps, Param{name + ".weight", shape}) }
	d, f := c.Dim, c.FFN
	if !c.Arch.IsYOCO() {
		add("tok_embeddings", c.Vocab, d)
		for i := range c.Layers {
			p := fmt.Sprintf("layers.%d.", i)
			add(p+"attention_norm", d)
			add(p+"attention.wq", c.QDim(), d)
			add(p+"attention.wk", c.KVDim(), d)
			add(p+"attention.wv", c.KVDim(), d)
			add(p+"attention.wo", d, c.QDim())
			add(p+"ffn_norm", d)
			add(p+"feed_forward.w1", f, d)
			add(p+"feed_forward.w3", f, d)
			add(p+"feed_forward.w2", d, f)
		}
		add("norm", d)
		add("output", c.Vocab, d)
		return ps
	}
	add("embed_tokens", c.Vocab, d)
	block := func(p string, mixer func(m string)) {
		add(p+"mixer_layer_norm", d)
		mixer(p + "mixer.")
		add(p+"final_layer_norm", d)
		add(p+"ffn.fc1", f, d)
		add(p+"ffn.gate", f, d)
		add(p+"ffn.fc2", d, f)
	}
	for i := range c.SelfLayers() {
		block(fmt.Sprintf("self_decoder.layers.%d.", i), func(m string) {
			add(m+"q_proj", d, d)
			add(m+"k_proj", d, d)
			add(m+"v_proj", d, d)
			if c.Arch == YOCOGatedRetention {
				add(m+"g_proj", d, d)
				add(m+"gt_proj", c.SelfHeads, d)
			}
			add(m+"out_proj", d, d)
		})
	}
	add("cross_decoder.kv_layer_norm", d)
	add("cross_decoder.k_proj", c.KVDim(), d)
	add("cross_decoder.v_proj", c.KVDim(), d)
	for i := range c.CrossLayers() {
		block(fmt.Sprintf("cross_decoder.layers.%d.", i), func(m string) {
			add(m+"q_proj", d, d)
			add(m+"out_proj", d, d)
		})
	}
	add("layer_norm", d)
	add("output_projection", c.Vocab, d)
	return ps
}

// Count is the number of weights of the model, and of those the number that
// are not the embedding or the output matrix (the "non-embedding" parameters
// by which papers size models).
func (c Config) Count() (total, nonEmbedding int64) {
	for _, p := range c.Parameters() {
		total += p.Elements()
	}
	return total, total - 2*int64(c.Vocab)*int64(c.Dim)
}
