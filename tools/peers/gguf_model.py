"""Writes a model of the shape in shape.py with random bfloat16 weights as GGUF, for llama-bench.

    gguf_model.py FILE
"""
import sys

import gguf
import numpy as np

from shape import CONTEXT, DIM, FFN, HEAD_DIM, HEADS, KV_HEADS, LAYERS, NORM_EPS, ROPE_THETA, VOCAB


def write(path):
    w = gguf.GGUFWriter(path, "llama")
    w.add_name("SmolLM2-135M's shape, random weights")
    w.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    w.add_vocab_size(VOCAB)
    w.add_tokenizer_model("none")
    w.add_context_length(CONTEXT)
    w.add_embedding_length(DIM)
    w.add_block_count(LAYERS)
    w.add_feed_forward_length(FFN)
    w.add_head_count(HEADS)
    w.add_head_count_kv(KV_HEADS)
    w.add_rope_dimension_count(HEAD_DIM)
    w.add_rope_freq_base(ROPE_THETA)
    w.add_layer_norm_rms_eps(NORM_EPS)
    random = np.random.default_rng(1)

    def matrix(name, rows, cols):
        x = random.standard_normal((rows, cols), dtype=np.float32) * cols**-0.5
        bf16 = gguf.GGMLQuantizationType.BF16
        w.add_tensor(name, gguf.quantize(x, bf16), raw_dtype=bf16)

    def norm(name):
        w.add_tensor(name, np.ones(DIM, dtype=np.float32))

    matrix("token_embd.weight", VOCAB, DIM)
    norm("output_norm.weight")
    matrix("output.weight", VOCAB, DIM)
    for i in range(LAYERS):
        norm(f"blk.{i}.attn_norm.weight")
        matrix(f"blk.{i}.attn_q.weight", HEADS * HEAD_DIM, DIM)
        matrix(f"blk.{i}.attn_k.weight", KV_HEADS * HEAD_DIM, DIM)
        matrix(f"blk.{i}.attn_v.weight", KV_HEADS * HEAD_DIM, DIM)
        matrix(f"blk.{i}.attn_output.weight", DIM, HEADS * HEAD_DIM)
        norm(f"blk.{i}.ffn_norm.weight")
        matrix(f"blk.{i}.ffn_gate.weight", FFN, DIM)
        matrix(f"blk.{i}.ffn_up.weight", FFN, DIM)
        matrix(f"blk.{i}.ffn_down.weight", DIM, FFN)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: gguf_model.py FILE")
    write(sys.argv[1])
