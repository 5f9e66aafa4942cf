"""Gated retention in chunks of CHUNK rows. Per head, with k scaled by hd^-0.5 and log gamma = logsigmoid(gate)/16:

    S_t = gamma_t S_(t-1) + k_t v_t^T,  o_t = S_t^T q_t
    in a chunk, with a_i the running sum of log gamma:  o_i = exp(a_i) q_i S_before + sum_(j<=i) exp(a_i - a_j) (q_i k_j) v_j

retain_gates computes a; retain_states each chunk's own sum_j exp(a_last - a_j) k_j v_j^T, all chunks in parallel;
retain_scan the state before each chunk; retain_output o, its head norm and the gate.
Layouts: q, k, v, g T [rows, heads, hd] (q, k rotated); gate T [rows, heads]; decay f32 [heads, chunks*CHUNK];
sums f32 [chunks, heads, hd (key), hd (value)]; state f32 [heads, hd, hd]. Chunk 0 begins at the span's row 0.
FLOP per row and head: 4*hd^2 (states and their use) + 2*hd*CHUNK (within the chunk, causal half).
Bytes per row and head: 5*hd*(size of T) + 16*hd^2/CHUNK (sums written, read, written, read).
"""
import triton
import triton.language as tl

from common import silu
from spec import HEAD_DIMS, Entry, args

CHUNK = 128


@triton.jit
def retain_gates(decay, gate, rows, heads, ld_gate, CHUNK: tl.constexpr, BH: tl.constexpr):
    chunks = tl.cdiv(rows, CHUNK)
    i = tl.arange(0, CHUNK)
    row = tl.program_id(0) * CHUNK + i
    head = tl.program_id(1) * BH + tl.arange(0, BH)
    inside = (row < rows)[:, None] & (head < heads)[None, :]
    z = tl.load(gate + row.to(tl.int64)[:, None] * ld_gate + head[None, :], mask=inside, other=0.0).to(tl.float32)
    log_gamma = (tl.minimum(z, 0.0) - tl.log(1.0 + tl.exp(-tl.abs(z)))) / 16
    a = tl.cumsum(log_gamma, 0)
    tl.store(decay + head.to(tl.int64)[None, :] * (chunks * CHUNK) + row[:, None], a, mask=inside)


@triton.jit
def retain_states(sums, k, v, decay, rows, heads, hd, ld_k, ld_v,
                  HD: tl.constexpr, CHUNK: tl.constexpr, BK: tl.constexpr, BV: tl.constexpr, BC: tl.constexpr):
    chunk = tl.program_id(0)
    head = tl.program_id(1)
    parts: tl.constexpr = HD // BV
    dk = tl.program_id(2) // parts * BK + tl.arange(0, BK)
    dv = tl.program_id(2) % parts * BV + tl.arange(0, BV)
    row0 = chunk * CHUNK
    n = min(rows - row0, CHUNK)
    decay += head.to(tl.int64) * (tl.cdiv(rows, CHUNK) * CHUNK) + row0
    k += row0.to(tl.int64) * ld_k + head * hd
    v += row0.to(tl.int64) * ld_v + head * hd
    last = tl.load(decay + n - 1)
    acc = tl.zeros([BK, BV], tl.float32)
    for c in range(0, CHUNK, BC):
        i = c + tl.arange(0, BC)
        w = tl.exp(last - tl.load(decay + i, mask=i < n, other=0.0))
        kt = tl.load(k + i[None, :] * ld_k + dk[:, None], mask=(i < n)[None, :] & (dk < hd)[:, None], other=0.0)
        vt = tl.load(v + i[:, None] * ld_v + dv[None, :], mask=(i < n)[:, None] & (dv < hd)[None, :], other=0.0)
        kt = (kt.to(tl.float32) * w[None, :]).to(vt.dtype)
        acc = tl.dot(kt, vt, acc, input_precision="ieee")
    acc *= tl.rsqrt(hd.to(tl.float32))
    sums += (chunk.to(tl.int64) * heads + head) * hd * hd
    tl.store(sums + dk[:, None] * hd + dv[None, :], acc, mask=(dk < hd)[:, None] & (dv < hd)[None, :])


@triton.jit
def retain_scan(sums, state, decay, rows, heads, hd, CHUNK: tl.constexpr, BLOCK: tl.constexpr):
    head = tl.program_id(1)
    e = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = e < hd * hd
    chunks = tl.cdiv(rows, CHUNK)
    decay += head.to(tl.int64) * (chunks * CHUNK)
    state += head.to(tl.int64) * hd * hd
    sums += head.to(tl.int64) * hd * hd
    s = tl.load(state + e, mask=inside, other=0.0)
    for c in range(0, chunks):
        gamma = tl.exp(tl.load(decay + min(c * CHUNK + CHUNK, rows) - 1))
        own = tl.load(sums + e, mask=inside, other=0.0)
        tl.store(sums + e, s, mask=inside)
        s = gamma * s + own
        sums += heads.to(tl.int64) * hd * hd
    tl.store(state + e, s, mask=inside)


