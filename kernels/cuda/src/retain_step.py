"""Gated retention of one token per sequence: S = gamma S + k v^T, o = S^T q, dst = silu(g) * o / sqrt(mean o^2 + eps).

q, k, v, g T [n_seq, heads, hd] (q and k are rotated here, and k is scaled by hd^-0.5); gate T [n_seq, heads],
log gamma = logsigmoid(gate)/16; the state f32 [heads, hd (key), hd (value)] of each sequence is updated in place.
One program per sequence and head; BK rows of the state at a time.
FLOP 5*n_seq*heads*hd^2; bytes 8*n_seq*heads*hd^2.
"""
import triton
import triton.language as tl

from common import aligned_pointer, rotated, silu
from spec import HEAD_DIMS, Entry, args


@triton.jit
def retain_step(dst, q, k, v, g, gate, states, lo, hi, pos, n_seq, heads, hd, ld_dst, ld_q, ld_k, ld_v, ld_g, ld_gate, eps,
                HD: tl.constexpr, INTERLEAVED: tl.constexpr, BK: tl.constexpr):
    head = tl.program_id(0)
    seq = tl.program_id(1)
    at = seq.to(tl.int64)
    d = tl.arange(0, HD)
    p = tl.load(pos + seq)
    z = tl.load(gate + at * ld_gate + head).to(tl.float32)
    gamma = tl.exp((tl.minimum(z, 0.0) - tl.log(1.0 + tl.exp(-tl.abs(z)))) / 16)
    state = aligned_pointer(tl.load(states + seq), tl.float32) + head.to(tl.int64) * hd * hd
    value = tl.load(v + at * ld_v + head * hd + d, mask=d < hd, other=0.0).to(tl.float32)
    scale = tl.rsqrt(hd.to(tl.float32))
    o = tl.zeros([BK, HD], tl.float32)
    for c in range(0, hd, BK):
        dk = c + tl.arange(0, BK)
        key = rotated(k + at * ld_k, head * hd, lo, hi, p, dk, dk < hd, hd, INTERLEAVED) * scale
        query = rotated(q + at * ld_q, head * hd, lo, hi, p, dk, dk < hd, hd, INTERLEAVED)
        place = state + dk[:, None] * hd + d[None, :]
        inside = (dk < hd)[:, None] & (d < hd)[None, :]
        s = tl.load(place, mask=inside, other=0.0) * gamma + key[:, None] * value[None, :]
        tl.store(place, s, mask=inside)
        o += s * query[:, None]
    out = tl.sum(o, 0)
    inv = 1.0 / tl.sqrt(tl.sum(out * out, 0) / hd + eps)
    up = tl.load(g + at * ld_g + head * hd + d, mask=d < hd, other=0.0).to(tl.float32)
    tl.store(dst + at * ld_dst + head * hd + d, (silu(up) * out * inv).to(dst.dtype.element_ty), mask=d < hd)


ENTRIES = [Entry(
    "retain_step", retain_step, "one token per sequence: rotates q and k, updates the state in place, dst = silu(g) * headnorm(o). dst may be q.",
    args("dst *T!, q *T!, k *T!, v *T!, g *T!, gate *T!, states *i64!, lo *f32!, hi *f32!, pos *i32, n_seq i32, heads i32, hd i32!, "
         "ld_dst i32!, ld_q i32!, ld_k i32!, ld_v i32!, ld_g i32!, ld_gate i32!, eps f32"),
    ("heads", "n_seq"), lambda build, target, v: dict(BK=16, num_warps=v["HD"] // 32 if v["HD"] > 32 else 4),
    tuple(dict(HD=h, INTERLEAVED=i) for h in HEAD_DIMS for i in (0, 1)))]
