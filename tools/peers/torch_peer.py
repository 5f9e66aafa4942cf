"""PyTorch's side of the comparison: the same model and protocol as ours/main.go,
and `gemm M K N TYPE`. Eager mode, as the library is: scaled_dot_product_attention
over a preallocated cache, torch.nn.functional.linear and rms_norm."""
import argparse
import json
import resource
import sys
import time

import torch
import torch.nn.functional as F

D, LAYERS, FFN, VOCAB, HEADS, KV, HD, THETA, EPS = 576, 30, 1536, 49152, 9, 3, 64, 1e5, 1e-5
CAPACITY = 8192


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


def work(m, line):
    kind, *args = line.split()
    if kind == "gemm":
        rows, depth, cols = map(int, args[:3])
        t = {"bf16": torch.bfloat16, "f32": torch.float32}[args[3]]
        a, w = torch.randn(rows, depth).to(t), torch.randn(cols, depth).to(t)
        F.linear(a, w)
        times = max(1, int(2e10 / (2 * rows * depth * cols)))
        wall, cpu = time.perf_counter(), cpu_seconds()
        for _ in range(times):
            F.linear(a, w)
        return dict(wall=(time.perf_counter() - wall) / times, cpu=(cpu_seconds() - cpu) / times)
    n, depth = map(int, args)
    ids = [(i * 7919 + 13) % VOCAB for i in range(max(n, depth))]
    m.length = min(m.filled, depth)
    while m.length < depth:
        m.forward(ids[m.length:min(m.length + CHUNK, depth)], False)
    m.length = depth
    wall, cpu = time.perf_counter(), cpu_seconds()
    if kind == "prefill":
        m.forward(ids[:n], False)  # in one pass: the fastest of the ways tried
    elif kind == "decode":
        for i in range(n):
            m.forward([i], True)
    else:
        raise ValueError(f"unknown work {line!r}")
    return dict(wall=time.perf_counter() - wall, cpu=cpu_seconds() - cpu)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(p.parse_args().threads)
    with torch.inference_mode():
        m = Model()
        print(json.dumps(dict(version=torch.__version__)), flush=True)
        for line in sys.stdin:
            print(json.dumps(work(m, line)), flush=True)


if __name__ == "__main__":
    main()
