package families

import (
	"math"

	"github.com/yocobench/yocobench/runners"
)

// Families whose layers are attention and a gated feed-forward block. Each reader follows the
// model's class in the transformers library; comments cite papers that define a structure.

// dense describes how a family differs from Llama.
type dense struct {
	qkvBias, outBias, mlpBias bool
	// qkNorm: norms of queries and keys. wideQKNorm: they span all heads instead of one head's
	// width.
	qkNorm, wideQKNorm bool
	// norms counts the norms of a layer (default 2).
	norms int64
	tied  bool
	// window returns the window of a layer; nil if no layer has one.
	window func(layer int64) int64
	// ffn adds a layer's feed-forward block; nil means a gated block of intermediate_size.
	ffn func(b *builder, layer, d int64)
	// mixer replaces the attention of a layer; it returns false if the layer has attention.
	mixer func(b *builder, layer int64) ([]Cache, bool)
	// extra adds more weights of an attention layer.
	extra func(b *builder, layer int64, h heads)
	// queries multiplies the width of the query projection (2 with an output gate).
	queries int64
	headDim int64 // default of head_dim; 0: hidden_size / heads
	kvHeads int64 // default of num_key_value_heads; 0: as many as query heads
	shared  int64 // number of final attention layers that read an earlier layer's cache
	// run describes what the layers compute; nil in families that no runner runs.
	run *computed
}

// build reads the fields common to these families.
func (t dense) build(c *config, m *Model) {
	d, layers := c.size("hidden_size"), c.layers()
	h := heads{d: d, q: c.size("num_attention_heads")}
	if t.kvHeads == 0 {
		t.kvHeads = h.q
	}
	h.kv = c.size("num_key_value_heads", t.kvHeads)
	if t.headDim == 0 && h.q > 0 {
		t.headDim = d / h.q
	}
	h.dim = c.size("head_dim", max(t.headDim, 1))
	if h.kv > 0 && h.q%h.kv != 0 {
		c.failf("num_key_value_heads", "%d does not divide num_attention_heads (%d)", h.kv, h.q)
	}
	if t.norms == 0 {
		t.norms = 2
	}
	f := int64(0)
	if t.ffn == nil {
		f = c.size("intermediate_size")
	}
	t.tied = c.flag("tie_word_embeddings", t.tied)
	m.embed(c, d, t.tied)
	var act runners.Activation
	if t.run != nil {
		m.Config = t.run.config(c, m)
		act = t.run.act(c, m)
		if t.outBias {
			m.refuseField(c, "attention_bias", true)
		}
		if t.mlpBias {
			m.refuseField(c, "mlp_bias", true)
		}
	}
	for i := range layers {
		if *c.err != nil {
			return
		}
		b := &builder{c: c}
		caches, other := []Cache(nil), false
		if t.mixer != nil {
			caches, other = t.mixer(b, i)
		}
		if !other {
			window := int64(0)
			if t.window != nil {
				window = t.window(i)
			}
			caches = []Cache{h.cache(m.bounded(window))}
			if i >= layers-t.shared {
				caches = []Cache{h.shared(m.bounded(window))}
			}
			b.attention(h, t.qkvBias, t.outBias)
			for range t.queries - 1 {
				b.linearBias(h.q*h.dim, d, t.qkvBias)
			}
			if t.qkNorm {
				b.vector(2 * h.dim)
			}
			if t.wideQKNorm {
				b.vector((h.q + h.kv) * h.dim)
			}
			if t.extra != nil {
				t.extra(b, i, h)
			}
		}
		b.vector(t.norms * d)
		if t.ffn != nil {
			t.ffn(b, i, d)
		} else {
			b.gated(d, f, t.mlpBias)
		}
		m.Layers = append(m.Layers, Layer{caches, b.w})
		if t.run != nil && *c.err == nil {
			m.Config.Layers = append(m.Config.Layers, t.run.layer(t, h, i, caches[0].Window, f, act))
		}
	}
	m.Rest.Other += d // the final norm
}

