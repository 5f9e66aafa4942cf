package families

import "strings"

// neutralFields do not affect a model's weights, caches or FLOPs in any family: token ids,
// training, generation, implementation choices, and factors that scale values.
var neutralFields = func() map[string]bool {
	m := map[string]bool{}
	for _, name := range strings.Fields(`
		_attn_implementation _attn_implementation_autoset _commit_hash _experts_implementation _name_or_path
		add_cross_attention architectures attention_dropout attn_pdrop attn_implementation auto_map
		bad_words_ids begin_suppress_tokens bos_token_id chunk_size_feed_forward chunk_size cross_attention_hidden_size
		decoder_start_token_id diversity_penalty do_sample dtype early_stopping embd_pdrop emb_dropout
		encoder_no_repeat_ngram_size eos_token_id exponential_decay_length_penalty finetuning_task
		forced_bos_token_id forced_eos_token_id fuse_cross_entropy fuse_linear_cross_entropy fuse_norm fuse_swiglu
		generation_config gradient_checkpointing hidden_act hidden_activation hidden_dropout hidden_dropout_prob
		id2label initializer_factor initializer_range is_decoder is_encoder_decoder keys_to_ignore_at_inference
		label2id layer_norm_eps layer_norm_epsilon length_penalty max_length max_position_embeddings min_length
		model_type no_repeat_ngram_size norm_eps norm_epsilon num_beam_groups num_beams num_return_sequences
		original_max_position_embeddings output_attentions output_hidden_states output_router_logits
		output_scores pad_token_id prefix pretraining_tp problem_type pruned_heads quantization_config
		remove_invalid_values repetition_penalty resid_pdrop return_dict return_dict_in_generate rms_norm_eps
		rope_parameters rope_scaling rope_theta rope_local_base_freq rope_interleaved rope_interleave
		router_aux_loss_coef router_z_loss_coef router_jitter_noise sep_token_id suppress_tokens task_specific_params
		temperature tie_encoder_decoder tf_legacy_loss tie_word_embeddings tokenizer_class top_k top_p torch_dtype
		torchscript transformers_version transformers.js_config typical_p unsloth_fixed unsloth_version
		use_bfloat16 use_cache use_l2warp vocab_size max_sequence_length model_max_length
		initializer bos_token eos_token pad_token rescale_prenorm_residual residual_in_fp32 swiglu_limit
		use_return_dict architectures_version layer_scale_init seq_length aux_loss_alpha seq_aux
		router_aux_loss ep_size norm_topk_prob scoring_func topk_method routed_scaling_factor topk_group n_group
		partial_rotary_factor mrope_section swiglu_alpha use_associative_scan topk_group attn_temperature_tuning floor_scale attn_scale
	`) {
		m[name] = true
	}
	return m
}()

func neutral(name string) bool { return neutralFields[name] }
