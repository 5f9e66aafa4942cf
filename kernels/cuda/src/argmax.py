"""out[r] = index of the largest value of x[r, :], the lowest index among equals; -1 if all are NaN.

x f32 [rows, n] with row stride ld. One program per row. FLOP rows*n comparisons; bytes 4*rows*n.
"""
import triton
import triton.language as tl

from spec import Entry, args


@triton.jit
def argmax(out, x, rows, n, ld, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    x += row * ld
    best = tl.full([BLOCK], float("-inf"), tl.float32)
    index = tl.full([BLOCK], 0x7fffffff, tl.int32)
    for c in range(0, n, BLOCK):
        col = c + tl.arange(0, BLOCK)
        v = tl.load(x + col, mask=col < n, other=float("-inf"))
        better = (v > best) | ((v == best) & (index == 0x7fffffff) & (col < n))
        best = tl.where(better, v, best)
        index = tl.where(better, col, index)
    top = tl.max(best, 0)
    first = tl.min(tl.where(best == top, index, 0x7fffffff), 0)
    tl.store(out + row, tl.where(first == 0x7fffffff, -1, first))


ENTRIES = [Entry(
    "argmax", argmax, "out[r] = index of the largest value of x[r], the lowest index among equals; -1 if all are NaN.",
    args("out *i32!, x *f32!, rows i32, n i32, ld i32!"), ("rows",), lambda build, target, v: dict(BLOCK=4096, num_warps=8))]
