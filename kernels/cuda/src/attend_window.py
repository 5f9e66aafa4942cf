"""Sliding-window attention of one span: row r, at position p = pos0 + r, sees positions p - window + 1 .. p.

Keys before pos0 come from the ring cache as it was before this span (slot = position % slots, slots = min(window, capacity)), those of the span from
k (rotated) and v T [rows, kv_heads, hd]. dst, q T [rows, heads, hd] (q rotated; dst may be q). Query head h reads kv head h / (heads/kv_heads).
A program computes BM rows of one head: first keys in the ring, then the span's keys at the lower edge of the windows, those
visible to all its rows, and those on the diagonal.
FLOP 4*heads*hd*rows*window; bytes at least 2*rows*(heads + kv_heads)*hd*(size of T).
"""
import triton
import triton.language as tl

from attend import CAP, NO_CAP, attend_tiles, base2, load_queries
from attend_prefill import config as prefill_config
from common import aligned_pointer
from spec import HEAD_DIMS, Entry, args


@triton.jit
def attend_window(dst, q, k, v, cache, rows, pos0, heads, kv_heads, hd, window, slots, ld_dst, ld_q, ld_k, ld_v, scale,
                  HD: tl.constexpr, HK: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr):
    in_window(dst, q, k, v, cache, rows, pos0, heads, kv_heads, hd, window, slots, ld_dst, ld_q, ld_k, ld_v, scale, 0.0, NO_CAP, HD, HK, BM, BN)


@triton.jit
def attend_window_cap(dst, q, k, v, cache, rows, pos0, heads, kv_heads, hd, window, slots, ld_dst, ld_q, ld_k, ld_v, scale, cap,
                      HD: tl.constexpr, HK: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr):
    in_window(dst, q, k, v, cache, rows, pos0, heads, kv_heads, hd, window, slots, ld_dst, ld_q, ld_k, ld_v, scale, cap, CAP, HD, HK, BM, BN)


@triton.jit
def in_window(dst, q, k, v, cache, rows, pos0, heads, kv_heads, hd, window, slots, ld_dst, ld_q, ld_k, ld_v, scale, cap, BOUND: tl.constexpr,
              HD: tl.constexpr, HK: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr):
    t = q.dtype.element_ty
    head = tl.program_id(0) % heads
    row0 = tl.program_id(0) // heads * BM
    row = tl.arange(0, BM)
    in_row = row < rows - row0
    queries = load_queries(q + row0.to(tl.int64) * ld_q + head * hd, ld_q, in_row, hd, BM, HD, HK)
    acc = tl.zeros([BM, HD], tl.float32)
    top = tl.full([BM], float("-inf"), tl.float32)
    total = tl.zeros([BM], tl.float32)
    scale, cap = base2(scale, cap, BOUND)

    kv_head = head * kv_heads // heads
    ring_k = aligned_pointer(cache, t) + kv_head.to(tl.int64) * slots * hd
    ring_v = ring_k + kv_heads.to(tl.int64) * slots * hd
    k += kv_head * hd
    v += kv_head * hd
    oldest = tl.maximum(pos0 + row0 - window + 1, 0)
    acc, top, total = attend_tiles(acc, top, total, queries, ring_k, ring_v, hd, hd, hd, scale, cap, oldest, pos0, pos0, pos0 + row0, window,
                                   slots, BOUND, True, True, HD, HK, BN)

    # Indices of the span's keys are relative to the oldest key that a row of this program sees.
    oldest = tl.maximum(row0 - window + 1, 0)
    k += oldest.to(tl.int64) * ld_k
    v += oldest.to(tl.int64) * ld_v
    first = row0 - oldest
    end = first + min(rows - row0, BM)
    low = min(tl.cdiv(max(first + BM - window, 0), BN) * BN, end)
    high = max((first + 1) // BN * BN, low)
    acc, top, total = attend_tiles(acc, top, total, queries, k, v, ld_k, ld_v, hd, scale, cap, 0, low, end, first, window, 1,
                                   BOUND, True, False, HD, HK, BN)
    acc, top, total = attend_tiles(acc, top, total, queries, k, v, ld_k, ld_v, hd, scale, cap, low, high, end, first, window, 1,
                                   BOUND, False, False, HD, HK, BN)
    acc, top, total = attend_tiles(acc, top, total, queries, k, v, ld_k, ld_v, hd, scale, cap, high, end, end, first, window, 1,
                                   BOUND, True, False, HD, HK, BN)
    out = acc / tl.where(in_row, total, 1.0)[:, None]
    d = tl.arange(0, HD)[None, :]
    dst += row0.to(tl.int64) * ld_dst + head * hd
    tl.store(dst + row[:, None] * ld_dst + d, out.to(t), mask=in_row[:, None] & (d < hd))


def config(build, target, v):
    c = prefill_config(build, target, dict(v, TILE=""))
    if build == "bf16" and (v["HD"] == 128 or v["HD"] == 32 and target == "sm_80"):
        c["BN"] = 32
    if build == "f32":  # others spill
        c["HK"] = {("sm_80", 32): 16, ("sm_90a", 256): 32}.get((target, v["HD"]), c["HK"])
    return c


def entry(fn, doc, more=""):
    return Entry(fn.__name__, fn, doc,
                 args("dst *T!, q *T!, k *T!, v *T!, cache i64!, rows i32, pos0 i32, heads i32, kv_heads i32, hd i32!, window i32, slots i32, "
                      f"ld_dst i32!, ld_q i32!, ld_k i32!, ld_v i32!, scale f32{more}"),
                 ("cdiv(rows, BM)*heads",), config, tuple(dict(HD=h) for h in HEAD_DIMS))


ENTRIES = [
    entry(attend_window, "sliding-window attention of one span: earlier positions come from the ring cache (as it was before the span), the span's own "
          "from k (rotated) and v. dst may be q."),
    entry(attend_window_cap, "AttendWindow with scores cap tanh(scale q k / cap).", ", cap f32"),
]
