"""dst[r, :] = x[r, :] / sqrt(mean(x[r, :]^2) + eps) * w

dst T, x f32, w f32 [dim]. One program per row; the second read of x hits the L1 cache.
FLOP 4*rows*dim; bytes rows*dim*(4 + size of T).
"""
import triton
import triton.language as tl

from spec import Entry, args


@triton.jit
def rmsnorm(dst, x, w, rows, dim, ld_dst, ld_x, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    x += row * ld_x
    dst += row * ld_dst
    squares = tl.zeros([BLOCK], tl.float32)
    for c in range(0, dim, BLOCK):
        col = c + tl.arange(0, BLOCK)
        v = tl.load(x + col, mask=col < dim, other=0.0)
        squares += v * v
    inv = 1.0 / tl.sqrt(tl.sum(squares, 0) / dim + eps)
    for c in range(0, dim, BLOCK):
        col = c + tl.arange(0, BLOCK)
        v = tl.load(x + col, mask=col < dim, other=0.0)
        weight = tl.load(w + col, mask=col < dim, other=0.0)
        tl.store(dst + col, (v * inv * weight).to(dst.dtype.element_ty), mask=col < dim)


ENTRIES = [Entry(
    "rmsnorm", rmsnorm, "dst[r] = x[r] / sqrt(mean x[r]² + eps) * w.",
    args("dst *T!, x *f32!, w *f32!, rows i32, dim i32!, ld_dst i32!, ld_x i32!, eps f32"),
    ("rows",),
    lambda build, target, v: dict(BLOCK=1024, num_warps=4))]
