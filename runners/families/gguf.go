package families

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/runners/checkpoint/gguf"
)

// ggufArchitectures maps general.architecture to a family and its renamed fields.
var ggufArchitectures = map[string]struct {
	family string
	// fields maps keys (without "ARCH.") to fields of config.json.
	fields map[string]string
}{
	"llama":    {"llama", nil},
	"mistral":  {"mistral", nil},
	"qwen2":    {"qwen2", nil},
	"qwen3":    {"qwen3", nil},
	"qwen3moe": {"qwen3_moe", map[string]string{"expert_count": "num_experts", "expert_used_count": "num_experts_per_tok", "expert_feed_forward_length": "moe_intermediate_size"}},
	"gemma2":   {"gemma2", nil},
	"gemma3":   {"gemma3_text", nil},
	"phi3":     {"phi3", nil},
	"olmo2":    {"olmo2", nil},
	"granite":  {"granite", nil},
	"smollm3":  {"smollm3", nil},
	"gpt-oss":  {"gpt_oss", map[string]string{"expert_count": "num_local_experts", "expert_used_count": "num_experts_per_tok", "expert_feed_forward_length": "intermediate_size"}},
	"deepseek2": {"deepseek_v2", map[string]string{
		"expert_count": "n_routed_experts", "expert_used_count": "num_experts_per_tok", "expert_shared_count": "n_shared_experts",
		"expert_feed_forward_length": "moe_intermediate_size", "leading_dense_block_count": "first_k_dense_replace",
		"attention.kv_lora_rank": "kv_lora_rank", "attention.q_lora_rank": "q_lora_rank", "rope.dimension_count": "qk_rope_head_dim"}},
}

// ggufFields are the keys common to all architectures.
var ggufFields = map[string]string{
	"block_count": "num_hidden_layers", "embedding_length": "hidden_size", "feed_forward_length": "intermediate_size",
	"attention.head_count": "num_attention_heads", "attention.head_count_kv": "num_key_value_heads", "attention.key_length": "head_dim",
	"attention.sliding_window": "sliding_window", "context_length": "max_position_embeddings", "vocab_size": "vocab_size",
}

// ggufNumbers are the keys of numbers that do not affect sizes, ggufScaling those of the scaling of
// rotary positions, by their fields in rope_scaling.
var (
	ggufNumbers = map[string]string{
		"rope.freq_base": "rope_theta", "rope.freq_base_swa": "rope_local_base_freq", "attention.layer_norm_rms_epsilon": "rms_norm_eps",
		"attn_logit_softcapping": "attn_logit_softcapping", "final_logit_softcapping": "final_logit_softcapping",
		"attention.scale": "attention_multiplier", "embedding_scale": "embedding_multiplier", "residual_scale": "residual_multiplier",
		"logit_scale": "logits_scaling",
	}
	ggufScaling = map[string]string{
		"rope.scaling.factor": "factor", "rope.scaling.attn_factor": "attention_factor",
		"rope.scaling.original_context_length": "original_max_position_embeddings",
		"rope.scaling.yarn_beta_fast":          "beta_fast", "rope.scaling.yarn_beta_slow": "beta_slow",
	}
)

// ggufRead are the keys that FromGGUF reads by name; ggufInert do not affect what a model computes.
var (
	ggufRead  = []string{"attention.value_length", "rope.dimension_count", "rope.scaling.type", "attention.sliding_window_pattern"}
	ggufInert = []string{"rope.scaling.finetuned", "attention.causal", "tensor_data_layout", "expert_count", "expert_used_count"}
)

