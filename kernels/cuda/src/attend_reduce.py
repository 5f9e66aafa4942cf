"""Combines the splits of attend_decode: dst = sum_s w_s part_s / sum_s w_s, w_s = sum_s * 2^(max_s - max).

dst T [n_seq, heads, hd]; part f32 [n_seq, heads, splits, hd]; stat f32 [n_seq, heads, splits, 2].
FLOP 2*n_seq*heads*splits*hd; bytes 4*n_seq*heads*splits*(hd + 2).
"""
import triton
import triton.language as tl

from spec import HEAD_DIMS, Entry, args


@triton.jit
def attend_reduce(dst, part, stat, n_seq, heads, hd, ld_dst, splits, HD: tl.constexpr, BS: tl.constexpr):
    seq = tl.program_id(0) // heads
    head = tl.program_id(0) % heads
    d = tl.arange(0, HD)
    part += tl.program_id(0).to(tl.int64) * splits * hd
    stat += tl.program_id(0).to(tl.int64) * splits * 2
    top = tl.full([BS], float("-inf"), tl.float32)
    for i in range(0, splits, BS):
        s = i + tl.arange(0, BS)
        top = tl.maximum(top, tl.load(stat + s * 2, mask=s < splits, other=float("-inf")))
    best = tl.max(top, 0)
    acc = tl.zeros([HD], tl.float32)
    total = tl.zeros([BS], tl.float32)
    for i in range(0, splits, BS):
        s = i + tl.arange(0, BS)
        w = tl.exp2(tl.load(stat + s * 2, mask=s < splits, other=float("-inf")) - best)
        w *= tl.load(stat + s * 2 + 1, mask=s < splits, other=0.0)
        x = tl.load(part + s[:, None] * hd + d[None, :], mask=(s < splits)[:, None] & (d < hd)[None, :], other=0.0)
        acc += tl.sum(x * w[:, None], 0)
        total += w
    out = acc / tl.sum(total, 0)
    tl.store(dst + seq.to(tl.int64) * ld_dst + head * hd + d, out.to(dst.dtype.element_ty), mask=d < hd)


ENTRIES = [Entry(
    "attend_reduce", attend_reduce, "combines the splits of AttendDecode.",
    args("dst *T!, part *f32!, stat *f32!, n_seq i32, heads i32, hd i32!, ld_dst i32!, splits i32"),
    ("n_seq*heads",), lambda build, target, v: dict(BS=16, num_warps=4), tuple(dict(HD=h) for h in HEAD_DIMS))]
