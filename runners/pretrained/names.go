package pretrained

import (
	"slices"
	"strings"

	"github.com/yocobench/yocobench/runners"
)

// entry is a tensor's name, and the roles whose matrices are stacked in it; %d is the layer. If
// part is not empty, the tensor is one of the layers of a part of the model, and %d is counted in
// it.
type entry struct {
	name  string
	roles []runners.Role
	part  runners.Part
}

// layout is how a format stores the tensors of a family.
type layout struct {
	entries []entry
	// interleaved: the rows of queries and keys are in the order of interleaved rotary pairs.
	interleaved bool
	// minusOne: the norms are stored minus 1.
	minusOne bool
}

// holding returns the name of the tensor that holds a role.
func (l layout) holding(role runners.Role) string {
	for _, e := range l.entries {
		if slices.Contains(e.roles, role) {
			return e.name
		}
	}
	return ""
}

func one(name string, role runners.Role) entry { return stacked(name, role) }

func stacked(name string, roles ...runners.Role) entry { return entry{name: name, roles: roles} }

// Names of Hugging Face.
var (
	hfEnds = []entry{
		one("model.embed_tokens.weight", runners.RoleEmbed), one("model.norm.weight", runners.RoleNorm), one("lm_head.weight", runners.RoleOutput),
		one(hfLayer+"self_attn.o_proj.weight", runners.RoleOut), one(hfLayer+"mlp.down_proj.weight", runners.RoleFFNDown),
	}
	hfMatrices = []entry{
		one(hfLayer+"self_attn.q_proj.weight", runners.RoleQ), one(hfLayer+"self_attn.q_proj.bias", runners.RoleQBias),
		one(hfLayer+"self_attn.k_proj.weight", runners.RoleK), one(hfLayer+"self_attn.k_proj.bias", runners.RoleKBias),
		one(hfLayer+"self_attn.v_proj.weight", runners.RoleV), one(hfLayer+"self_attn.v_proj.bias", runners.RoleVBias),
		one(hfLayer+"self_attn.q_norm.weight", runners.RoleQNorm), one(hfLayer+"self_attn.k_norm.weight", runners.RoleKNorm),
		one(hfLayer+"mlp.gate_proj.weight", runners.RoleFFNGate), one(hfLayer+"mlp.up_proj.weight", runners.RoleFFNUp),
	}
	hfFused = []entry{
		stacked(hfLayer+"self_attn.qkv_proj.weight", runners.RoleQ, runners.RoleK, runners.RoleV),
		stacked(hfLayer+"mlp.gate_up_proj.weight", runners.RoleFFNGate, runners.RoleFFNUp),
	}
	hfPreNorms = []entry{
		one(hfLayer+"input_layernorm.weight", runners.RoleMixerNorm), one(hfLayer+"post_attention_layernorm.weight", runners.RoleFFNNorm),
	}
	// In a layer with output norms, post_attention_layernorm is the mixer's output norm.
	hfPostNorms = []entry{
		one(hfLayer+"input_layernorm.weight", runners.RoleMixerNorm), one(hfLayer+"post_attention_layernorm.weight", runners.RoleMixerPost),
		one(hfLayer+"pre_feedforward_layernorm.weight", runners.RoleFFNNorm), one(hfLayer+"post_feedforward_layernorm.weight", runners.RoleFFNPost),
	}
)

const hfLayer = "model.layers.%d."

// huggingFace has the layouts of Hugging Face by family (model_type).
var huggingFace = map[string]layout{
	"llama":       {entries: slices.Concat(hfEnds, hfMatrices, hfPreNorms)},
	"mistral":     {entries: slices.Concat(hfEnds, hfMatrices, hfPreNorms)},
	"qwen2":       {entries: slices.Concat(hfEnds, hfMatrices, hfPreNorms)},
	"qwen3":       {entries: slices.Concat(hfEnds, hfMatrices, hfPreNorms)},
	"granite":     {entries: slices.Concat(hfEnds, hfMatrices, hfPreNorms)},
	"smollm3":     {entries: slices.Concat(hfEnds, hfMatrices, hfPreNorms)},
	"phi3":        {entries: slices.Concat(hfEnds, hfFused, hfPreNorms)},
	"olmo2":       {entries: slices.Concat(hfEnds, hfMatrices, hfPostNorms)},
	"gemma2":      {entries: slices.Concat(hfEnds, hfMatrices, hfPostNorms), minusOne: true},
	"gemma3_text": {entries: slices.Concat(hfEnds, hfMatrices, hfPostNorms), minusOne: true},
	"yoco": {entries: slices.Concat([]entry{
		one("model.embeddings.weight", runners.RoleEmbed), one("model.norm.weight", runners.RoleNorm), one("lm_head.weight", runners.RoleOutput),
		in(runners.PartKV, "model.shared_kv_builder.kv_norm.weight", runners.RoleMixerNorm),
		in(runners.PartKV, "model.shared_kv_builder.k_proj.weight", runners.RoleK),
		in(runners.PartKV, "model.shared_kv_builder.v_proj.weight", runners.RoleV),
	}, flaLayer(runners.PartSelf, "model.self_layers.%d."), flaLayer(runners.PartCross, "model.cross_layers.%d."))},
}