@triton.jit
def retain_output(dst, q, k, v, g, sums, decay, rows, heads, hd, ld_dst, ld_q, ld_k, ld_v, ld_g, eps,
                  HD: tl.constexpr, CHUNK: tl.constexpr, HK: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr):
    t = q.dtype.element_ty
    head = tl.program_id(1)
    row0 = tl.program_id(0) * BM
    chunk = row0 // CHUNK
    start = chunk * CHUNK
    i = tl.arange(0, BM)
    in_row = i < rows - row0
    d = tl.arange(0, HD)
    decay += head.to(tl.int64) * (tl.cdiv(rows, CHUNK) * CHUNK) + start
    q += row0.to(tl.int64) * ld_q + head * hd
    k += start.to(tl.int64) * ld_k + head * hd
    v += start.to(tl.int64) * ld_v + head * hd
    sums += (chunk.to(tl.int64) * heads + head) * hd * hd
    first = row0 - start
    a = tl.load(decay + first + i, mask=in_row, other=0.0)
    acc = tl.zeros([BM, HD], tl.float32)
    for piece in range(0, HD, HK):
        dk = piece + tl.arange(0, HK)
        qc = tl.load(q + i[:, None] * ld_q + dk[None, :], mask=in_row[:, None] & (dk < hd)[None, :], other=0.0)
        before = tl.load(sums + dk[:, None] * hd + d[None, :], mask=(dk < hd)[:, None] & (d < hd)[None, :], other=0.0)
        acc = tl.dot(qc, before.to(t), acc, input_precision="ieee")
    acc *= tl.exp(a)[:, None]
    scale = tl.rsqrt(hd.to(tl.float32))
    for n in range(0, min(first + BM, rows - start), BN):
        j = n + tl.arange(0, BN)
        in_key = j < rows - start
        s = tl.zeros([BM, BN], tl.float32)
        for part in range(0, HD, HK):
            dk = part + tl.arange(0, HK)
            qc = tl.load(q + i[:, None] * ld_q + dk[None, :], mask=in_row[:, None] & (dk < hd)[None, :], other=0.0)
            kc = tl.load(k + j[None, :] * ld_k + dk[:, None], mask=in_key[None, :] & (dk < hd)[:, None], other=0.0)
            s = tl.dot(qc, kc, s, input_precision="ieee")
        b = tl.load(decay + j, mask=in_key, other=0.0)
        w = tl.exp(tl.where((first + i)[:, None] >= j[None, :], a[:, None] - b[None, :], float("-inf")))
        s *= w * scale
        vt = tl.load(v + j[:, None] * ld_v + d[None, :], mask=in_key[:, None] & (d < hd)[None, :], other=0.0)
        acc = tl.dot(s.to(t), vt, acc, input_precision="ieee")
    inv = 1.0 / tl.sqrt(tl.sum(acc * acc, 1) / hd + eps)
    inside = in_row[:, None] & (d < hd)[None, :]
    gate = tl.load(g + (row0 + i).to(tl.int64)[:, None] * ld_g + head * hd + d[None, :], mask=inside, other=0.0).to(tl.float32)
    out = silu(gate) * acc * inv[:, None]
    tl.store(dst + (row0 + i).to(tl.int64)[:, None] * ld_dst + head * hd + d[None, :], out.to(t), mask=inside)


def states_config(build, target, v):
    hd = v["HD"]
    if build == "f32":
        return dict(CHUNK=64, BK=min(hd, 32), BV=min(hd, 32), BC=16, num_warps=4, num_stages=1)
    return dict(CHUNK=CHUNK, BK=min(hd, 128), BV=min(hd, 128), BC=64, num_warps=4 if hd <= 64 else 8, num_stages=2)


def output_config(build, target, v):
    hd = v["HD"]
    if build == "f32":
        return dict(CHUNK=64, HK=min(hd, 32) if hd < 128 else 16, BM=16, BN=16, num_warps=4 if hd <= 64 else 8, num_stages=1)
    return dict(CHUNK=CHUNK, HK=min(hd, 64), BM=64, BN=64, num_warps=4 if hd <= 128 else 8, num_stages=2)


def chunk(build):
    return 64 if build == "f32" else CHUNK


HEADS = tuple(dict(HD=h) for h in HEAD_DIMS)
ENTRIES = [
    Entry("retain_gates", retain_gates, "decay [heads, cdiv(rows, chunk)*chunk]: within each chunk the running sum of logsigmoid(gate)/16.",
          args("decay *f32!, gate *T!, rows i32, heads i32, ld_gate i32!"), ("cdiv(rows, CHUNK)", "cdiv(heads, BH)"),
          lambda build, target, v: dict(CHUNK=chunk(build), BH=8, num_warps=4)),
    Entry("retain_states", retain_states, "sums [chunks, heads, hd, hd]: each chunk's own sum_j exp(decay_last - decay_j) k_j v_jᵀ / sqrt(hd).",
          args("sums *f32!, k *T!, v *T!, decay *f32!, rows i32, heads i32, hd i32!, ld_k i32!, ld_v i32!"),
          ("cdiv(rows, CHUNK)", "heads", "cdiv(hd, BK)*(HD/BV)"), states_config, HEADS),
    Entry("retain_scan", retain_scan, "sums[c] becomes the state before chunk c; state, the state before the span, becomes the state after it.",
          args("sums *f32!, state *f32!, decay *f32!, rows i32, heads i32, hd i32!"), ("cdiv(hd*hd, BLOCK)", "heads"),
          lambda build, target, v: dict(CHUNK=chunk(build), BLOCK=256, num_warps=2)),
    Entry("retain_output", retain_output, "dst = silu(g) * headnorm(o), o from the states before the chunks and within each chunk. dst may be q "
          "if ld_dst is ld_q.",
          args("dst *T!, q *T!, k *T!, v *T!, g *T!, sums *f32!, decay *f32!, rows i32, heads i32, hd i32!, "
               "ld_dst i32!, ld_q i32!, ld_k i32!, ld_v i32!, ld_g i32!, eps f32"),
          ("cdiv(rows, BM)", "heads"), output_config, HEADS),
]
