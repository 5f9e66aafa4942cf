"""The shape of SmolLM2-135M, which every side gives random bfloat16 weights:
runners' preset transformer-smollm2-135m. The output matrix is one of its own."""

DIM, LAYERS, FFN, VOCAB, HEADS, KV_HEADS, HEAD_DIM = 576, 30, 1536, 49152, 9, 3, 64
ROPE_THETA, NORM_EPS = 1e5, 1e-5
CONTEXT = 8192  # positions that a peer makes room for

QKV = (HEADS + 2 * KV_HEADS) * HEAD_DIM
PARAMETERS = 2 * VOCAB * DIM + DIM + LAYERS * (QKV * DIM + HEADS * HEAD_DIM * DIM + 3 * FFN * DIM + 2 * DIM)
