"""PyTorch's side of the comparison, and OpenBLAS's, which NumPy brings. Reads a
piece of work a line and answers with its seconds as JSON, like ours/main.go:

    prefill N D, decode N D        the model of shape.py, as ours/main.go has it
    gemm M K N TYPE                [M, K] x [N, K] transposed
    attend H KV HD POS ROWS TYPE   ROWS queries of H heads after POS tokens
    blas M K N                     a float32 gemm by NumPy

Eager mode, as the library is: scaled_dot_product_attention over a preallocated
cache, torch.nn.functional.linear and rms_norm."""
import argparse
import functools
import json
import resource
import sys
import time

import numpy
import torch
import torch.nn.functional as F

from shape import CONTEXT as CAPACITY, DIM as D, FFN, HEAD_DIM as HD, HEADS, KV_HEADS as KV, LAYERS, NORM_EPS as EPS, ROPE_THETA as THETA, VOCAB

TYPES = {"bf16": torch.bfloat16, "f32": torch.float32}


def cpu_seconds():
    r = resource.getrusage(resource.RUSAGE_SELF)
    return r.ru_utime + r.ru_stime


class Model:
    def __init__(self):
        g = torch.Generator().manual_seed(1)
        new = lambda *s: (torch.randn(*s, generator=g) * s[-1] ** -0.5).to(torch.bfloat16)
        self.embed, self.output = new(VOCAB, D), new(VOCAB, D)
        self.layers = [dict(qkv=new((HEADS + 2 * KV) * HD, D), out=new(D, HEADS * HD), up=new(2 * FFN, D), down=new(D, FFN),
                            norm1=torch.ones(D, dtype=torch.bfloat16), norm2=torch.ones(D, dtype=torch.bfloat16))
                       for _ in range(LAYERS)]
        self.norm = torch.ones(D, dtype=torch.bfloat16)
        self.k = torch.zeros(LAYERS, 1, KV, CAPACITY, HD, dtype=torch.bfloat16)
        self.v = torch.zeros_like(self.k)
        freq = THETA ** -(torch.arange(0, HD, 2) / HD)
        angle = torch.outer(torch.arange(CAPACITY).float(), freq)
        self.cos = torch.cat([angle.cos()] * 2, -1).to(torch.bfloat16)
        self.sin = torch.cat([angle.sin()] * 2, -1).to(torch.bfloat16)
        self.length = self.filled = 0  # positions in use, and ever written

    def rotate(self, x, pos, n):
        half = HD // 2
        turned = torch.cat([-x[..., half:], x[..., :half]], -1)
        return x * self.cos[pos:pos + n] + turned * self.sin[pos:pos + n]

    def forward(self, tokens, head):
        n, pos = len(tokens), self.length
        mask = None
        if n > 1 and pos > 0:
            mask = torch.ones(n, pos + n, dtype=torch.bool).tril(pos)
        x = self.embed[tokens]
        for i, l in enumerate(self.layers):
            qkv = F.linear(F.rms_norm(x, (D,), l["norm1"], EPS), l["qkv"]).view(n, HEADS + 2 * KV, HD).transpose(0, 1)
            q = self.rotate(qkv[:HEADS], pos, n)[None]
            self.k[i, 0, :, pos:pos + n] = self.rotate(qkv[HEADS:HEADS + KV], pos, n)
            self.v[i, 0, :, pos:pos + n] = qkv[HEADS + KV:]
            a = F.scaled_dot_product_attention(q, self.k[i, :, :, :pos + n], self.v[i, :, :, :pos + n], attn_mask=mask,
                                               is_causal=mask is None and n > 1, enable_gqa=True)
            x = x + F.linear(a[0].transpose(0, 1).reshape(n, HEADS * HD), l["out"])
            g, u = F.linear(F.rms_norm(x, (D,), l["norm2"], EPS), l["up"]).chunk(2, -1)
            x = x + F.linear(F.silu(g) * u, l["down"])
        self.length = pos + n
        self.filled = max(self.filled, self.length)
        return F.linear(F.rms_norm(x[-1:], (D,), self.norm, EPS), self.output) if head else None


CHUNK = 512


def timed(f, flops):
    """Seconds of f, the mean over about 2e10 FLOPs or 20 calls."""
    f()
    times = min(max(1, int(2e10 / flops)), 1000)
    wall, cpu = time.perf_counter(), cpu_seconds()
    for _ in range(times):
        f()
    return dict(wall=(time.perf_counter() - wall) / times, cpu=(cpu_seconds() - cpu) / times)


def gemm(rows, depth, cols, dtype):
    a, w = torch.randn(rows, depth).to(TYPES[dtype]), torch.randn(cols, depth).to(TYPES[dtype])
    return timed(lambda: F.linear(a, w), 2 * rows * depth * cols)


def blas(rows, depth, cols):
    a, w = (numpy.random.default_rng(1).standard_normal(s, dtype=numpy.float32) for s in ((rows, depth), (cols, depth)))
    out = numpy.empty((rows, cols), dtype=numpy.float32)
    return timed(lambda: numpy.matmul(a, w.T, out=out), 2 * rows * depth * cols)


def attend(heads, kv, hd, pos, rows, dtype):
    new = lambda h, n: torch.randn(1, h, n, hd).to(TYPES[dtype])
    q, k, v = new(heads, rows), new(kv, pos + rows), new(kv, pos + rows)
    mask = torch.ones(rows, pos + rows, dtype=torch.bool).tril(pos) if rows > 1 and pos > 0 else None
    f = lambda: F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None and rows > 1, enable_gqa=heads != kv)
    return timed(f, 4 * heads * hd * rows * (pos + rows))


def tokens(model, kind, n, depth):
    m = model()
    ids = [(i * 7919 + 13) % VOCAB for i in range(max(n, depth))]
    m.length = min(m.filled, depth)
    while m.length < depth:
        m.forward(ids[m.length:min(m.length + CHUNK, depth)], False)
    m.length = depth
    wall, cpu = time.perf_counter(), cpu_seconds()
    if kind == "prefill":
        m.forward(ids[:n], False)  # in one pass, which is the fastest variant
    else:
        for i in range(n):
            m.forward([i], True)
    return dict(wall=time.perf_counter() - wall, cpu=cpu_seconds() - cpu)


def work(model, line):
    kind, *args = line.split()
    args = [int(a) if a.isdigit() else a for a in args]
    if kind in ("prefill", "decode"):
        return tokens(model, kind, *args)
    return {"gemm": gemm, "attend": attend, "blas": blas}[kind](*args)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(p.parse_args().threads)
    with torch.inference_mode():
        model = functools.cache(Model)  # made on first use
        print(json.dumps(dict(torch=torch.__version__, numpy=numpy.__version__)), flush=True)
        for line in sys.stdin:
            print(json.dumps(work(model, line)), flush=True)


if __name__ == "__main__":
    main()
