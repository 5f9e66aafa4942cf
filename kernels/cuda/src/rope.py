"""Rotary positions: a' = a cos - b sin, b' = b cos + a sin for each pair (a, b) of a head.

rope rotates x T [rows, heads, hd] in place. rope_store rotates k (not in place) and writes k and v T [rows, kv_heads, hd]
to slot pos % slots of the cache of the row's sequence: keys [kv_heads, slots, hd], then values. caches i64 [n_seq, 2]: addresses and slots.
INTERLEAVED: pairs (2j, 2j+1), else (j, j + hd/2). A program computes BR rows and up to HEADS heads, and loads the angles once.
FLOP 3*rows*heads*hd; bytes 2*rows*heads*hd*(size of T), rope_store the same for k and for v.
"""
import triton
import triton.language as tl

from common import pair_angles
from spec import HEAD_DIMS, Entry, args


@triton.jit
def load_pair(x, mask_pair, mask_head, hd, HD: tl.constexpr, INTERLEAVED: tl.constexpr):
    """The first and second elements of the pairs of heads that start at x [R, 1], each [R, HD/2]."""
    if INTERLEAVED:
        d = tl.arange(0, HD)[None, :]
        both = tl.load(x + d, mask=mask_head & (d < hd), other=0.0)
        a, b = tl.split(tl.reshape(both, [x.shape[0], HD // 2, 2]))
    else:
        j = tl.arange(0, HD // 2)[None, :]
        a = tl.load(x + j, mask=mask_pair, other=0.0)
        b = tl.load(x + hd // 2 + j, mask=mask_pair, other=0.0)
    return a, b


@triton.jit
def store_pair(x, a, b, mask_pair, mask_head, hd, HD: tl.constexpr, INTERLEAVED: tl.constexpr):
    t = x.dtype.element_ty
    if INTERLEAVED:
        d = tl.arange(0, HD)[None, :]
        both = tl.reshape(tl.join(a, b), [x.shape[0], HD])
        tl.store(x + d, both.to(t), mask=mask_head & (d < hd))
    else:
        j = tl.arange(0, HD // 2)[None, :]
        tl.store(x + j, a.to(t), mask=mask_pair)
        tl.store(x + hd // 2 + j, b.to(t), mask=mask_pair)


@triton.jit
def rope(x, lo, hi, pos, rows, heads, hd, ld_x,
         HD: tl.constexpr, INTERLEAVED: tl.constexpr, BR: tl.constexpr, HEADS: tl.constexpr):
    row = (tl.program_id(0) * BR + tl.arange(0, BR))[:, None]
    in_row = row < rows
    j = tl.arange(0, HD // 2)[None, :]
    in_pair = in_row & (j < hd // 2)
    p = tl.load(pos + row, mask=in_row, other=0)
    c, s = pair_angles(lo, hi, p, j, in_pair, hd // 2)
    x += row.to(tl.int64) * ld_x
    first = tl.program_id(1) * HEADS
    for head in range(first, min(first + HEADS, heads)):
        a, b = load_pair(x + head * hd, in_pair, in_row, hd, HD, INTERLEAVED)
        a, b = a.to(tl.float32), b.to(tl.float32)
        store_pair(x + head * hd, a * c - b * s, b * c + a * s, in_pair, in_row, hd, HD, INTERLEAVED)


@triton.jit
def rope_store(caches, k, v, lo, hi, pos, seq, rows, kv_heads, hd, ld_k, ld_v, rotate,
               HD: tl.constexpr, INTERLEAVED: tl.constexpr, BR: tl.constexpr, HEADS: tl.constexpr):
    row = (tl.program_id(0) * BR + tl.arange(0, BR))[:, None]
    in_row = row < rows
    j = tl.arange(0, HD // 2)[None, :]
    d = tl.arange(0, HD)[None, :]
    in_pair = in_row & (j < hd // 2)
    in_head = in_row & (d < hd)
    p = tl.load(pos + row, mask=in_row, other=0)
    c = tl.full([BR, HD // 2], 1.0, tl.float32)
    s = tl.zeros([BR, HD // 2], tl.float32)
    if rotate != 0:
        c, s = pair_angles(lo, hi, p, j, in_pair, hd // 2)
    entry = caches + 2 * tl.load(seq + row, mask=in_row, other=0)
    base = tl.load(entry, mask=in_row, other=0)
    cache = tl.multiple_of(base.to(tl.pointer_type(k.dtype.element_ty)), [16, 16])
    slots = tl.load(entry + 1, mask=in_row, other=1)
    slot = p % slots
    k += row.to(tl.int64) * ld_k
    v += row.to(tl.int64) * ld_v
    first = tl.program_id(1) * HEADS
    for head in range(first, min(first + HEADS, kv_heads)):
        a, b = load_pair(k + head * hd, in_pair, in_row, hd, HD, INTERLEAVED)
        a, b = a.to(tl.float32), b.to(tl.float32)
        keys = cache + (head * slots + slot) * hd
        store_pair(keys, a * c - b * s, b * c + a * s, in_pair, in_row, hd, HD, INTERLEAVED)
        values = tl.load(v + head * hd + d, mask=in_head, other=0.0)
        tl.store(keys + kv_heads * slots * hd + d, values, mask=in_head)


def config(build, target, v):
    return dict(BR=max(1024 // v["HD"], 8), HEADS=8, num_warps=4)


VARIANTS = tuple(dict(HD=h, INTERLEAVED=i) for h in HEAD_DIMS for i in (0, 1))
ENTRIES = [
    Entry("rope", rope, "rotates the heads of x in place.",
          args("x *T!, lo *f32!, hi *f32!, pos *i32, rows i32, heads i32, hd i32!, ld_x i32!"),
          ("cdiv(rows, BR)", "cdiv(heads, HEADS)"), config, VARIANTS),
    Entry("rope_store", rope_store, "rotates k if rotate is not 0, and writes k and v to slot pos % slots of their caches. "
          "It does not modify k. Rows of one launch must have different slots.",
          args("caches *i64!, k *T!, v *T!, lo *f32!, hi *f32!, pos *i32, seq *i32, rows i32, kv_heads i32, hd i32!, "
               "ld_k i32!, ld_v i32!, rotate i32"),
          ("cdiv(rows, BR)", "cdiv(kv_heads, HEADS)"), config, VARIANTS),
]