// FromGGUF reads the metadata and the tensor sizes of a GGUF file.
func FromGGUF(f *gguf.File) (*Model, error) {
	arch, _, err := f.String("general.architecture")
	if err != nil {
		return nil, err
	}
	a, ok := ggufArchitectures[arch]
	if !ok {
		var known []string
		for name := range ggufArchitectures {
			known = append(known, name)
		}
		return nil, fmt.Errorf("%s: general.architecture: %q is not known (known: %s)", f.Name(), arch, joinSorted(known))
	}
	fields := map[string]any{"model_type": a.family, "torch_dtype": "bfloat16"}
	set := func(key, field string) error {
		key = arch + "." + key
		if strings.HasPrefix(f.Kind(key), "array") {
			return fmt.Errorf("%s: metadata %q: sizes that differ between layers are not supported", f.Name(), key)
		}
		n, ok, err := f.Uint(key)
		if err == nil && ok {
			fields[field] = json.Number(fmt.Sprint(n))
		}
		return err
	}
	for _, m := range []map[string]string{ggufFields, a.fields} {
		for key, field := range m {
			if err := set(key, field); err != nil {
				return nil, err
			}
		}
	}
	if _, ok := fields["vocab_size"]; !ok || f.Len("tokenizer.ggml.tokens") > 0 {
		if n := f.Len("tokenizer.ggml.tokens"); n > 0 {
			fields["vocab_size"] = json.Number(fmt.Sprint(n))
		}
	}
	if a.family == "llama" {
		// llama.cpp writes Mixtral as a llama with experts, and omits Mistral's window.
		if n, ok, _ := f.Uint("llama.expert_count"); ok && n > 0 {
			k, _, _ := f.Uint("llama.expert_used_count")
			fields["model_type"], fields["num_local_experts"], fields["num_experts_per_tok"] = "mixtral", json.Number(fmt.Sprint(n)), json.Number(fmt.Sprint(k))
		}
	}
	if a.family == "deepseek_v2" {
		if err := ggufLatent(f, arch, fields); err != nil {
			return nil, err
		}
	}
	_, hasOutput := f.Tensor("output.weight")
	fields["tie_word_embeddings"] = !hasOutput
	c := &config{file: f.Name(), fields: fields, read: map[string]bool{}, err: new(error)}
	m := &Model{Family: c.text("model_type", "")}
	if err := ggufComputed(f, arch, c, m, a.fields); err != nil {
		return nil, err
	}
	readers[m.Family](c, m)
	c.storage(m)
	c.ignore("head_dim")
	if err := c.done(); err != nil {
		return nil, err
	}
	if m.PrefillLayers == 0 {
		m.PrefillLayers = len(m.Layers)
	}
	m.finish(c)
	return m, ggufWeights(f, m)
}

// ggufComputed sets the fields of c that do not affect sizes.
func ggufComputed(f *gguf.File, arch string, c *config, m *Model, sizes map[string]string) error {
	number := func(key string) (json.Number, bool, error) {
		x, ok, err := f.Float(arch + "." + key)
		if err == nil && ok && (math.IsNaN(x) || math.IsInf(x, 0)) {
			err = fmt.Errorf("%s: metadata %q is %g, want a finite number", f.Name(), arch+"."+key, x)
		}
		return json.Number(fmt.Sprint(x)), ok, err
	}
	scaling := map[string]any{}
	for to, keys := range map[*map[string]any]map[string]string{&c.fields: ggufNumbers, &scaling: ggufScaling} {
		for key, field := range keys {
			x, ok, err := number(key)
			if err != nil {
				return err
			}
			if ok {
				(*to)[field] = x
			}
		}
	}
	if c.fields["rms_norm_eps"] == nil {
		m.refuse("the metadata %q is missing", arch+".attention.layer_norm_rms_epsilon")
	}
	kind, _, err := f.String(arch + ".rope.scaling.type")
	if err != nil {
		return err
	}
	switch kind {
	case "":
	case "none":
		delete(scaling, "factor")
	default:
		scaling["rope_type"] = kind
	}
	if err := ggufDivisors(f, c, scaling); err != nil {
		return err
	}
	if scaling["rope_type"] == nil {
		delete(scaling, "original_max_position_embeddings") // Phi-3 has it without a scaling
		if scaling["factor"] != nil {
			scaling["rope_type"] = "linear" // as llama.cpp reads it
		}
	}
	if len(scaling) > 0 {
		c.fields["rope_scaling"] = scaling
	}
	if err := ggufHeads(f, arch, c, m); err != nil {
		return err
	}
	known := func(key string) bool {
		for _, names := range []map[string]string{ggufFields, ggufNumbers, ggufScaling, sizes} {
			if _, ok := names[key]; ok {
				return true
			}
		}
		return slices.Contains(ggufRead, key) || slices.Contains(ggufInert, key)
	}
	for _, key := range f.Keys() {
		if name, ok := strings.CutPrefix(key, arch+"."); ok && !known(name) {
			m.refuse("no runner supports the metadata %q", key)
		}
	}
	return nil
}

// ggufDivisors reads the divisors of rotary frequencies that a file stores as tensors.
func ggufDivisors(f *gguf.File, c *config, scaling map[string]any) (err error) {
	if c.divisors, err = ggufVector(f, "rope_freqs.weight"); err != nil {
		return err
	}
	for field, name := range map[string]string{"long_factor": "rope_factors_long.weight", "short_factor": "rope_factors_short.weight"} {
		x, err := ggufVector(f, name)
		if err != nil {
			return err
		}
		if x == nil {
			continue
		}
		list := make([]any, len(x))
		for i := range x {
			list[i] = json.Number(fmt.Sprint(x[i]))
		}
		scaling[field], scaling["rope_type"] = list, "longrope"
	}
	return nil
}

