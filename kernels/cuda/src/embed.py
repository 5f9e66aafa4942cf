"""dst[r, :] = table[tokens[r], :] * scale

dst f32 [rows, dim] with row stride ld_dst, table T [vocab, dim].
FLOP rows*dim; bytes rows*dim*(4 + size of T).
"""
import triton
import triton.language as tl

from spec import Entry, args


@triton.jit
def embed(dst, table, tokens, rows, dim, ld_dst, scale, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    col = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = col < dim
    token = tl.load(tokens + row).to(tl.int64)
    x = tl.load(table + token * dim + col, mask=mask, other=0.0).to(tl.float32)
    tl.store(dst + row.to(tl.int64) * ld_dst + col, x * scale, mask=mask)


ENTRIES = [Entry(
    "embed", embed, "dst[r] = table[tokens[r]] * scale.",
    args("dst *f32!, table *T!, tokens *i32, rows i32, dim i32!, ld_dst i32!, scale f32"),
    ("rows", "cdiv(dim, BLOCK)"),
    lambda build, target, v: dict(BLOCK=1024, num_warps=4))]
