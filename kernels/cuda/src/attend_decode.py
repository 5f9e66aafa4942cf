"""Attention of one query row per sequence over min(pos + 1, slots) slots of its cache, which are divided into splits.

q T [n_seq, heads, hd], not rotated; part f32 [n_seq, heads, splits, hd] and stat f32 [n_seq, heads, splits, 2] receive each split's
normalized output and the (maximum, sum) of its scores, in base 2; a split without slots has sum 0. caches i64 [n_seq, 2]: addresses and slots.
A program computes one split of one kv head and GROUP of the query heads that share it, so keys and values are read once for all of them.
FLOP 4*n_seq*heads*hd*slots; bytes 2*n_seq*kv_heads*hd*slots*(size of T).
"""
import triton
import triton.language as tl

from attend import MAY_CAP, attend_tiles, base2
from common import aligned_pointer, rotated
from spec import HEAD_DIMS, Entry, args


@triton.jit
def attend_decode(part, stat, q, caches, lo, hi, pos, n_seq, heads, kv_heads, hd, ld_q, scale, cap, splits,
                  HD: tl.constexpr, INTERLEAVED: tl.constexpr, HK: tl.constexpr, GROUP: tl.constexpr, BN: tl.constexpr):
    t = q.dtype.element_ty
    split = tl.program_id(0)
    group = heads // kv_heads
    blocks = tl.cdiv(group, GROUP)
    kv_head = tl.program_id(1) // blocks
    member = tl.program_id(1) % blocks * GROUP + tl.arange(0, GROUP)
    seq = tl.program_id(2)
    head = kv_head * group + member
    in_group = member < group

    p = tl.load(pos + seq)
    queries = ()
    for c in tl.static_range(0, HD, HK):
        d = c + tl.arange(0, HK)[None, :]
        queries = queries + (rotated(q + seq.to(tl.int64) * ld_q, head[:, None] * hd, lo, hi, p, d, in_group[:, None] & (d < hd), hd,
                                     INTERLEAVED).to(t),)
    slots = tl.load(caches + 2 * seq + 1).to(tl.int32)
    keys = aligned_pointer(tl.load(caches + 2 * seq), t) + kv_head.to(tl.int64) * slots * hd
    values = keys + kv_heads.to(tl.int64) * slots * hd

    n = min(p + 1, slots)
    size = tl.cdiv(tl.cdiv(n, splits), BN) * BN
    start = min(split * size, n)
    end = min(start + size, n)
    whole = start + (end - start) // BN * BN
    acc = tl.zeros([GROUP, HD], tl.float32)
    top = tl.full([GROUP], float("-inf"), tl.float32)
    total = tl.zeros([GROUP], tl.float32)
    scale, cap = base2(scale, cap, MAY_CAP)
    acc, top, total = attend_tiles(acc, top, total, queries, keys, values, hd, hd, hd, scale, cap, start, whole, end, end, end + GROUP, 1,
                                   MAY_CAP, False, False, HD, HK, BN)
    acc, top, total = attend_tiles(acc, top, total, queries, keys, values, hd, hd, hd, scale, cap, whole, end, end, end, end + GROUP, 1,
                                   MAY_CAP, True, False, HD, HK, BN)
    d = tl.arange(0, HD)[None, :]
    place = (seq.to(tl.int64) * heads + head) * splits + split
    out = acc / tl.where(total > 0, total, 1.0)[:, None]
    tl.store(part + place[:, None] * hd + d, out, mask=in_group[:, None] & (d < hd))
    tl.store(stat + place * 2, top, mask=in_group)
    tl.store(stat + place * 2 + 1, total, mask=in_group)


def config(build, target, v):
    hd = v["HD"]
    if build == "f32":
        return dict(HK=16, GROUP=16, BN=16, num_warps=4 if hd <= 128 else 8, num_stages=1)
    if target == "sm_80":
        return dict(HK=hd, GROUP=16, BN=64 if hd <= 64 else 4096 // hd, num_warps=4, num_stages=3)
    return dict(HK=hd, GROUP=16, BN=128 if hd <= 64 else 8192 // hd, num_warps=4, num_stages=3)


ENTRIES = [Entry(
    "attend_decode", attend_decode, "attention of one query row per sequence over min(pos+1, slots) slots of its cache, in splits; it rotates q. "
    "part is [n_seq, heads, splits, hd] and stat [n_seq, heads, splits, 2].",
    args("part *f32!, stat *f32!, q *T!, caches *i64!, lo *f32!, hi *f32!, pos *i32, n_seq i32, heads i32, kv_heads i32, hd i32!, "
         "ld_q i32!, scale f32, cap f32, splits i32"),
    ("splits", "kv_heads*cdiv(heads/kv_heads, GROUP)", "n_seq"), config,
    tuple(dict(HD=h, INTERLEAVED=i) for h in HEAD_DIMS for i in (0, 1)))]