// ggufVector returns the values of a short vector of float32, nil if there is none.
func ggufVector(f *gguf.File, name string) ([]float64, error) {
	t, ok := f.Tensor(name)
	if !ok {
		return nil, nil
	}
	if len(t.Shape) != 1 || t.Shape[0] > maxLayers {
		return nil, fmt.Errorf("%s: tensor %q has shape %v, want a vector of at most %d values", f.Name(), name, t.Shape, maxLayers)
	}
	x, err := f.Values(t)
	if err != nil {
		return nil, err
	}
	y := make([]float64, len(x))
	for i := range x {
		if y[i] = float64(x[i]); !(y[i] > 0) || math.IsInf(y[i], 0) {
			return nil, fmt.Errorf("%s: tensor %q holds %g, want finite numbers above 0", f.Name(), name, y[i])
		}
	}
	return y, nil
}

// ggufHeads reads the dimensions of heads and the windows of layers, and sets the values that
// llama.cpp does not read from the file.
func ggufHeads(f *gguf.File, arch string, c *config, m *Model) error {
	uint := func(key string, def int64) int64 {
		x, ok, err := f.Uint(arch + "." + key)
		if err != nil || x > maxSize {
			c.failf(key, "want an integer up to %d", maxSize)
		}
		if err != nil || !ok {
			return def
		}
		return int64(x)
	}
	layers, d, q := uint("block_count", 0), uint("embedding_length", 0), max(uint("attention.head_count", 1), 1)
	head := uint("attention.key_length", d/q)
	if v := uint("attention.value_length", head); v != head {
		m.refuse("no runner supports values of %d dimensions a head with keys of %d", v, head)
	}
	if n := uint("rope.dimension_count", head); n != head && c.fields["qk_rope_head_dim"] == nil {
		c.fields["partial_rotary_factor"] = json.Number(fmt.Sprint(float64(n) / float64(max(head, 1))))
	}
	switch {
	case arch == "gemma2" && layers == 46, arch == "gemma3" && layers == 62: // the models of 27B
		c.fields["query_pre_attn_scalar"] = json.Number(fmt.Sprint(float64(d) / float64(q)))
	case arch == "gemma2", arch == "gemma3":
		c.fields["query_pre_attn_scalar"] = json.Number(fmt.Sprint(head))
	}
	key := arch + ".attention.sliding_window_pattern"
	switch kind := f.Kind(key); {
	case kind == "":
	case strings.HasPrefix(kind, "array"):
		local, _, err := f.Uints(key)
		if err != nil {
			return err
		}
		types := make([]any, len(local))
		for i := range local {
			if types[i] = "full_attention"; local[i] != 0 {
				types[i] = "sliding_attention"
			}
		}
		c.fields["layer_types"] = types
	default:
		c.fields["sliding_window_pattern"] = json.Number(fmt.Sprint(uint("attention.sliding_window_pattern", 1)))
	}
	return nil
}

// ggufLatent sets the head widths of latent attention.
func ggufLatent(f *gguf.File, arch string, fields map[string]any) error {
	rope, _, err := f.Uint(arch + ".rope.dimension_count")
	if err != nil {
		return err
	}
	for field, keys := range map[string][]string{"key": {"attention.key_length_mla", "attention.key_length"}, "value": {"attention.value_length_mla", "attention.value_length"}} {
		for _, key := range keys {
			n, ok, err := f.Uint(arch + "." + key)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			if field == "value" {
				fields["v_head_dim"] = json.Number(fmt.Sprint(n))
			} else if n > rope {
				fields["qk_nope_head_dim"] = json.Number(fmt.Sprint(n - rope))
			}
			break
		}
	}
	delete(fields, "head_dim")
	fields["topk_method"] = "greedy"
	if _, ok := f.Tensor("blk.3.exp_probs_b.bias"); ok {
		fields["topk_method"] = "noaux_tc"
	}
	return nil
}

// ggufWeights sums the stored sizes of the tensors.
func ggufWeights(f *gguf.File, m *Model) error {
	byType := map[gguf.Type]int64{}
	for _, t := range f.Tensors() {
		if t.Bytes < 0 {
			return fmt.Errorf("%s: tensor %q is of %s, whose size is not known", f.Name(), t.Name, t.Type)
		}
		if m.WeightBytes > math.MaxInt64-t.Bytes {
			return fmt.Errorf("%s: the sizes of the tensors overflow", f.Name())
		}
		m.WeightBytes += t.Bytes
		byType[t.Type] += t.Bytes
	}
	m.Stored.Name = ""
	for len(byType) > 0 { // largest share first
		var most gguf.Type
		for t, n := range byType {
			if _, ok := byType[most]; !ok || n > byType[most] || n == byType[most] && t < most {
				most = t
			}
		}
		if m.Stored.Name != "" {
			m.Stored.Name += ", "
		}
		m.Stored.Name += most.String()
		delete(byType, most)
	}
	if name, ok, err := f.String("general.name"); err == nil && ok && len(name) <= maxName {
		m.Name = strings.Join(strings.Fields(name), " ") // one line
	}
	return nil
}
