package families

import (
	"encoding/json"
	"fmt"
	"math"
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
	readers[m.Family](c, m)
	c.storage(m)
	c.ignore("head_dim")
	if err := c.done(); err != nil {
		return nil, err
	}
	if m.PrefillLayers == 0 {
		m.PrefillLayers = len(m.Layers)
	}
	return m, ggufWeights(f, m)
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
	if name, ok, err := f.String("general.name"); err == nil && ok {
		m.Name = name
	}
	return nil
}
