"""log softmax(x w^T)[target] of each row without a [rows, vocab] matrix; with a cap above 0 of scores cap tanh(x w^T / cap).

x T [rows, dim], w T [vocab, dim]; part f32 [rows, splits, 3] receives (maximum, sum of exp(s - maximum), the target's score or 0) of the
vocabulary tiles of each split, which logprobs_reduce combines into out f32 [rows] = score - max - log(sum).
FLOP 2*rows*vocab*dim; bytes at least (rows + vocab)*dim*(size of T).
"""
import triton
import triton.language as tl

from common import LOG2E, bounded
from spec import Entry, args


@triton.jit
def logprobs(part, x, w, targets, rows, vocab, dim, ld_x, ld_w, splits, cap, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    split = tl.program_id(1)
    row = tl.program_id(0) * BM + tl.arange(0, BM)
    in_row = row < rows
    target = tl.load(targets + row, mask=in_row, other=-1)
    kk = tl.arange(0, BK)
    top = tl.full([BM], float("-inf"), tl.float32)
    total = tl.zeros([BM], tl.float32)
    score = tl.zeros([BM], tl.float32)
    for tile in range(split, tl.cdiv(vocab, BN), splits):
        col = tile * BN + tl.arange(0, BN)
        in_col = col < vocab
        px = x + row.to(tl.int64)[:, None] * ld_x + kk[None, :]
        pw = w + col.to(tl.int64)[None, :] * ld_w + kk[:, None]
        s = tl.zeros([BM, BN], tl.float32)
        for i in range(0, tl.cdiv(dim, BK)):
            left = dim - i * BK
            a = tl.load(px, mask=in_row[:, None] & (kk < left)[None, :], other=0.0)
            b = tl.load(pw, mask=in_col[None, :] & (kk < left)[:, None], other=0.0)
            s = tl.dot(a, b, s, input_precision="ieee")
            px += BK
            pw += BK
        if cap > 0:
            s = bounded(s, 2.0 * LOG2E / cap, cap)
        score += tl.sum(tl.where(col[None, :] == target[:, None], s, 0.0), 1)
        s = tl.where(in_col[None, :], s, float("-inf"))
        new = tl.maximum(top, tl.max(s, 1))
        total = total * tl.exp(top - new) + tl.sum(tl.exp(s - new[:, None]), 1)
        top = new
    place = part + (row.to(tl.int64) * splits + split) * 3
    tl.store(place, top, mask=in_row)
    tl.store(place + 1, total, mask=in_row)
    tl.store(place + 2, score, mask=in_row)


@triton.jit
def logprobs_reduce(out, part, rows, splits, BM: tl.constexpr):
    row = tl.program_id(0) * BM + tl.arange(0, BM)
    inside = row < rows
    place = part + row.to(tl.int64) * splits * 3
    top = tl.full([BM], float("-inf"), tl.float32)
    total = tl.zeros([BM], tl.float32)
    score = tl.zeros([BM], tl.float32)
    for s in range(0, splits):
        m = tl.load(place + s * 3, mask=inside, other=0.0)
        new = tl.maximum(top, m)
        total = total * tl.exp(top - new) + tl.load(place + s * 3 + 1, mask=inside, other=0.0) * tl.exp(m - new)
        score += tl.load(place + s * 3 + 2, mask=inside, other=0.0)
        top = new
    tl.store(out + row, score - top - tl.log(tl.where(inside, total, 1.0)), mask=inside)


def config(build, target, v):
    if build == "f32":
        return dict(BM=16, BN=32, BK=16, num_warps=4, num_stages=2)
    return dict(BM=128, BN=128, BK=64 if target == "sm_90a" else 32, num_warps=8, num_stages=4)


ENTRIES = [
    Entry("logprobs", logprobs, "online log-sum-exp over the vocabulary tiles of each split and the target's score, into part [rows, splits, 3]. "
          "With cap above 0 scores are cap tanh(x wᵀ / cap). splits must not exceed the number of tiles, cdiv(vocab, BN).",
          args("part *f32!, x *T!, w *T!, targets *i32, rows i32, vocab i32, dim i32!, ld_x i32!, ld_w i32!, splits i32, cap f32"),
          ("cdiv(rows, BM)", "splits"), config),
    Entry("logprobs_reduce", logprobs_reduce, "out[r] = log p(target of r).",
          args("out *f32!, part *f32!, rows i32, splits i32"), ("cdiv(rows, BM)",), lambda build, target, v: dict(BM=128, num_warps=4)),
]
