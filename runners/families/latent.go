package families

// Families with multi-head latent attention (MLA, arXiv 2405.04434): a layer caches one compressed
// vector and one rotary key per token, shared by all heads.

// latent holds the sizes of an MLA layer.
type latent struct{ d, heads, rank, queryRank, plain, rope, value int64 }

func readLatent(c *config, d int64) latent {
	return latent{
		d: d, heads: c.size("num_attention_heads"), rank: c.size("kv_lora_rank"), queryRank: c.count("q_lora_rank", 0),
		plain: c.size("qk_nope_head_dim"), rope: c.size("qk_rope_head_dim"), value: c.size("v_head_dim"),
	}
}

// latent adds an MLA layer's weights and returns its cache. Prefill expands the latents to keys and
// values of each head; decode uses them directly (the "absorbed" form).
func (b *builder) latent(l latent) Cache {
	key := l.plain + l.rope
	if l.queryRank > 0 {
		b.linear(l.queryRank, l.d)
		b.vector(l.queryRank)
		b.linear(l.heads*key, l.queryRank)
	} else {
		b.linear(l.heads*key, l.d)
	}
	b.linear(l.rank+l.rope, l.d)
	b.vector(l.rank)
	b.linear(l.heads*(l.plain+l.value), l.rank)
	b.linear(l.d, l.heads*l.value)
	return Cache{
		Kind: Latent, PerToken: l.rank + l.rope, Reads: l.rank + l.rope,
		PairFLOPs: 2 * l.heads * (key + l.value), DecodePairFLOPs: 2 * l.heads * (2*l.rank + l.rope),
	}
}

// mixture holds the feed-forward blocks of DeepSeek's mixtures of experts: dense layers first, then
// layers with routed and shared experts.
type mixture struct {
	experts, active, shared, width, wide, dense, step int64
	correction                                        bool
}

func (x mixture) add(b *builder, layer, d int64) {
	if layer < x.dense || layer%x.step != 0 {
		b.gated(d, x.wide, false)
		return
	}
	b.gatedExperts(x.experts, x.active, d, x.width)
	if x.correction {
		b.vector(x.experts)
	}
	if x.shared > 0 {
		b.gated(d, x.shared*x.width, false)
	}
}

func readDeepSeek(c *config, m *Model) {
	c.alias("n_routed_experts", "num_local_experts", "num_experts")
	c.must("mlp_bias", false)
	for _, t := range c.words("layer_types") {
		if t != "indexed_attention" && t != "full_attention" {
			c.failf("layer_types", "the type %q is not known", t)
		}
	}
	d, layers := c.size("hidden_size"), c.layers()
	l := readLatent(c, d)
	m.embed(c, d, c.flag("tie_word_embeddings", false))
	c.must("attention_bias", false)
	c.ignore("num_key_value_heads", "head_dim", "qk_head_dim", "n_group", "topk_group")
	x := mixture{
		experts: c.count("n_routed_experts", 0), shared: c.count("n_shared_experts", 0), width: c.size("moe_intermediate_size", 1),
		wide: c.size("intermediate_size"), dense: c.count("first_k_dense_replace", 0), step: c.size("moe_layer_freq", 1),
		correction: c.text("topk_method", "") == "noaux_tc" || m.Family != "deepseek_v2",
	}
	x.active = c.count("num_experts_per_tok", 0)
	if x.dense = c.leadingDense(x.dense); x.experts == 0 {
		x.dense = layers
	}
	if n := c.count("num_nextn_predict_layers", 0); n > 0 {
		m.note("multi-token prediction layers (%d) are not counted", n)
	}
	indexed := m.Family == "deepseek_v32"
	var indexHeads, indexDim, indexTop int64
	if indexed {
		indexHeads, indexDim, indexTop = c.size("index_n_heads"), c.size("index_head_dim"), c.size("index_topk")
		if l.queryRank == 0 {
			c.failf("q_lora_rank", "the field is missing; the indexer's queries need it")
		}
	}
	for i := range layers {
		if *c.err != nil {
			return
		}
		b := &builder{c: c}
		cache := b.latent(l)
		caches := []Cache{cache}
		if indexed {
			caches[0].Select = indexTop
			b.linear(indexHeads*indexDim, l.queryRank)
			b.linear(indexDim, d)
			b.vector(2 * indexDim) // a layer norm with bias
			b.small(indexHeads, d)
			caches = append(caches, Cache{Kind: Indexer, PerToken: indexDim, Reads: indexDim, PairFLOPs: 2 * indexHeads * indexDim})
		}
		b.vector(2 * d)
		x.add(b, i, d)
		m.Layers = append(m.Layers, Layer{caches, b.w})
	}
	m.Rest.Other += d
}

