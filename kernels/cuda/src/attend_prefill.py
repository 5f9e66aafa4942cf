"""Causal attention of one span over a global cache: row r, at position pos0 + r, sees keys 0..pos0 + r.

dst, q T [rows, heads, hd] (q rotated; dst may be q); cache: keys T [kv_heads, slots, hd], then values; slot = position.
Query head h reads kv head h / (heads/kv_heads). A program computes BM rows of one head; the rows with most keys start first, all
heads of the same rows together. Keys visible to all its rows are processed in a loop without masks, the rest in one with masks.
FLOP 4*heads*hd*rows*(pos0 + rows/2); bytes at least 2*rows*heads*hd*(size of T) + the keys and values once.
"""
import triton
import triton.language as tl

from attend import CAP, NO_CAP, attend_tiles, base2, load_queries
from common import aligned_pointer
from spec import HEAD_DIMS, Entry, args, tile


@triton.jit
def attend_prefill(dst, q, cache, rows, pos0, heads, kv_heads, hd, slots, ld_dst, ld_q, scale,
                   HD: tl.constexpr, HK: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr):
    prefill(dst, q, cache, rows, pos0, heads, kv_heads, hd, slots, ld_dst, ld_q, scale, 0.0, NO_CAP, HD, HK, BM, BN)


@triton.jit
def attend_prefill_cap(dst, q, cache, rows, pos0, heads, kv_heads, hd, slots, ld_dst, ld_q, scale, cap,
                       HD: tl.constexpr, HK: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr):
    prefill(dst, q, cache, rows, pos0, heads, kv_heads, hd, slots, ld_dst, ld_q, scale, cap, CAP, HD, HK, BM, BN)


@triton.jit
def prefill(dst, q, cache, rows, pos0, heads, kv_heads, hd, slots, ld_dst, ld_q, scale, cap, BOUND: tl.constexpr,
            HD: tl.constexpr, HK: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr):
    t = q.dtype.element_ty
    head = tl.program_id(0) % heads
    row0 = (tl.cdiv(rows, BM) - 1 - tl.program_id(0) // heads) * BM
    row = tl.arange(0, BM)
    in_row = row < rows - row0
    keys = aligned_pointer(cache, t) + (head // (heads // kv_heads)).to(tl.int64) * slots * hd
    values = keys + kv_heads.to(tl.int64) * slots * hd
    queries = load_queries(q + row0.to(tl.int64) * ld_q + head * hd, ld_q, in_row, hd, BM, HD, HK)
    first = pos0 + row0
    end = first + min(rows - row0, BM)
    seen_by_all = (first + 1) // BN * BN
    acc = tl.zeros([BM, HD], tl.float32)
    top = tl.full([BM], float("-inf"), tl.float32)
    total = tl.zeros([BM], tl.float32)
    scale, cap = base2(scale, cap, BOUND)
    acc, top, total = attend_tiles(acc, top, total, queries, keys, values, hd, hd, hd, scale, cap, 0, seen_by_all, end, first, end, 1,
                                   BOUND, False, False, HD, HK, BN)
    acc, top, total = attend_tiles(acc, top, total, queries, keys, values, hd, hd, hd, scale, cap, seen_by_all, end, end, first, end, 1,
                                   BOUND, True, False, HD, HK, BN)
    out = acc / tl.where(in_row, total, 1.0)[:, None]
    d = tl.arange(0, HD)[None, :]
    dst += row0.to(tl.int64) * ld_dst + head * hd
    tl.store(dst + row[:, None] * ld_dst + d, out.to(t), mask=in_row[:, None] & (d < hd))


TILES = ("", "64x64")


def config(build, target, v):
    hd = v["HD"]
    if v.get("TILE"):
        if build == "f32" or hd < 64 or hd > 128:
            return None
        bm, bn = tile(v)
        return dict(HK=hd, BM=bm, BN=bn, num_warps=4, num_stages=3 if target == "sm_90a" else 2)
    if build == "f32":
        return dict(HK=16 if hd == 256 else min(hd, 32), BM=16, BN=16, num_warps=4 if hd <= 64 else 8, num_stages=1)
    if hd == 256:
        return dict(HK=hd, BM=64, BN=32, num_warps=8, num_stages=2)
    if hd == 32 and target == "sm_80":
        return dict(HK=hd, BM=64, BN=64, num_warps=4, num_stages=3)
    return dict(HK=hd, BM=128, BN=64, num_warps=8, num_stages=3)


def entry(fn, doc, tiles, more=""):
    return Entry(fn.__name__, fn, doc,
                 args("dst *T!, q *T!, cache i64!, rows i32, pos0 i32, heads i32, kv_heads i32, hd i32!, slots i32, ld_dst i32!, ld_q i32!, "
                      f"scale f32{more}"),
                 ("cdiv(rows, BM)*heads",), config, tuple(dict(HD=h, **t) for h in HEAD_DIMS for t in tiles))


ENTRIES = [
    entry(attend_prefill, "causal attention of one span: row r, at position pos0+r, sees slots 0..pos0+r. dst may be q.", [dict(TILE=t) for t in TILES]),
    entry(attend_prefill_cap, "AttendPrefill with scores cap tanh(scale q k / cap).", [{}], ", cap f32"),
]
