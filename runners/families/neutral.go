package families

import "strings"

// inertFields do not affect what a model computes in any family: token ids, training, generation,
// implementation choices.
var inertFields = words(`
	_attn_implementation _attn_implementation_autoset _commit_hash _experts_implementation
	_name_or_path architectures architectures_version attention_dropout attn_implementation
	attn_pdrop auto_map aux_loss_alpha bad_words_ids begin_suppress_tokens bos_token bos_token_id
	chunk_size_feed_forward cross_attention_hidden_size decoder_start_token_id diversity_penalty
	do_sample dtype early_stopping emb_dropout embd_pdrop encoder_no_repeat_ngram_size eos_token
	eos_token_id ep_size exponential_decay_length_penalty finetuning_task forced_bos_token_id
	forced_eos_token_id fuse_cross_entropy fuse_linear_cross_entropy fuse_norm fuse_swiglu
	generation_config gradient_checkpointing hidden_dropout hidden_dropout_prob id2label
	initializer initializer_factor initializer_range is_decoder keys_to_ignore_at_inference
	label2id length_penalty max_length max_position_embeddings max_sequence_length min_length
	model_max_length model_type no_repeat_ngram_size num_beam_groups num_beams
	num_return_sequences output_attentions output_hidden_states output_router_logits
	output_scores pad_token pad_token_id prefix pretraining_tp problem_type remove_invalid_values
	repetition_penalty rescale_prenorm_residual resid_pdrop residual_in_fp32 return_dict
	return_dict_in_generate router_aux_loss router_aux_loss_coef router_jitter_noise
	router_z_loss_coef sep_token_id seq_aux seq_length suppress_tokens task_specific_params
	temperature tf_legacy_loss tie_encoder_decoder tokenizer_class top_k top_p torch_dtype
	torchscript transformers.js_config transformers_version typical_p unsloth_fixed
	unsloth_version use_associative_scan use_bfloat16 use_cache use_l2warp use_return_dict
	vocab_size
`)

// scalingFields affect the values that a model computes, but not its weights, caches or FLOPs.
var scalingFields = words(`
	add_cross_attention attn_scale attn_temperature_tuning chunk_size floor_scale hidden_act
	hidden_activation is_encoder_decoder layer_norm_eps layer_norm_epsilon layer_scale_init
	mrope_section n_group norm_eps norm_epsilon norm_topk_prob original_max_position_embeddings
	partial_rotary_factor pruned_heads quantization_config rms_norm_eps rope_interleave
	rope_interleaved rope_local_base_freq rope_parameters rope_scaling rope_theta
	routed_scaling_factor scoring_func swiglu_alpha swiglu_limit tie_word_embeddings topk_group
	topk_method
`)

func words(text string) map[string]bool {
	m := map[string]bool{}
	for _, name := range strings.Fields(text) {
		m[name] = true
	}
	return m
}

// neutral reports whether a field does not affect a model's cost, inert whether it does not affect
// what the model computes.
func neutral(name string) bool { return inertFields[name] || scalingFields[name] }

func inert(name string) bool { return inertFields[name] }