// flaLayer has the names of a layer of flash-linear-attention.
func flaLayer(part runners.Part, prefix string) (entries []entry) {
	for name, role := range map[string]runners.Role{
		"attn_norm.weight": runners.RoleMixerNorm, "mlp_norm.weight": runners.RoleFFNNorm,
		"attn.q_proj.weight": runners.RoleQ, "attn.k_proj.weight": runners.RoleK, "attn.v_proj.weight": runners.RoleV,
		"attn.q_proj.bias": runners.RoleQBias, "attn.k_proj.bias": runners.RoleKBias, "attn.v_proj.bias": runners.RoleVBias,
		"attn.q_norm.weight": runners.RoleQNorm, "attn.g_proj.weight": runners.RoleGate, "attn.gk_proj.weight": runners.RoleDecay,
		"attn.o_proj.weight": runners.RoleOut, "mlp.gate_proj.weight": runners.RoleFFNGate, "mlp.up_proj.weight": runners.RoleFFNUp,
		"mlp.down_proj.weight": runners.RoleFFNDown,
	} {
		entries = append(entries, in(part, prefix+name, role))
	}
	return entries
}

// in is an entry of a part.
func in(part runners.Part, name string, role runners.Role) entry {
	return entry{name, []runners.Role{role}, part}
}

// hfUnused are suffixes of the names of unused tensors: frequencies that older versions of
// transformers saved.
var hfUnused = []string{".rotary_emb.inv_freq", ".rotary_emb.cos_cached", ".rotary_emb.sin_cached", ".self_attn.bias", ".self_attn.masked_bias"}

// wrapped maps the prefixes of the text model's tensors in a multimodal model to those of a text
// model. encoders are the prefixes of other tensors.
var (
	wrapped  = [][2]string{{"model.language_model.", "model."}, {"language_model.", ""}}
	encoders = []string{"vision_tower.", "multi_modal_projector.", "model.vision_tower.", "model.multi_modal_projector."}
)

// textName returns the name of a tensor in the text model, "" for one of an encoder.
func textName(name string) string {
	for _, w := range wrapped {
		if rest, ok := strings.CutPrefix(name, w[0]); ok {
			return w[1] + rest
		}
	}
	if slices.ContainsFunc(encoders, func(e string) bool { return strings.HasPrefix(name, e) }) {
		return ""
	}
	return name
}

// Names of GGUF (gguf-py/gguf/constants.py).
var (
	ggufEnds = []entry{
		one("token_embd.weight", runners.RoleEmbed), one("output_norm.weight", runners.RoleNorm), one("output.weight", runners.RoleOutput),
		one(ggufLayer+"attn_output.weight", runners.RoleOut), one(ggufLayer+"ffn_down.weight", runners.RoleFFNDown),
		one(ggufLayer+"attn_norm.weight", runners.RoleMixerNorm), one(ggufLayer+"post_attention_norm.weight", runners.RoleMixerPost),
		one(ggufLayer+"ffn_norm.weight", runners.RoleFFNNorm), one(ggufLayer+"post_ffw_norm.weight", runners.RoleFFNPost),
	}
	ggufMatrices = []entry{
		one(ggufLayer+"attn_q.weight", runners.RoleQ), one(ggufLayer+"attn_q.bias", runners.RoleQBias),
		one(ggufLayer+"attn_k.weight", runners.RoleK), one(ggufLayer+"attn_k.bias", runners.RoleKBias),
		one(ggufLayer+"attn_v.weight", runners.RoleV), one(ggufLayer+"attn_v.bias", runners.RoleVBias),
		one(ggufLayer+"attn_q_norm.weight", runners.RoleQNorm), one(ggufLayer+"attn_k_norm.weight", runners.RoleKNorm),
		one(ggufLayer+"ffn_gate.weight", runners.RoleFFNGate), one(ggufLayer+"ffn_up.weight", runners.RoleFFNUp),
	}
	ggufFused = []entry{
		stacked(ggufLayer+"attn_qkv.weight", runners.RoleQ, runners.RoleK, runners.RoleV),
		stacked(ggufLayer+"ffn_up.weight", runners.RoleFFNGate, runners.RoleFFNUp),
	}
)

const ggufLayer = "blk.%d."

// ggufLayouts has the layouts of GGUF by general.architecture. Norms are stored as they are.
var ggufLayouts = map[string]layout{
	"llama":   {entries: slices.Concat(ggufEnds, ggufMatrices), interleaved: true},
	"granite": {entries: slices.Concat(ggufEnds, ggufMatrices), interleaved: true},
	"smollm3": {entries: slices.Concat(ggufEnds, ggufMatrices), interleaved: true},
	"qwen2":   {entries: slices.Concat(ggufEnds, ggufMatrices)},
	"qwen3":   {entries: slices.Concat(ggufEnds, ggufMatrices)},
	"gemma2":  {entries: slices.Concat(ggufEnds, ggufMatrices)},
	"gemma3":  {entries: slices.Concat(ggufEnds, ggufMatrices)},
	"olmo2":   {entries: slices.Concat(ggufEnds, ggufMatrices)},
	"phi3":    {entries: slices.Concat(ggufEnds, ggufFused)},
}

// ggufUnused are tensors that package families reads: divisors of rotary frequencies.
var ggufUnused = []string{"rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"}
