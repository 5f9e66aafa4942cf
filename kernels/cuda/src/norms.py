"""Norms inside a block: n(x, w) = x / sqrt(mean(x^2) + eps) * w, w f32.

head_norm: x T [rows, heads, hd] = n(x, w) in place, of each head with the same w [hd]. A program takes BH heads of a row; with TILE one, for wide heads.
add_norm: dst f32 += n(x, w), by rows of x T. A program takes a row. The second reading of x comes from the L1 cache.
FLOP 4*rows*heads*hd and 5*rows*dim; bytes 2*rows*heads*hd*(size of T) and rows*dim*(8 + size of T).
"""
import triton
import triton.language as tl

from spec import Entry, args, tile


@triton.jit
def head_norm(x, w, rows, heads, hd, ld_x, eps, BH: tl.constexpr, BLOCK: tl.constexpr):
    head = (tl.program_id(1) * BH + tl.arange(0, BH))[:, None]
    in_head = head < heads
    x += tl.program_id(0).to(tl.int64) * ld_x + head * hd
    squares = tl.zeros([BH, BLOCK], tl.float32)
    for c in range(0, hd, BLOCK):
        col = (c + tl.arange(0, BLOCK))[None, :]
        v = tl.load(x + col, mask=in_head & (col < hd), other=0.0).to(tl.float32)
        squares += v * v
    inv = (1.0 / tl.sqrt(tl.sum(squares, 1) / hd + eps))[:, None]
    for c in range(0, hd, BLOCK):
        col = (c + tl.arange(0, BLOCK))[None, :]
        v = tl.load(x + col, mask=in_head & (col < hd), other=0.0).to(tl.float32)
        weight = tl.load(w + col, mask=col < hd, other=0.0)
        tl.store(x + col, (v * inv * weight).to(x.dtype.element_ty), mask=in_head & (col < hd))


@triton.jit
def add_norm(dst, x, w, rows, dim, ld_dst, ld_x, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    x += row * ld_x
    dst += row * ld_dst
    squares = tl.zeros([BLOCK], tl.float32)
    for c in range(0, dim, BLOCK):
        col = c + tl.arange(0, BLOCK)
        v = tl.load(x + col, mask=col < dim, other=0.0).to(tl.float32)
        squares += v * v
    inv = 1.0 / tl.sqrt(tl.sum(squares, 0) / dim + eps)
    for c in range(0, dim, BLOCK):
        col = c + tl.arange(0, BLOCK)
        v = tl.load(x + col, mask=col < dim, other=0.0).to(tl.float32)
        weight = tl.load(w + col, mask=col < dim, other=0.0)
        base = tl.load(dst + col, mask=col < dim, other=0.0)
        tl.store(dst + col, base + v * inv * weight, mask=col < dim)


def head_config(build, target, v):
    heads, block = tile(v) if v["TILE"] else (4, 256)
    return dict(BH=heads, BLOCK=block, num_warps=4)


ENTRIES = [
    Entry("head_norm", head_norm, "x = x / sqrt(mean x² + eps) * w, of each head of each row.",
          args("x *T!, w *f32!, rows i32, heads i32, hd i32!, ld_x i32!, eps f32"),
          ("rows", "cdiv(heads, BH)"), head_config, tuple(dict(TILE=t) for t in ("", "1x1024"))),
    Entry("add_norm", add_norm, "dst += x / sqrt(mean x² + eps) * w, by rows.",
          args("dst *f32!, x *T!, w *f32!, rows i32, dim i32!, ld_dst i32!, ld_x i32!, eps f32"),
          ("rows",), lambda build, target, v: dict(BLOCK=1024, num_warps=4)),
]