// readKimiLinear reads Kimi-Linear (arXiv 2510.26692): Kimi delta attention (a gated delta rule
// with a decay per channel), with MLA without rotary positions at intervals.
func readKimiLinear(c *config, m *Model) {
	c.alias("num_experts", "num_local_experts")
	c.alias("num_experts_per_token", "num_experts_per_tok")
	c.alias("num_shared_experts", "n_shared_experts")
	c.must("attention_bias", false)
	d, layers := c.size("hidden_size"), c.layers()
	l := readLatent(c, d)
	m.embed(c, d, c.flag("tie_word_embeddings", false))
	c.ignore("num_key_value_heads", "head_dim", "qk_head_dim", "n_group", "norm_topk_prob", "mla_use_nope", "num_expert_group", "moe_router_activation_func",
		"moe_renormalize", "use_grouped_topk", "routed_scaling_factor", "topk_group", "rope_interleave")
	x := mixture{
		experts: c.count("num_experts", 0), active: c.count("num_experts_per_token", 0), shared: c.count("num_shared_experts", 0),
		width: c.size("moe_intermediate_size", 1), wide: c.size("intermediate_size"),
		dense: c.count("first_k_dense_replace", 0), step: c.size("moe_layer_freq", 1), correction: true,
	}
	if x.experts == 0 {
		x.dense = layers
	}
	if n := c.count("num_nextn_predict_layers", 0); n > 0 {
		m.note("multi-token prediction layers (%d) are not counted", n)
	}
	heads, dim, kernel, full := c.kimiLayers(layers)
	x.dense = c.leadingDense(x.dense)
	for i := range layers {
		if *c.err != nil {
			return
		}
		b := &builder{c: c}
		var caches []Cache
		if full[i] {
			caches = []Cache{b.latent(l)}
		} else {
			width := heads * dim
			for range 3 { // queries, keys, values, each with a convolution
				b.linear(width, d)
				b.small(width, kernel)
			}
			b.linear(dim, d) // decay, through a low-rank factorization
			b.linear(width, dim)
			b.linear(heads, d) // beta
			b.linear(dim, d)   // output gate, through a low-rank factorization
			b.linear(width, dim)
			b.vector(heads + width + dim) // A, dt bias, norm
			b.linear(d, width)
			caches = states(b.times(heads, dim, dim), b.times(3, width, kernel-1))
		}
		b.vector(2 * d)
		x.add(b, i, d)
		m.Layers = append(m.Layers, Layer{caches, b.w})
	}
	m.Rest.Other += d
}

// kimiLayers returns the sizes of Kimi's linear layers and the set of full-attention layers
// (counted from 0). The maker's files have them in linear_attn_config, the transformers library in
// separate fields.
func (c *config) kimiLayers(layers int64) (heads, dim, kernel int64, full map[int64]bool) {
	full = map[int64]bool{}
	if linear := c.object("linear_attn_config"); linear != nil {
		c.ignore("layer_types", "linear_num_heads", "linear_head_dim", "linear_conv_kernel_dim")
		heads, dim, kernel = linear.size("num_heads"), linear.size("head_dim"), linear.size("short_conv_kernel_size", 4)
		for _, i := range linear.sizes("full_attn_layers", 1) { // counted from 1
			full[i-1] = true
		}
		for _, i := range linear.sizes("kda_layers", 1) {
			if full[i-1] {
				linear.failf("kda_layers", "layer %d is in full_attn_layers too", i)
			}
		}
		if err := linear.done(); err != nil && *c.err == nil {
			*c.err = err
		}
		return heads, dim, kernel, full
	}
	heads, dim, kernel = c.size("linear_num_heads"), c.size("linear_head_dim"), c.size("linear_conv_kernel_dim", 4)
	types := c.words("layer_types")
	if int64(len(types)) != layers {
		c.failf("layer_types", "it has %d entries for %d layers, and there is no linear_attn_config", len(types), layers)
	}
	for i, t := range types {
		if t != "full_attention" && t != "linear_attention" {
			c.failf("layer_types", "the type %q is not known", t)
		}
		full[int64(i)] = t == "full_attention"
	}
	return heads, dim, kernel, full
}

// leadingDense returns the number of dense feed-forward blocks before the experts according to
// mlp_layer_types, or n if the field is absent.
func (c *config) leadingDense(n int64) int64 {
	types := c.words("mlp_layer_types")
	if types == nil {
		return n
	}
	n = 0
	for i, t := range types {
		switch {
		case t != "dense" && t != "sparse":
			c.failf("mlp_layer_types", "the type %q is not known", t)
		case t == "dense" && int64(i) == n:
			n++
		case t == "dense":
			c.failf("mlp_layer_types", "a dense block follows experts")
		}
	}
	return n
}
