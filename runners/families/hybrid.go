package families

import "strings"

// Families with state-space or linear-attention mixers, alone or combined with attention layers.

// readMiniMax reads MiniMax-01 (arXiv 2501.08313): seven layers of lightning attention for each
// layer of softmax attention, and a mixture of experts in every layer.
func readMiniMax(c *config, m *Model) {
	for _, name := range []string{"layernorm_full_attention_alpha", "layernorm_full_attention_beta", "layernorm_linear_attention_alpha",
		"layernorm_linear_attention_beta", "layernorm_mlp_alpha", "layernorm_mlp_beta", "full_attn_alpha_factor", "full_attn_beta_factor",
		"linear_attn_alpha_factor", "linear_attn_beta_factor", "mlp_alpha_factor", "mlp_beta_factor", "postnorm", "shared_moe_mode",
		"rotary_dim", "block_size", "sliding_window"} {
		c.ignore(name)
	}
	c.must("shared_intermediate_size", 0)
	n, k, f := c.size("num_local_experts"), c.size("num_experts_per_tok"), c.size("intermediate_size")
	types, list, layers := c.words("layer_types"), c.sizes("attn_type_list", 0), c.layers()
	if types != nil && int64(len(types)) != layers || list != nil && int64(len(list)) != layers || types == nil && list == nil {
		c.failf("attn_type_list", "want an entry for each of the %d layers, here or in layer_types", layers)
		return
	}
	q := c.size("num_attention_heads")
	d := c.size("hidden_size")
	dim := c.size("head_dim", max(d/max(q, 1), 1))
	t := dense{kvHeads: 8, ffn: func(b *builder, _, d int64) { b.gatedExperts(n, k, d, f) }}
	t.mixer = func(b *builder, i int64) ([]Cache, bool) {
		if types != nil && types[i] == "full_attention" || types == nil && list[i] == 1 {
			return nil, false
		}
		b.linear(3*q*dim, d)
		b.linear(q*dim, d) // output gate
		b.vector(q * dim)  // norm
		b.linear(d, q*dim)
		return states(b.times(q, dim, dim), 0), true
	}
	t.build(c, m)
}

// readJamba reads Jamba (arXiv 2403.19887): Mamba layers, with attention and experts at fixed
// intervals.
func readJamba(c *config, m *Model) {
	c.alias("num_experts", "num_local_experts")
	c.ignore("layer_types", "layers_block_type", "mlp_layer_types") // derived from the periods
	c.ignore("use_mamba_kernels", "use_mambapy", "num_logits_to_keep", "mamba_inner_layernorms", "sliding_window", "n_ctx", "rope_theta")
	d := c.size("hidden_size")
	period, offset := c.size("attn_layer_period", 8), c.count("attn_layer_offset", 4)
	expertPeriod, expertOffset := c.size("expert_layer_period", 2), c.count("expert_layer_offset", 1)
	n, k, f := c.size("num_experts", 16), c.size("num_experts_per_tok", 2), c.size("intermediate_size")
	state, kernel, inner := c.size("mamba_d_state", 16), c.size("mamba_d_conv", 4), c.size("mamba_expand", 2)*d
	rank := (d + 15) / 16
	if c.text2("mamba_dt_rank") != "auto" {
		rank = c.size("mamba_dt_rank", rank)
	}
	convBias, projBias := c.flag("mamba_conv_bias", true), c.flag("mamba_proj_bias", false)
	t := dense{kvHeads: 8}
	t.mixer = func(b *builder, i int64) ([]Cache, bool) {
		if i%period == offset {
			return nil, false
		}
		caches := b.ssm1(d, inner, state, rank, kernel, convBias, projBias)
		b.vector(rank + 2*state) // norms of dt, B and C
		return caches, true
	}
	t.ffn = func(b *builder, i, d int64) {
		if n > 1 && i%expertPeriod == expertOffset {
			b.gatedExperts(n, k, d, f)
		} else {
			b.gated(d, f, false)
		}
	}
	t.build(c, m)
}