// layers reads the number of layers.
func (c *config) layers() int64 { return c.within("num_hidden_layers", 1, maxLayers, nil) }

// embed reads the vocabulary and sizes the embedding and output matrices.
func (m *Model) embed(c *config, d int64, tied bool) {
	b := &builder{c: c}
	m.Dim, m.Vocab, m.Tied = d, c.size("vocab_size"), tied
	m.Context = c.size("max_position_embeddings", maxSize)
	if !c.has("max_position_embeddings") {
		m.Context = 0
	}
	m.Embedding = b.times(m.Vocab, d)
	m.Head = m.Embedding
}

// bounded returns a layer's window, or 0 if the context is no longer than the window.
func (m *Model) bounded(window int64) int64 {
	if m.Context > 0 && window >= m.Context {
		m.note("the window of %d tokens is as long as the context: the layer is counted as global", window)
		return 0
	}
	return window
}

func readLlama(c *config, m *Model) {
	c.ignore("is_llama_config") // SmolLM2's; transformers reads neither it nor rope_interleaved
	if c.flag("rope_interleaved", false) {
		m.refuseField(c, "rope_interleaved", true)
	}
	c.must("sliding_window", nil)
	bias := c.flag("attention_bias", false)
	dense{qkvBias: bias, outBias: bias, mlpBias: c.flag("mlp_bias", false),
		run: &computed{eps: 1e-6, rope: m.rope(c, 10000)}}.build(c, m)
}

// readGranite reads Granite: Llama with multipliers of the embedding, of the scores, of what blocks
// add, and a divisor of the logits.
func readGranite(c *config, m *Model) {
	bias := c.flag("attention_bias", false)
	dense{qkvBias: bias, outBias: bias, mlpBias: c.flag("mlp_bias", false), run: &computed{
		eps: 1e-6, rope: m.rope(c, 10000), embedScale: c.positive("embedding_multiplier", 1), scale: c.positive("attention_multiplier", 1),
		residual: c.positive("residual_multiplier", 1), logitScale: 1 / c.positive("logits_scaling", 1),
	}}.build(c, m)
}

func readSmolLM3(c *config, m *Model) {
	c.ignore("layer_types", "max_window_layers")
	if c.flag("use_sliding_window", false) {
		c.failf("use_sliding_window", "true is not supported")
	}
	c.ignore("sliding_window")
	bias := c.flag("attention_bias", false)
	layers, interval, rotated := c.layers(), c.size("no_rope_layer_interval", 4), c.sizes("no_rope_layers", 0)
	if rotated != nil && int64(len(rotated)) != layers && *c.err == nil {
		c.failf("no_rope_layers", "it has %d entries for %d layers", len(rotated), layers)
	}
	rope := m.rope(c, 2000000)
	dense{qkvBias: bias, outBias: bias, mlpBias: c.flag("mlp_bias", false), tied: true, kvHeads: 4, run: &computed{
		eps: 1e-6, rope: func(i, headDim int64) runners.Rotary {
			if rotated != nil && rotated[i] == 0 || rotated == nil && (i+1)%interval == 0 {
				return runners.Rotary{None: true}
			}
			return rope(i, headDim)
		},
	}}.build(c, m)
}

func readOLMo2(c *config, m *Model) {
	bias := c.flag("attention_bias", false)
	dense{qkvBias: bias, outBias: bias, wideQKNorm: true,
		run: &computed{eps: 1e-5, rope: m.rope(c, 10000), norms: runners.PostNorm}}.build(c, m)
}

func readMistral(c *config, m *Model) {
	w := c.window("sliding_window", 4096)
	dense{window: uniformWindow(w), kvHeads: 8, run: &computed{eps: 1e-6, rope: m.rope(c, 10000)}}.build(c, m)
}

// uniformWindow returns the same window for each layer.
func uniformWindow(window int64) func(int64) int64 { return func(int64) int64 { return window } }

