package families

// Gemma 3n and 4: caches shared by later layers, and per-layer token embeddings.

// sharesCache reports whether a layer is one of the last n, which read the cache of the last
// earlier layer of their own type.
func sharesCache(layer, layers, n int64) bool { return layer >= layers-n }

// perLayerEmbedding adds the per-layer embeddings of the token, of width p each.
func (m *Model) perLayerEmbedding(c *config, d, layers, p int64) {
	if p == 0 {
		return
	}
	b := &builder{c: c}
	m.Embedding += b.times(c.size("vocab_size_per_layer_input", 262144), layers, p)
	b.linear(layers*p, d)
	b.vector(p)
	m.Rest = m.Rest.add(b.w)
}

// layerInput adds a layer's gate and projection for its embedding of the token.
func (b *builder) layerInput(d, p int64) {
	if p > 0 {
		b.linear(p, d)
		b.linear(d, p)
		b.vector(d)
	}
}

func readGemma3n(c *config, m *Model) {
	c.ignore("final_logit_softcapping", "altup_active_idx", "altup_coef_clip", "altup_correct_scale", "activation_sparsity_pattern", "default_theta",
		"query_pre_attn_scalar")
	d, layers := c.size("hidden_size", 2048), c.within("num_hidden_layers", 1, maxLayers, []int64{35})
	h := heads{d: d, q: c.size("num_attention_heads", 8), kv: c.size("num_key_value_heads", 2), dim: c.size("head_dim", 256)}
	window := c.layerWindows("sliding_attention", c.size("sliding_window", 512), func(i int64) bool { return (i+1)%5 != 0 })
	shared, rank, inputs := c.count("num_kv_shared_layers", 15), c.size("laurel_rank", 64), c.size("altup_num_inputs", 4)
	p := c.count("hidden_size_per_layer_input", 256)
	var widths []int64
	if v, ok := c.raw("intermediate_size"); ok {
		if _, list := v.([]any); list {
			widths = c.sizes("intermediate_size", 1)
			if int64(len(widths)) != layers {
				c.failf("intermediate_size", "it has %d entries for %d layers", len(widths), layers)
			}
		}
	}
	if widths == nil {
		for range layers {
			widths = append(widths, c.size("intermediate_size", 16384))
		}
	}
	bias := c.flag("attention_bias", false)
	m.embed(c, d, c.flag("tie_word_embeddings", true))
	m.perLayerEmbedding(c, d, layers, p)
	for i := range layers {
		if *c.err != nil {
			return
		}
		b := &builder{c: c}
		w := m.bounded(window(i))
		cache := h.cache(w)
		b.linearBias(h.q*h.dim, d, bias)
		b.vector(h.dim)
		if sharesCache(i, layers, shared) {
			cache = h.shared(w)
		} else {
			b.linearBias(h.kv*h.dim, d, bias)
			b.linearBias(h.kv*h.dim, d, bias)
			b.vector(h.dim)
		}
		b.linearBias(d, h.q*h.dim, bias)
		b.vector(4 * d)
		b.gated(d, widths[i], false)
		b.vector(d) // AltUp: output scale, coefficients, router and its norm
		b.small(inputs, inputs)
		b.small(inputs*inputs, inputs)
		b.small(inputs, d)
		b.vector(d)
		b.linear(rank, d) // LAuReL
		b.linear(d, rank)
		b.vector(d)
		b.layerInput(d, p)
		m.Layers = append(m.Layers, Layer{[]Cache{cache}, b.w})
	}
	b := &builder{c: c}
	for range 2 * (inputs - 1) { // AltUp's projections before and after the layers
		b.linear(d, d)
	}
	b.vector(d)
	m.Rest = m.Rest.add(b.w)
	m.exitEarly(layers - shared)
}

// exitEarly ends a prefill before the final layers that keep nothing, if there are any.
func (m *Model) exitEarly(layers int64) {
	if n := int(layers); n > 0 && n < len(m.Layers) {
		m.PrefillLayers = n
	}
}

func readGemma4(c *config, m *Model) {
	c.ignore("vocab_size_per_layer_input", "final_logit_softcapping", "num_experts", "top_k_experts", "moe_intermediate_size", "use_bidirectional_attention", "query_pre_attn_scalar")
	d, layers := c.size("hidden_size", 2304), c.within("num_hidden_layers", 1, maxLayers, []int64{30})
	local := heads{d: d, q: c.size("num_attention_heads", 8), kv: c.size("num_key_value_heads", 4), dim: c.size("head_dim", 256)}
	window := c.layerWindows("sliding_attention", c.size("sliding_window", 512), func(i int64) bool { return (i+1)%6 != 0 && i != layers-1 })
	global := local
	global.dim = c.size("global_head_dim", c.perLayer("head_dim", 512))
	sameKV := c.flag("attention_k_eq_v", false)
	if kv := c.size("num_global_key_value_heads", c.perLayer("num_key_value_heads", local.kv)); sameKV {
		global.kv = kv
	}
	shared, p, f := c.count("num_kv_shared_layers", 0), c.count("hidden_size_per_layer_input", 256), c.size("intermediate_size", 9216)
	wide, moe, bias := c.flag("use_double_wide_mlp", false), c.flag("enable_moe_block", false), c.flag("attention_bias", false)
	m.embed(c, d, c.flag("tie_word_embeddings", true))
	m.perLayerEmbedding(c, d, layers, p)
	for i := range layers {
		if *c.err != nil {
			return
		}
		b := &builder{c: c}
		w, h := window(i), local
		if w == 0 {
			h = global
		}
		w = m.bounded(w)
		cache, reads := h.cache(w), sharesCache(i, layers, shared)
		b.linearBias(h.q*h.dim, d, bias)
		b.vector(h.dim)
		if reads {
			cache = h.shared(w)
		} else {
			b.linearBias(h.kv*h.dim, d, bias)
			if !sameKV || h == local {
				b.linearBias(h.kv*h.dim, d, bias)
			}
			b.vector(h.dim)
		}
		b.linearBias(d, h.q*h.dim, bias)
		b.vector(4 * d)
		width := f
		if wide && reads {
			width *= 2
		}
		b.gated(d, width, false)
		if moe {
			n := c.size("num_experts")
			b.gatedExperts(n, c.size("top_k_experts"), d, c.size("moe_intermediate_size"))
			b.vector(d + n + 3*d) // the router's scales, three more norms
		}
		b.layerInput(d, p)
		b.vector(1) // the layer's scalar
		m.Layers = append(m.Layers, Layer{[]Cache{cache}, b.w})
	}
	m.Rest.Other += d
	m.exitEarly(layers - shared)
}

// perLayer returns a size that per_layer_config sets for all full-attention layers, or def if it
// sets none.
func (c *config) perLayer(name string, def int64) int64 {
	layers, _ := c.raw("per_layer_config")
	all, _ := layers.(map[string]any)
	size := int64(0)
	for _, l := range all {
		fields, _ := l.(map[string]any)
		for key, v := range fields {
			n, ok := integer(v)
			switch {
			case key != "head_dim" && key != "num_key_value_heads" || !ok || n < 1 || n > maxSize:
				c.failf("per_layer_config", "%s: %s is not supported", key, show(v))
			case key == name && size > 0 && size != n:
				c.failf("per_layer_config", "%s differs between layers: %d and %d", key, size, n)
			case key == name:
				size = n
			}
		}
	}
	if size > 0 {
		return size
	}
	return def
}
