"""The inner loop of softmax attention, shared by prefill, window and decode attention.

Head vectors are divided into pieces of HK columns, because the f32 build keeps the operands of its products in
registers, which do not hold all columns at once. In the bf16 build HK is HD.
"""
import triton
import triton.language as tl

from common import LOG2E, bounded


@triton.jit
def load_queries(q, ld_q, in_row, hd, BM: tl.constexpr, HD: tl.constexpr, HK: tl.constexpr):
    """BM rows of a head's queries, as a tuple of pieces [BM, HK]."""
    row = tl.arange(0, BM)[:, None]
    pieces = ()
    for c in tl.static_range(0, HD, HK):
        d = c + tl.arange(0, HK)[None, :]
        pieces = pieces + (tl.load(q + row * ld_q + d, mask=in_row[:, None] & (d < hd), other=0.0),)
    return pieces


# BOUND: scores are bounded never, where cap is above 0, or always. The branch at run time costs registers and stages of the loop.
NO_CAP, MAY_CAP, CAP = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2)


@triton.jit
def base2(scale, cap, BOUND: tl.constexpr):
    """The scale and cap of attend_tiles for scores scale q k, or cap tanh(scale q k / cap) where they are bounded."""
    if BOUND == NO_CAP:
        return scale * LOG2E, cap
    elif BOUND == MAY_CAP:
        return tl.where(cap > 0, 2.0 * scale / cap, scale) * LOG2E, cap * LOG2E
    else:
        return 2.0 * scale / cap * LOG2E, cap * LOG2E


@triton.jit
def attend_tiles(acc, top, total, q, keys, values, ld_k, ld_v, hd, scale, cap, start, end, limit, first, window, ring,
                 BOUND: tl.constexpr, MASK: tl.constexpr, RING: tl.constexpr, HD: tl.constexpr, HK: tl.constexpr, BN: tl.constexpr):
    """Adds keys start..end-1 to the running maximum top, sum total and output acc. Exponentials use base 2; scale and cap come
    from base2.

    keys and values point at key 0 of the head. With RING, key p is in slot p % ring.
    With MASK, keys at limit and beyond do not exist, and row i sees keys first + i - window + 1 .. first + i;
    without, every row sees every key."""
    BM: tl.constexpr = acc.shape[0]
    d = tl.arange(0, HD)[None, :]
    for n in range(start, end, BN):
        key = n + tl.arange(0, BN)
        slot = key
        if RING:
            slot = key % ring
        in_key = key < limit
        s = tl.zeros([BM, BN], tl.float32)
        for c in tl.static_range(0, HD // HK):
            dk = c * HK + tl.arange(0, HK)[:, None]
            inside = dk < hd
            if MASK:
                inside = inside & in_key[None, :]
            k = tl.load(keys + slot[None, :] * ld_k + dk, mask=inside, other=0.0)
            s = tl.dot(q[c], k, s, input_precision="ieee")
        if BOUND == NO_CAP:
            s *= scale
        elif BOUND == MAY_CAP:
            if cap > 0:
                s = bounded(s, scale, cap)
            else:
                s *= scale
        else:
            s = bounded(s, scale, cap)
        if MASK:
            gap = (first + tl.arange(0, BM))[:, None] - key[None, :]
            s = tl.where((gap >= 0) & (gap < window) & in_key[None, :], s, float("-inf"))
        new = tl.maximum(top, tl.max(s, 1))
        base = new
        if MASK:
            base = tl.where(new == float("-inf"), 0.0, new)
        p = tl.exp2(s - base[:, None])
        shrink = tl.exp2(top - base)
        total = total * shrink + tl.sum(p, 1)
        inside = d < hd
        if MASK:
            inside = inside & in_key[:, None]
        v = tl.load(values + slot[:, None] * ld_v + d, mask=inside, other=0.0)
        acc = tl.dot(p.to(v.dtype), v, acc * shrink[:, None], input_precision="ieee")
        top = new
    return acc, top, total