func readMixtral(c *config, m *Model) {
	w := c.count("sliding_window", 0)
	n, k, f := c.size("num_local_experts", 8), c.size("num_experts_per_tok", 2), c.size("intermediate_size")
	dense{window: uniformWindow(w), kvHeads: 8, ffn: func(b *builder, _, d int64) { b.gatedExperts(n, k, d, f) }}.build(c, m)
}

// layerWindows returns the window of each layer, from layer_types or, if that is absent, from rule.
// local is the type of a layer with a window.
func (c *config) layerWindows(local string, window int64, rule func(layer int64) bool) func(int64) int64 {
	types := c.words("layer_types")
	if n := c.layers(); types != nil && int64(len(types)) != n && *c.err == nil {
		c.failf("layer_types", "it has %d entries for %d layers", len(types), n)
	}
	for _, t := range types {
		if t != "full_attention" && t != local {
			c.failf("layer_types", "the type %q is not known", t)
		}
	}
	return func(i int64) int64 {
		if types != nil && types[i] != "full_attention" || types == nil && rule(i) {
			return window
		}
		return 0
	}
}

// qwenWindows: if use_sliding_window is set, layers from max_window_layers on have the window.
func qwenWindows(c *config) func(int64) int64 {
	window, from := c.window("sliding_window", 4096), c.count("max_window_layers", 28)
	use := c.flag("use_sliding_window", false)
	if !use {
		window = 0
	}
	return c.layerWindows("sliding_attention", window, func(i int64) bool { return use && i >= from })
}

func readQwen2(c *config, m *Model) {
	c.must("use_mrope", false)
	dense{qkvBias: true, kvHeads: 32, window: qwenWindows(c), run: &computed{eps: 1e-6, rope: m.rope(c, 10000)}}.build(c, m)
}

func readQwen3(c *config, m *Model) {
	bias := c.flag("attention_bias", false)
	dense{qkvBias: bias, outBias: bias, qkNorm: true, headDim: 128, kvHeads: 32, window: qwenWindows(c),
		run: &computed{eps: 1e-6, rope: m.rope(c, 10000)}}.build(c, m)
}

// qwenExperts reads the feed-forward blocks of Qwen's mixtures of experts.
func qwenExperts(c *config) func(b *builder, layer, d int64) {
	c.alias("num_experts", "num_local_experts")
	n, k := c.size("num_experts"), c.size("num_experts_per_tok")
	f, dense := c.size("moe_intermediate_size"), c.count("intermediate_size", 0)
	shared := c.count("shared_expert_intermediate_size", 0)
	step, only := c.size("decoder_sparse_step", 1), c.sizes("mlp_only_layers", 0)
	isDense := map[int64]bool{}
	for _, i := range only {
		isDense[i] = true
	}
	return func(b *builder, layer, d int64) {
		if isDense[layer] || (layer+1)%step != 0 {
			b.gated(d, dense, false)
			return
		}
		b.gatedExperts(n, k, d, f)
		if shared > 0 {
			b.gated(d, shared, false)
			b.small(1, d)
		}
	}
}

func readQwen2MoE(c *config, m *Model) {
	dense{qkvBias: c.flag("qkv_bias", true), window: qwenWindows(c), ffn: qwenExperts(c)}.build(c, m)
}

func readQwen3MoE(c *config, m *Model) {
	bias := c.flag("attention_bias", false)
	dense{qkvBias: bias, outBias: bias, qkNorm: true, kvHeads: 4, window: qwenWindows(c), ffn: qwenExperts(c)}.build(c, m)
}

