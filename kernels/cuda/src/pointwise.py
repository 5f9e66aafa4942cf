"""Operations on each element of rows: copy dst T = x f32; add_bias x T += b f32 [cols]; soft_cap x f32 = cap tanh(x / cap).

FLOP rows*cols, of soft_cap about 6*rows*cols; bytes rows*cols*(4 + size of T), 2*rows*cols*(size of T), 8*rows*cols.
"""
import triton
import triton.language as tl

from common import LOG2E, bounded
from spec import Entry, args


@triton.jit
def copy(dst, x, rows, cols, ld_dst, ld_x, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    col = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x + row * ld_x + col, mask=col < cols, other=0.0)
    tl.store(dst + row * ld_dst + col, v.to(dst.dtype.element_ty), mask=col < cols)


@triton.jit
def add_bias(x, b, rows, cols, ld_x, BLOCK: tl.constexpr):
    col = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    x += tl.program_id(0).to(tl.int64) * ld_x + col
    v = tl.load(x, mask=col < cols, other=0.0).to(tl.float32) + tl.load(b + col, mask=col < cols, other=0.0)
    tl.store(x, v.to(x.dtype.element_ty), mask=col < cols)


@triton.jit
def soft_cap(x, rows, cols, ld_x, cap, BLOCK: tl.constexpr):
    col = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    x += tl.program_id(0).to(tl.int64) * ld_x + col
    slope = 2.0 * LOG2E / cap
    if (tl.program_id(1) + 1) * BLOCK <= cols:  # in wide pieces, whatever cols is
        tl.store(x, bounded(tl.load(x), slope, cap))
    else:
        tl.store(x, bounded(tl.load(x, mask=col < cols, other=0.0), slope, cap), mask=col < cols)


def entry(fn, doc, text):
    return Entry(fn.__name__, fn, doc, args(text), ("rows", "cdiv(cols, BLOCK)"), lambda build, target, v: dict(BLOCK=1024, num_warps=4))


ENTRIES = [
    entry(copy, "dst = x.", "dst *T!, x *f32!, rows i32, cols i32!, ld_dst i32!, ld_x i32!"),
    entry(add_bias, "x += b, by rows.", "x *T!, b *f32!, rows i32, cols i32!, ld_x i32!"),
    entry(soft_cap, "x = cap tanh(x / cap).", "x *f32!, rows i32, cols i32, ld_x i32!, cap f32"),
]