// text2 returns a field if it is a string, else "".
func (c *config) text2(name string) string {
	v, _ := c.raw(name)
	s, _ := v.(string)
	return s
}

// ssm1 adds the weights of a Mamba mixer (arXiv 2312.00752) and returns its caches.
func (b *builder) ssm1(d, inner, state, rank, kernel int64, convBias, projBias bool) []Cache {
	b.linearBias(2*inner, d, projBias)
	b.small(inner, kernel)
	if convBias {
		b.vector(inner)
	}
	b.linear(rank+2*state, inner)
	b.linearBias(inner, rank, true)
	b.vector(inner*state + inner) // A, D
	b.linearBias(d, inner, projBias)
	return states(b.times(inner, state), b.times(inner, kernel-1))
}

func readMamba2(c *config, m *Model) {
	c.must("D_has_hdim", false)
	c.ignore("A_init_range", "conv_init", "rmsnorm", "dt_init_floor", "dt_limit", "dt_max", "dt_min", "rescale_prenorm_residual", "residual_in_fp32", "time_step_rank", "time_step_min", "time_step_max",
		"time_step_floor", "time_step_limit", "rms_norm", "norm_before_gate", "expand")
	d, layers := c.size("hidden_size"), c.layers()
	s := ssm2{d: d, heads: c.size("num_heads", 128), dim: c.size("head_dim", 64), state: c.size("state_size", 128), groups: c.size("n_groups", 8),
		kernel: c.size("conv_kernel", 4), convBias: c.flag("use_conv_bias", true), projBias: c.flag("use_bias", false), norm: true}
	m.embed(c, d, c.flag("tie_word_embeddings", false))
	for range layers {
		if *c.err != nil {
			return
		}
		b := &builder{c: c}
		caches := b.ssm2(s)
		b.vector(d)
		m.Layers = append(m.Layers, Layer{caches, b.w})
	}
	m.Rest.Other += d
}

// mambaFields reads the Mamba-2 fields, whose names start with mamba_.
func mambaFields(c *config, d int64) ssm2 {
	c.ignore("mamba_chunk_size", "mamba_expand", "mamba_norm_before_gate", "time_step_limit", "time_step_min", "time_step_max", "time_step_floor")
	s := ssm2{d: d, heads: c.size("mamba_n_heads", 128), state: c.size("mamba_d_state", 256), groups: c.size("mamba_n_groups", 1),
		kernel: c.size("mamba_d_conv", 4), convBias: c.flag("mamba_conv_bias", true), projBias: c.flag("mamba_proj_bias", false), norm: true}
	if c.text2("mamba_d_head") == "auto" || !c.has("mamba_d_head") {
		s.dim = c.size("mamba_expand", 2) * d / max(s.heads, 1)
	} else {
		s.dim = c.size("mamba_d_head")
	}
	return s
}

// readGraniteHybrid reads Granite 4: Mamba-2 layers, attention where layer_types says so, routed
// experts and a shared block.
func readGraniteHybrid(c *config, m *Model) {
	c.alias("num_local_experts", "num_experts")
	c.ignore("embedding_multiplier", "attention_multiplier", "residual_multiplier", "logits_scaling", "position_embedding_type",
		"normalization_function", "init_method", "shared_intermediate_size")
	d, layers := c.size("hidden_size"), c.layers()
	s := mambaFields(c, d)
	types := c.words("layer_types")
	if types == nil {
		types = c.words("layers_block_type")
	}
	if int64(len(types)) != layers {
		c.failf("layer_types", "it has %d entries for %d layers", len(types), layers)
		return
	}
	n, k := c.count("num_local_experts", 8), c.count("num_experts_per_tok", 2)
	f, shared := c.size("intermediate_size"), c.size("shared_intermediate_size", 1024)
	bias := c.flag("attention_bias", false)
	t := dense{qkvBias: bias, outBias: bias, tied: true}
	t.mixer = func(b *builder, i int64) ([]Cache, bool) {
		if types[i] == "attention" || types[i] == "full_attention" {
			return nil, false
		}
		if types[i] != "mamba" && types[i] != "linear_attention" {
			c.failf("layer_types", "the type %q is not known", types[i])
		}
		return b.ssm2(s), true
	}
	t.ffn = func(b *builder, _, d int64) {
		b.gated(d, shared, false)
		if n > 0 {
			b.gatedExperts(n, k, d, f)
		}
	}
	t.build(c, m)
}