// readQwenNext reads Qwen3-Next and Qwen3.5/3.6: gated delta rule layers (arXiv 2412.06464), with
// full attention and an output gate at intervals.
func readQwenNext(c *config, m *Model) {
	d := c.size("hidden_size")
	interval := c.size("full_attention_interval", 4)
	types := c.words("layer_types")
	if n := c.layers(); types != nil && int64(len(types)) != n && *c.err == nil {
		c.failf("layer_types", "it has %d entries for %d layers", len(types), n)
	}
	for _, t := range types {
		if t != "full_attention" && t != "linear_attention" {
			c.failf("layer_types", "the type %q is not known", t)
		}
	}
	kh, vh := c.size("linear_num_key_heads"), c.size("linear_num_value_heads")
	kd, vd, kernel := c.size("linear_key_head_dim"), c.size("linear_value_head_dim"), c.size("linear_conv_kernel_dim", 4)
	c.must("attn_output_gate", true)
	bias := c.flag("attention_bias", false)
	t := dense{qkvBias: bias, outBias: bias, qkNorm: true, queries: 2}
	t.mixer = func(b *builder, i int64) ([]Cache, bool) {
		if types != nil && types[i] == "full_attention" || types == nil && (i+1)%interval == 0 {
			return nil, false
		}
		keys, values := kh*kd, vh*vd
		conv := 2*keys + values
		b.linear(conv, d)
		b.linear(values, d) // output gate
		b.linear(2*vh, d)   // beta and decay
		b.small(conv, kernel)
		b.vector(2*vh + vd) // dt bias, A, norm
		b.linear(d, values)
		return states(b.times(vh, kd, vd), b.times(conv, kernel-1)), true
	}
	if c.has("num_experts") || c.has("num_local_experts") {
		t.ffn = qwenExperts(c)
	}
	c.ignore("mtp_num_hidden_layers", "mtp_use_dedicated_embeddings", "mamba_ssm_dtype", "output_gate_type")
	t.build(c, m)
}

// gemma returns what the layers of Gemma 2 and 3 compute. Embeddings are multiplied by the root of
// the width, scores by the root of query_pre_attn_scalar.
func gemma(c *config, m *Model) *computed {
	c.ignore("hidden_act")                            // hidden_activation replaces it
	if c.flag("use_bidirectional_attention", false) { // EmbeddingGemma
		m.refuseField(c, "use_bidirectional_attention", true)
	}
	d, q := c.size("hidden_size"), c.positive("query_pre_attn_scalar", 256)
	return &computed{
		eps: 1e-6, activation: "hidden_activation", norms: runners.PrePostNorm, embedScale: math.Sqrt(float64(d)), scale: 1 / math.Sqrt(q),
	}
}

func readGemma2(c *config, m *Model) {
	c.ignore("cache_implementation", "sliding_window_size")
	w := c.size("sliding_window", 4096)
	bias := c.flag("attention_bias", false)
	run := gemma(c, m)
	run.rope, run.scoreCap, run.logitCap = m.rope(c, 10000), c.capped("attn_logit_softcapping", 50), c.capped("final_logit_softcapping", 30)
	dense{qkvBias: bias, outBias: bias, norms: 4, tied: true, headDim: 256, kvHeads: 4, run: run,
		window: c.layerWindows("sliding_attention", w, func(i int64) bool { return i%2 == 0 })}.build(c, m)
}

func readGemma3(c *config, m *Model) {
	c.ignore("cache_implementation", "_sliding_window_pattern")
	// The text_config of a published model has only what differs from the class.
	c.defaults = map[string]any{
		"num_attention_heads": 8, "vocab_size": 262208, "max_position_embeddings": 131072, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
	}
	w, pattern := c.size("sliding_window", 4096), c.size("sliding_window_pattern", 6)
	bias := c.flag("attention_bias", false)
	window := c.layerWindows("sliding_attention", w, func(i int64) bool { return (i+1)%pattern != 0 })
	run := gemma(c, m)
	run.scoreCap, run.logitCap = c.capped("attn_logit_softcapping", 0), c.capped("final_logit_softcapping", 0)
	global := m.rotaryOf(c, "full_attention", 1000000)
	local := m.rotaryOf(c, "sliding_attention", c.number("rope_local_base_freq", 10000))
	if c.fields["rope_parameters"] == nil { // rope_theta and rope_scaling are those of global layers
		local = func(int64, int64) runners.Rotary {
			return runners.Rotary{Theta: c.number("rope_local_base_freq", 10000)}
		}
	}
	run.rope = func(i, headDim int64) runners.Rotary {
		if window(i) > 0 {
			return local(i, headDim)
		}
		return global(i, headDim)
	}
	dense{qkvBias: bias, outBias: bias, qkNorm: true, norms: 4, tied: true, headDim: 256, kvHeads: 4, run: run, window: window}.build(c, m)
}

