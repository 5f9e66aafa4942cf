package families

import (
	"math"

	"github.com/yocobench/yocobench/runners"
)

// Decoder-decoders: models whose later layers read one cache that an earlier layer writes.

// readPhi4Flash reads Phi-4-mini-flash (SambaY, arXiv 2507.06607). The layers of its first half
// alternate between Mamba and sliding windows. A Mamba layer and the only full-attention layer
// follow; the attention layers after that read its cache, with gated memory units between them.
func readPhi4Flash(c *config, m *Model) {
	c.ignore("lm_head_bias", "mlp_bias", "attention_bias", "embd_pdrop", "layer_types", "mamba_hidden_act")
	c.must("mb_per_layer", 2)
	c.must("mlp_bias", false)
	c.must("attention_bias", true)
	d, layers := c.size("hidden_size"), c.layers()
	h := heads{d: d, q: c.size("num_attention_heads"), kv: c.size("num_key_value_heads")}
	h.dim = d / max(h.q, 1)
	window := int64(0)
	if v, ok := c.raw("sliding_window"); ok {
		if list, isList := v.([]any); isList { // one entry per layer
			for _, x := range list {
				if n, ok := integer(x); ok {
					window = max(window, n)
				}
			}
		} else {
			window = c.size("sliding_window")
		}
	}
	if window == 0 || layers%4 != 0 {
		c.failf("sliding_window", "want a window, and num_hidden_layers as a multiple of 4")
	}
	state, kernel, inner := c.size("mamba_d_state", 16), c.size("mamba_d_conv", 4), c.size("mamba_expand", 2)*d
	rank := (d + 15) / 16
	if c.text2("mamba_dt_rank") != "auto" {
		rank = c.size("mamba_dt_rank", rank)
	}
	convBias, projBias := c.flag("mamba_conv_bias", true), c.flag("mamba_proj_bias", false)
	f := c.size("intermediate_size")
	m.embed(c, d, c.flag("tie_word_embeddings", true))
	half := layers / 2
	for i := range layers {
		if *c.err != nil {
			return
		}
		b := &builder{c: c}
		var caches []Cache
		switch {
		case i%2 == 0 && i <= half:
			caches = b.ssm1(d, inner, state, rank, kernel, convBias, projBias)
		case i%2 == 0: // a gated memory unit reads the last Mamba layer's output for the same token: no cache
			b.linearBias(inner, d, projBias)
			b.linearBias(d, inner, projBias)
		default:
			b.linearBias(h.q*h.dim, d, true)
			b.linearBias(d, h.q*h.dim, true)
			b.vector(4*h.dim + 2*h.dim) // differential attention: lambdas and a norm
			if i > half+1 {
				caches = []Cache{h.shared(0)}
				break
			}
			b.linearBias(2*h.kv*h.dim, d, true)
			w := m.bounded(window)
			if i > half {
				w = 0
			}
			caches = []Cache{h.cache(w)}
		}
		b.vector(4 * d) // two layer norms with bias
		b.linear(2*f, d)
		b.linear(d, f)
		m.Layers = append(m.Layers, Layer{caches, b.w})
	}
	m.Rest.Other += 2 * d
	if c.flag("lm_head_bias", false) {
		m.Rest.Other += m.Vocab
	}
	m.exitEarly(half + 2)
}