// readFalconH1 reads Falcon-H1 (arXiv 2507.22448): attention and Mamba-2 in parallel in every
// layer.
func readFalconH1(c *config, m *Model) {
	for name := range c.fields {
		if strings.HasSuffix(name, "_multiplier") || strings.HasSuffix(name, "_multipliers") {
			c.ignore(name)
		}
	}
	c.ignore("mamba_use_mlp", "num_logits_to_keep", "attn_layer_indices")
	d := c.size("hidden_size")
	s := mambaFields(c, d)
	s.norm = c.flag("mamba_rms_norm", false)
	if c.has("mamba_d_ssm") {
		if inner := c.size("mamba_d_ssm"); inner != s.heads*s.dim {
			c.failf("mamba_d_ssm", "%d, but mamba_n_heads x mamba_d_head is %d", inner, s.heads*s.dim)
		}
	}
	bias := c.flag("attention_bias", false)
	if c.flag("projectors_bias", false) {
		c.failf("projectors_bias", "true is not supported")
	}
	t := dense{qkvBias: bias, outBias: bias, mlpBias: c.flag("mlp_bias", false)}
	t.build(c, m)
	for i := range m.Layers {
		b := &builder{c: c, w: m.Layers[i].Weights}
		m.Layers[i].Caches = append(m.Layers[i].Caches, b.ssm2(s)...)
		m.Layers[i].Weights = b.w
	}
}

// readNemotronH reads Nemotron-H (arXiv 2504.03624): a string with one character per block selects
// the layers.
func readNemotronH(c *config, m *Model) {
	c.ignore("mamba_hidden_act", "mlp_hidden_act", "time_step_limit", "time_step_min", "time_step_max", "time_step_floor", "num_logits_to_keep",
		"residual_in_fp32", "use_mamba_kernels", "mamba_ssm_cache_dtype", "expand", "time_step_rank", "rescale_prenorm_residual", "sliding_window",
		"attention_head_dim", "layer_norm_epsilon", "mamba_proj_bias", "norm_eps")
	d := c.size("hidden_size")
	h := heads{d: d, q: c.size("num_attention_heads"), kv: c.size("num_key_value_heads", 8)}
	h.dim = c.size("head_dim", c.size("attention_head_dim", 128))
	s := ssm2{d: d, heads: c.size("mamba_num_heads", 128), dim: c.size("mamba_head_dim", 64), state: c.size("ssm_state_size", 128),
		groups: c.size("n_groups", 8), kernel: c.size("conv_kernel", 4), convBias: c.flag("use_conv_bias", true), projBias: c.flag("use_bias", false), norm: true}
	bias, mlpBias := c.flag("attention_bias", false), c.flag("mlp_bias", false)
	f := c.size("intermediate_size")
	n, k := c.count("n_routed_experts", 0), c.count("num_experts_per_tok", 0)
	width, shared := c.count("moe_intermediate_size", 0), c.count("moe_shared_expert_intermediate_size", 0)*max(c.count("n_shared_experts", 1), 0)
	pattern := c.text("hybrid_override_pattern", "")
	if types := c.words("layers_block_type"); pattern == "" && types != nil {
		pattern = c.blocks("layers_block_type", types)
	} else if types := c.words("layer_types"); pattern == "" && types != nil {
		pattern = c.blocks("layer_types", types)
	}
	c.ignore("layer_types", "layers_block_type", "mtp_layers_block_type", "mtp_hybrid_override_pattern", "moe_shared_expert_overlap")
	c.must("moe_latent_size", nil)
	if layers := c.within("num_hidden_layers", 1, maxLayers, []int64{int64(len(pattern))}); int64(len(pattern)) != layers {
		c.failf("hybrid_override_pattern", "it has %d blocks for %d layers", len(pattern), layers)
		return
	}
	if n := c.count("num_nextn_predict_layers", 0); n > 0 {
		m.note("multi-token prediction layers (%d) are not counted", n)
	}
	m.embed(c, d, c.flag("tie_word_embeddings", false))
	for _, block := range pattern {
		if *c.err != nil {
			return
		}
		b := &builder{c: c}
		var caches []Cache
		switch block {
		case 'M':
			caches = b.ssm2(s)
		case '*':
			b.attention(h, bias, bias)
			caches = []Cache{h.cache(0)}
		case '-':
			b.linearBias(f, d, mlpBias)
			b.linearBias(d, f, mlpBias)
		case 'E':
			b.small(n, d)
			b.vector(n)
			b.experts(n, k, width, d)
			b.experts(n, k, d, width)
			if shared > 0 {
				b.linear(shared, d)
				b.linear(d, shared)
			}
		default:
			c.failf("hybrid_override_pattern", "the block %q is not known (known: M, *, - and E)", string(block))
		}
		b.vector(d)
		m.Layers = append(m.Layers, Layer{caches, b.w})
	}
	m.Rest.Other += d
}