func readPhi3(c *config, m *Model) {
	for name, only := range map[string]any{"attention_bias": false, "mlp_bias": false, "lm_head_bias": false, "full_attn_mod": 1, "interpolate_factor": 1} {
		c.must(name, only) // Phi-4-mini has all of them
	}
	w, part := c.count("sliding_window", 0), c.number("partial_rotary_factor", 1)
	if p, ok := c.fields["rope_parameters"].(map[string]any); ok && c.fields["partial_rotary_factor"] == nil {
		part = c.inner("rope_parameters", p).number("partial_rotary_factor", 1)
	}
	const original = "original_max_position_embeddings" // read where a scaling of rotary positions needs it
	c.ignore(original)
	inScaling := false
	for _, name := range []string{"rope_parameters", "rope_scaling"} {
		p, _ := c.fields[name].(map[string]any)
		inScaling = inScaling || p[original] != nil
	}
	if c.fields[original] == nil && !inScaling {
		c.fields[original] = 4096
	}
	rope := once(func(headDim int64) runners.Rotary { return m.rotary(c, "", 10000, headDim, part) })
	dense{window: uniformWindow(w), run: &computed{eps: 1e-5, rope: rope}}.build(c, m)
}

// readLlama4 reads Llama 4: chunked attention, with every fourth layer over the whole context and
// without rotary positions; mixtures of experts with one shared expert.
func readLlama4(c *config, m *Model) {
	c.ignore("use_qk_norm", "no_rope_layer_interval", "for_llm_compression", "attn_temperature_tuning")
	chunk := c.count("attention_chunk_size", 0)
	rope := c.sizes("no_rope_layers", 0)
	n := c.layers()
	if len(rope) != 0 && int64(len(rope)) != n && *c.err == nil {
		c.failf("no_rope_layers", "it has %d entries for %d layers", len(rope), n)
	}
	window := c.layerWindows("chunked_attention", chunk, func(i int64) bool {
		if len(rope) > 0 {
			return rope[i] != 0
		}
		return (i+1)%4 != 0
	})
	experts, k := c.size("num_local_experts", 16), c.size("num_experts_per_tok", 1)
	f, wide := c.size("intermediate_size", 8192), c.size("intermediate_size_mlp", 16384)
	step, moe := c.size("interleave_moe_layer_step", 1), map[int64]bool{}
	list := c.sizes("moe_layers", 0)
	for _, i := range list {
		moe[i] = true
	}
	bias := c.flag("attention_bias", false)
	dense{qkvBias: bias, outBias: bias, window: window, headDim: 128, kvHeads: 8, ffn: func(b *builder, i, d int64) {
		if list != nil && !moe[i] || list == nil && (i+1)%step != 0 {
			b.gated(d, wide, false)
			return
		}
		b.gatedExperts(experts, k, d, f)
		b.gated(d, f, false)
	}}.build(c, m)
}

// readGPTOSS reads gpt-oss: layers alternate between a window and the whole context; a learned sink
// per head; experts with biases.
func readGPTOSS(c *config, m *Model) {
	w := c.size("sliding_window", 128)
	n, k := c.size("num_local_experts", 128), c.size("num_experts_per_tok", 4)
	c.ignore("experts_per_token", "swiglu_limit", "initial_context_length")
	f := c.size("intermediate_size", 2880)
	bias := c.flag("attention_bias", true)
	dense{qkvBias: bias, outBias: bias, headDim: 64, kvHeads: 8,
		window: c.layerWindows("sliding_attention", w, func(i int64) bool { return i%2 == 0 }),
		extra:  func(b *builder, _ int64, h heads) { b.vector(h.q) },
		ffn: func(b *builder, _, d int64) {
			b.gatedExperts(n, k, d, f)
			b.vector(n + n*2*f + n*d) // biases of the router and of the experts
		}}.build(c, m)
}