// readYOCO reads YOCO (arXiv 2405.05254) in the format of flash-linear-attention.
func readYOCO(c *config, m *Model) {
	c.must("attnres_block_size", nil)
	d, layers := c.size("hidden_size", 2048), c.within("num_hidden_layers", 1, maxLayers, []int64{21})
	selfLayers := c.within("num_self_decoder_layers", 1, maxLayers, []int64{10})
	ratio := c.number("hidden_ratio", 4)
	f := int64(float64(d) * ratio * 2 / 3)
	f = c.size("intermediate_size", (f+255)/256*256)
	self, cross := c.object("self_decoder_attn"), c.object("cross_decoder_attn")
	if self == nil {
		self = c.empty("self_decoder_attn")
	}
	if cross == nil {
		cross = c.empty("cross_decoder_attn")
	}
	self.ignore("mode", "allow_neg_eigval", "rope_inv_freq", "gate_logit_normalizer", "head_dim", "expand_v", "use_gate", "use_short_conv", "conv_size", "num_v_heads", "window_size", "qkv_bias")
	cross.ignore("rope_inv_freq")
	kind, q := self.text("type", "gated_deltanet"), self.size("num_heads", 6)
	kv := self.size("num_v_heads", q)
	m.embed(c, d, c.flag("tie_word_embeddings", false))
	for range selfLayers {
		if *c.err != nil {
			return
		}
		b := &builder{c: c}
		var caches []Cache
		switch kind {
		case "gated_retention":
			for range 4 { // queries, keys, values, output gate
				b.linear(d, d)
			}
			b.linear(q, d)
			b.linear(d, d)
			dim := d / max(q, 1)
			caches = states(b.times(q, dim, dim), 0)
		case "swa":
			h := heads{d: d, q: q, kv: kv, dim: d / max(q, 1)}
			b.attention(h, self.flag("qkv_bias", false), false)
			caches = []Cache{h.cache(m.bounded(self.size("window_size")))}
		case "gated_deltanet":
			dim := self.size("head_dim", 256)
			value := int64(float64(dim) * self.number("expand_v", 2))
			keys, values := q*dim, kv*value
			b.linear(keys, d)
			b.linear(keys, d)
			b.linear(values, d)
			b.linear(kv, d)
			b.linear(kv, d)
			conv := int64(0)
			if self.flag("use_short_conv", true) {
				kernel := self.size("conv_size", 4)
				b.small(2*keys+values, kernel)
				conv = b.times(2*keys+values, kernel-1)
			}
			if self.flag("use_gate", true) {
				b.linear(values, d)
			}
			b.vector(2*kv + value) // A, dt bias, norm
			b.linear(d, values)
			caches = states(b.times(kv, dim, value), conv)
		default:
			self.failf("type", "%q is not known (known: gated_deltanet, gated_retention, swa)", kind)
		}
		b.vector(2 * d)
		b.gated(d, f, false)
		m.Layers = append(m.Layers, Layer{caches, b.w})
	}
	h := heads{d: d, q: cross.size("num_heads", 32)}
	h.kv, h.dim = cross.size("num_kv_heads", h.q), d/max(h.q, 1)
	bias, norm := cross.flag("qkv_bias", false), cross.flag("qk_norm", false)
	if layers > selfLayers && *c.err == nil { // the only global cache: projections of the self-decoder's output
		b := &builder{c: c}
		b.vector(d)
		b.linearBias(2*h.kv*h.dim, d, bias)
		cache := h.cache(0)
		cache.PairFLOPs, cache.Reads = 0, 0 // counted in the layers that read it
		m.Layers = append(m.Layers, Layer{[]Cache{cache}, b.w})
	}
	for range layers - selfLayers {
		if *c.err != nil {
			return
		}
		b := &builder{c: c}
		b.linearBias(h.q*h.dim, d, bias)
		b.linear(d, h.q*h.dim)
		if norm {
			b.vector(h.dim)
		}
		b.vector(2 * d)
		b.gated(d, f, false)
		m.Layers = append(m.Layers, Layer{[]Cache{h.shared(0)}, b.w})
	}
	m.Rest.Other += d
	m.exitEarly(selfLayers + 1)
	m.runYOCO(c, self, cross, layers, selfLayers, f)
	for _, o := range []*config{self, cross} {
		if err := o.done(); err != nil && *c.err == nil {
			*c.err = err
		}
	}
}

// endPoints maps the values of rope_inv_freq to whether the frequencies include the end point.
var endPoints = map[string]bool{"fla": false, "yoco": true}

// runYOCO sets the Config of a YOCO of flash-linear-attention, whose self-decoder is gated
// retention or attention in a window.
func (m *Model) runYOCO(c, self, cross *config, layers, selfLayers, ffn int64) {
	eps := c.number("norm_eps", 1e-6)
	m.Config = &runners.Config{
		Label: m.Family, Dim: int(m.Dim), Vocab: int(m.Vocab), MaxSeqLen: int(m.Context), TiedOutput: m.Tied,
		EmbedScale: math.Sqrt(float64(m.Dim)), NormEps: eps,
	}
	if act := c.text("hidden_act", "swish"); act != "swish" && act != "silu" {
		m.refuseField(c, "hidden_act", act)
	}
	rope := func(o *config) runners.Rotary {
		r := runners.Rotary{Theta: o.number("rope_theta", 10000), Interleaved: true}
		kind, known := o.text("rope_inv_freq", "fla"), false
		if r.EndPoint, known = endPoints[kind]; !known {
			m.refuseField(o, "rope_inv_freq", kind)
		}
		return r
	}
	q := self.size("num_heads", 6)
	x := runners.Mixer{Kind: runners.Retention, Heads: int(q), HeadDim: int(m.Dim / max(q, 1)), Rope: rope(self)}
	switch kind := self.text("type", "gated_deltanet"); kind {
	case "gated_retention":
		if n := self.number("gate_logit_normalizer", runners.GateNormalizer); n != runners.GateNormalizer {
			m.refuseField(self, "gate_logit_normalizer", n)
		}
	case "swa":
		x.Kind, x.KVHeads, x.Window = runners.Attention, int(self.size("num_v_heads", q)), int(m.bounded(self.size("window_size")))
		x.Bias, x.Rope = self.flag("qkv_bias", false), runners.Rotary{Theta: x.Rope.Theta}
	default:
		m.refuseField(self, "type", kind)
	}
	for range selfLayers {
		m.Config.Layers = append(m.Config.Layers, runners.Layer{Mixer: x, FFN: int(ffn)})
	}
	if layers <= selfLayers {
		return
	}
	h := cross.size("num_heads", 32)
	y := runners.Mixer{Kind: runners.Attention, Heads: int(h), KVHeads: int(cross.size("num_kv_heads", h)), HeadDim: int(m.Dim / max(h, 1)), Rope: rope(cross)}
	if cross.flag("qkv_bias", false) {
		m.refuseField(cross, "qkv_bias", true)
	}
	if cross.flag("qk_norm", false) {
		if y.QKNorm = runners.HeadQKNorm; eps != 1e-5 { // the epsilon of this norm is not norm_eps
			m.refuseField(cross, "qk_norm", true)
		}
	}
	m.Config.Layers = append(m.Config.Layers, runners.Layer{Mixer: runners.Mixer{Kind: runners.KeysValues, KVHeads: y.KVHeads, HeadDim: y.HeadDim, Rope: y.Rope}})
	for range layers - selfLayers {
		y.KVBack++
		m.Config.Layers = append(m.Config.Layers, runners.Layer{Mixer: y, FFN: int(ffn)})
	}
}
