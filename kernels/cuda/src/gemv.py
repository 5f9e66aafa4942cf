"""The products of gemm.py for m <= 16 rows, where reading b once determines the time.

One program computes BN rows of b over all of k, so no sum spans several programs.
FLOP 2*m*n*k; bytes n*k*(size of T), twice that for glu.
"""
import triton
import triton.language as tl

from common import activation
from gemm import ADD, F32, GLU, T
from spec import Entry, args


@triton.jit
def gemv(c, a, b, m, n, k, ldc, lda, ldb, MODE: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    few(c, a, b, m, n, k, ldc, lda, ldb, 0.0, 0.0, MODE, BM, BN, BK)


@triton.jit
def gemv_glu(c, a, b, m, n, k, ldc, lda, ldb, linear, cubic, MODE: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    few(c, a, b, m, n, k, ldc, lda, ldb, linear, cubic, MODE, BM, BN, BK)


@triton.jit
def few(c, a, b, m, n, k, ldc, lda, ldb, linear, cubic, MODE: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    row = tl.arange(0, BM)
    col = tl.program_id(0) * BN + tl.arange(0, BN)
    kk = tl.arange(0, BK)
    in_a, in_b = (row < m)[None, :], (col < n)[:, None]
    pa = a + row[None, :] * lda + kk[:, None]
    pb = b + col.to(tl.int64)[:, None] * ldb + kk[None, :]
    acc = tl.zeros([BN, BM], tl.float32)
    if MODE == GLU:
        up = tl.zeros([BN, BM], tl.float32)
        second = n.to(tl.int64) * ldb
    for i in range(0, tl.cdiv(k, BK)):
        left = k - i * BK
        x = tl.load(pa, mask=in_a & (kk < left)[:, None], other=0.0)
        w = tl.load(pb, mask=in_b & (kk < left)[None, :], other=0.0)
        acc = tl.dot(w, x, acc, input_precision="ieee")
        if MODE == GLU:
            w = tl.load(pb + second, mask=in_b & (kk < left)[None, :], other=0.0)
            up = tl.dot(w, x, up, input_precision="ieee")
        pa += BK
        pb += BK
    pc = c + row[None, :].to(tl.int64) * ldc + col[:, None]
    inside = in_a & in_b
    if MODE == ADD:
        acc += tl.load(pc, mask=inside, other=0.0)
    if MODE == GLU:
        acc = activation(acc, linear, cubic) * up
    tl.store(pc, acc.to(c.dtype.element_ty), mask=inside)


def config(mode):
    def f(build, target, v):
        if build == "f32":
            return dict(MODE=mode.value, BM=16, BN=32, BK=16, num_warps=4, num_stages=2)
        return dict(MODE=mode.value, BM=16, BN=16, BK=256, num_warps=4, num_stages=4)
    return f


def entry(name, mode, out, doc):
    more = ", linear f32, cubic f32" if mode.value == GLU.value else ""
    return Entry(name, gemv_glu if more else gemv, doc,
                 args(f"c {out}!, a *T!, b *T!, m i32, n i32, k i32!, ldc i32!, lda i32!, ldb i32!{more}"),
                 ("cdiv(n, BN)",), config(mode))


ENTRIES = [
    entry("gemv_t", T, "*T", "c = a bᵀ in T for m ≤ 16."),
    entry("gemv_f32", F32, "*f32", "c = a bᵀ in float32 for m ≤ 16."),
    entry("gemv_add", ADD, "*f32", "c += a bᵀ in float32 for m ≤ 16."),
    entry("gemv_glu", GLU, "*T", "c = act(a b1ᵀ) * (a b2ᵀ) for m ≤ 16; act, b1 and b2 as in gemm_glu."),
]