// blocks converts a list of block types to Nemotron-H's pattern.
func (c *config) blocks(field string, types []string) (pattern string) {
	letters := map[string]string{"mamba": "M", "linear_attention": "M", "attention": "*", "full_attention": "*", "mlp": "-", "moe": "E"}
	for _, t := range types {
		if letters[t] == "" {
			c.failf(field, "the type %q is not known", t)
		}
		pattern += letters[t]
	}
	return pattern
}

// readRWKV7 reads RWKV-7 (arXiv 2503.14456) in the format of flash-linear-attention.
func readRWKV7(c *config, m *Model) {
	c.ignore("attn_mode", "hidden_ratio", "norm_first", "num_heads")
	c.must("attn", nil)
	d, layers := c.size("hidden_size"), c.layers()
	dim := c.size("head_dim", 64)
	f := c.size("intermediate_size", 4*d)
	ranks := []int64{c.size("decay_low_rank_dim", 64), c.size("a_low_rank_dim", 64), c.size("v_low_rank_dim", 16)}
	gate, bias := c.size("gate_low_rank_dim", 128), c.flag("norm_bias", true)
	if v, ok := c.raw("value_dim"); ok {
		list, isList := v.([]any)
		if !isList {
			list = []any{v}
		}
		for _, x := range list {
			if n, ok := integer(x); !ok || n != d {
				c.failf("value_dim", "%s is not supported, only hidden_size (%d)", show(v), d)
			}
		}
	}
	norm := d
	if bias {
		norm = 2 * d
	}
	m.embed(c, d, c.flag("tie_word_embeddings", false))
	for i := range layers {
		if *c.err != nil {
			return
		}
		b := &builder{c: c}
		for range 4 { // receptance, key, value, output
			b.linear(d, d)
		}
		for j, r := range ranks {
			if j == 2 && i == 0 {
				continue // later layers mix in the first layer's values
			}
			b.linear(r, d)
			b.linearBias(d, r, true)
		}
		b.linear(gate, d)
		b.linear(d, gate)
		b.vector(6*d + 2*d + d + 2*d) // shifts, k_k, k_a, r_k, group norm
		b.vector(2 * norm)
		if i == 0 && c.flag("norm_first", true) {
			b.vector(norm)
		}
		b.vector(d)
		b.linear(f, d)
		b.linear(d, f)
		m.Layers = append(m.Layers, Layer{states(b.times(d, dim), 2*d), b.w})
	}
	m.Rest.Other += norm
}
