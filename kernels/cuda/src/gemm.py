"""c = a b^T: a T [m, k], b T [n, k] row-major; row strides lda, ldb, ldc.

gemm_t: c T. gemm_f32: c f32 (logits). gemm_add: c f32 += (residual).
gemm_glu: c T = act(a b1^T) * (a b2^T), b1 = rows 0..n-1 of b, b2 = rows n..2n-1; act(x) = x sigmoid(linear x + cubic x^3).
Variants with TILE have smaller tiles, for few rows, where large tiles would not occupy the whole GPU.
Persistent: each program computes every sms-th tile, in groups of GROUP rows of tiles so that neighbors share a and b in L2.
FLOP 2*m*n*k (twice that for glu); bytes at least (m*k + n*k)*(size of T) + m*n*(size of c), n twice in k*n for glu, c twice for add.
"""
import triton
import triton.language as tl

from common import activation, grouped_tile
from spec import Entry, args, tile

T, F32, ADD, GLU = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2), tl.constexpr(3)


@triton.jit
def gemm(c, a, b, m, n, k, ldc, lda, ldb, MODE: tl.constexpr,
         BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr):
    product(c, a, b, m, n, k, ldc, lda, ldb, 0.0, 0.0, MODE, BM, BN, BK, GROUP)


@triton.jit
def gemm_glu(c, a, b, m, n, k, ldc, lda, ldb, linear, cubic, MODE: tl.constexpr,
             BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr):
    product(c, a, b, m, n, k, ldc, lda, ldb, linear, cubic, MODE, BM, BN, BK, GROUP)


@triton.jit
def product(c, a, b, m, n, k, ldc, lda, ldb, linear, cubic, MODE: tl.constexpr,
            BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr):
    tiles_m, tiles_n = tl.cdiv(m, BM), tl.cdiv(n, BN)
    for tile in range(tl.program_id(0), tiles_m * tiles_n, tl.num_programs(0)):
        tile_m, tile_n = grouped_tile(tile, tiles_m, tiles_n, GROUP)
        row = tile_m * BM + tl.arange(0, BM)
        col = tile_n * BN + tl.arange(0, BN)
        kk = tl.arange(0, BK)
        in_a, in_b = (row < m)[:, None], (col < n)[None, :]
        pa = a + row.to(tl.int64)[:, None] * lda + kk[None, :]
        pb = b + col.to(tl.int64)[None, :] * ldb + kk[:, None]
        pc = c + row.to(tl.int64)[:, None] * ldc + col[None, :]
        inside = in_a & in_b
        if MODE == ADD:
            acc = tl.load(pc, mask=inside, other=0.0)
        else:
            acc = tl.zeros([BM, BN], tl.float32)
        if MODE == GLU:
            up = tl.zeros([BM, BN], tl.float32)
            second = n.to(tl.int64) * ldb
        for i in range(0, tl.cdiv(k, BK)):
            left = k - i * BK
            x = tl.load(pa, mask=in_a & (kk < left)[None, :], other=0.0)
            w = tl.load(pb, mask=in_b & (kk < left)[:, None], other=0.0)
            acc = tl.dot(x, w, acc, input_precision="ieee")
            if MODE == GLU:
                w = tl.load(pb + second, mask=in_b & (kk < left)[:, None], other=0.0)
                up = tl.dot(x, w, up, input_precision="ieee")
            pa += BK
            pb += BK
        if MODE == GLU:
            acc = activation(acc, linear, cubic) * up
        out = acc.to(c.dtype.element_ty)
        # A complete tile is stored without masks, and so with wide stores, whatever n is.
        if (tile_m + 1) * BM <= m and (tile_n + 1) * BN <= n:
            tl.store(pc, out)
        else:
            tl.store(pc, out, mask=inside)


TILES = ("", "64x64", "64x32")


def config(mode):
    def f(build, target, v):
        if v["TILE"]:
            if build == "f32":  # its default tile is already small
                return None
            bm, bn = tile(v)
            if target == "sm_80":
                return dict(MODE=mode.value, BM=bm, BN=bn, BK=64, GROUP=8, num_warps=4, num_stages=3)
            stages = 4 if bn == 64 or mode.value == GLU.value else 5
            bk = 64 if bn == 64 and mode.value == GLU.value else 128
            return dict(MODE=mode.value, BM=bm, BN=bn, BK=bk, GROUP=8, num_warps=4, num_stages=stages)
        if build == "f32":
            return dict(MODE=mode.value, BM=32, BN=32, BK=16, GROUP=8, num_warps=4, num_stages=2)
        bn = 256 if target == "sm_90a" and mode.value == T.value else 128
        if mode.value == GLU.value and target == "sm_80":
            bn = 64
        stages = 3 if target == "sm_80" else 4
        return dict(MODE=mode.value, BM=128, BN=bn, BK=64 if target == "sm_90a" else 32, GROUP=8, num_warps=8, num_stages=stages)
    return f


def entry(name, mode, out, doc):
    more = ", linear f32, cubic f32" if mode.value == GLU.value else ""
    return Entry(name, gemm_glu if more else gemm, doc,
                 args(f"c {out}!, a *T!, b *T!, m i32, n i32, k i32!, ldc i32!, lda i32!, ldb i32!{more}"),
                 ("min(cdiv(m, BM)*cdiv(n, BN), sms)",), config(mode), tuple(dict(TILE=t) for t in TILES))


ENTRIES = [
    entry("gemm_t", T, "*T", "c = a bᵀ in T."),
    entry("gemm_f32", F32, "*f32", "c = a bᵀ in float32."),
    entry("gemm_add", ADD, "*f32", "c += a bᵀ in float32."),
    entry("gemm_glu", GLU, "*T", "c = act(a b1ᵀ) * (a b2ᵀ) with act(x) = x sigmoid(linear x + cubic x³), where b1 is rows 0..n-1 of b and b2 rows n..2n-1."),
]
