"""Compares every kernel in Triton's interpreter with reference.py, over ragged shapes, with the constants of both builds.

Outputs and scratch are initialized with NaN; a NaN fails every comparison; memory next to an output must remain NaN.
"""
import itertools
import unittest

import numpy as np

import reference as ref
from interpret import ELEMENT, ENTRIES, launch, pad

BUILDS = ("f32", "bf16")
TOLERANCE = {"f32": 2e-5, "bf16": 4e-3}


def variant(name, hd, interleaved=None):
    for v in ENTRIES[name].variants:
        if v["HD"] >= hd and (interleaved is None or v["INTERLEAVED"] == interleaved):
            return v
    raise ValueError(hd)


class Case(unittest.TestCase):
    def setUp(self):
        self.rng = np.random.default_rng(1)

    def random(self, rows, cols, dtype, scale=1.0):
        """A view [rows, cols] of an array with wider rows, whose rest is NaN, so that reading it is detected."""
        out = pad(rows, cols, dtype, 3)
        out[:] = self.rng.standard_normal((rows, cols)) * scale
        return out

    def close(self, got, want, build, what, loose=1.0):
        got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
        self.assertEqual(got.shape, want.shape, what)
        bound = TOLERANCE[build] * loose * max(1.0, np.abs(want).max(initial=0))
        error = np.abs(got - want)
        self.assertTrue((error <= bound).all(), f"{what}: error {np.nanmax(error)} of {bound}, {np.isnan(error).sum()} NaN")

    def untouched(self, view, what):
        self.assertTrue(np.isnan(view.base[:, view.shape[1]:].astype(np.float64)).all(), f"{what}: wrote outside the output")


def ld(x):
    return x.strides[0] // x.itemsize


class Rows(Case):
    def test_embed(self):
        for build, rows, dim in itertools.product(BUILDS, (1, 3, 65), (7, 64, 1500)):
            table = self.rng.standard_normal((11, dim)).astype(ELEMENT[build])
            tokens = self.rng.integers(0, 11, rows, np.int32)
            dst = pad(rows, dim, np.float32)
            launch("embed", build, dst=dst, table=table, tokens=tokens, rows=rows, dim=dim, ld_dst=ld(dst), scale=2.5)
            self.close(dst, table[tokens].astype(np.float64) * 2.5, "f32", f"{build} {rows}x{dim}")
            self.untouched(dst, "embed")

    def test_rmsnorm(self):
        for build, rows, dim in itertools.product(BUILDS, (1, 3), (6, 1024, 2500)):
            for size in (1.0, 1e-3):
                x, w = self.random(rows, dim, np.float32, size), self.rng.standard_normal(dim).astype(np.float32)
                dst = pad(rows, dim, ELEMENT[build])
                launch("rmsnorm", build, dst=dst, x=x, w=w, rows=rows, dim=dim, ld_dst=ld(dst), ld_x=ld(x), eps=1e-5)
                y = x.astype(np.float64)
                self.close(dst, y / np.sqrt((y * y).mean(1, keepdims=True) + 1e-5) * w, build, f"{build} {rows}x{dim}")
                self.untouched(dst, "rmsnorm")

    def test_head_norm(self):
        for build, v, (heads, hd) in itertools.product(BUILDS, ENTRIES["head_norm"].variants, ((1, 6), (5, 64), (3, 300), (1, 2500))):
            x, w = self.random(2, heads * hd, ELEMENT[build]), self.rng.standard_normal(hd).astype(np.float32)
            want = ref.norm(x.astype(np.float64).reshape(2, heads, hd), w, 1e-5).reshape(2, -1)
            launch("head_norm", build, variant=v, x=x, w=w, rows=2, heads=heads, hd=hd, ld_x=ld(x), eps=1e-5)
            self.close(x, want, build, f"{build} {heads} heads of {hd}")
            self.untouched(x, "head_norm")

    def test_add_norm(self):
        for build, rows, dim in itertools.product(BUILDS, (1, 3), (6, 1024, 2500)):
            x, w = self.random(rows, dim, ELEMENT[build]), self.rng.standard_normal(dim).astype(np.float32)
            dst = self.random(rows, dim, np.float32)
            want = dst + ref.norm(x.astype(np.float64), w, 1e-5)
            launch("add_norm", build, dst=dst, x=x, w=w, rows=rows, dim=dim, ld_dst=ld(dst), ld_x=ld(x), eps=1e-5)
            self.close(dst, want, "f32", f"{build} {rows}x{dim}")
            self.untouched(dst, "add_norm")

    def test_pointwise(self):
        for build, rows, cols in itertools.product(BUILDS, (1, 3), (7, 1024, 2500)):
            t, what = ELEMENT[build], f"{build} {rows}x{cols}"
            x, y, b = self.random(rows, cols, np.float32, 40), self.random(rows, cols, t), self.rng.standard_normal(cols).astype(np.float32)
            dst, biased, capped = pad(rows, cols, t), y.astype(np.float64) + b, 30 * np.tanh(x.astype(np.float64) / 30)
            launch("copy", build, dst=dst, x=x, rows=rows, cols=cols, ld_dst=ld(dst), ld_x=ld(x))
            self.assertTrue((dst == x.astype(t)).all(), f"copy {what}")
            launch("add_bias", build, x=y, b=b, rows=rows, cols=cols, ld_x=ld(y))
            self.close(y, biased, build, f"add_bias {what}")
            launch("soft_cap", build, x=x, rows=rows, cols=cols, ld_x=ld(x), cap=30)
            self.close(x, capped, "f32", f"soft_cap {what}")
            for view in (dst, y, x):
                self.untouched(view, what)
        for value, want in ((np.inf, 30), (-np.inf, -30), (1e30, 30), (-1e30, -30), (np.nan, np.nan)):
            x = np.array([[value]], np.float32)
            launch("soft_cap", "f32", x=x, rows=1, cols=1, ld_x=1, cap=30)
            self.assertTrue(np.array_equal(x, [[want]], equal_nan=True), f"{value} is bounded to {x}")

    def test_argmax(self):
        for rows, n in itertools.product((1, 3), (1, 7, 4096, 9001)):
            x = self.random(rows, n, np.float32)
            x[:, n // 2] = x[:, -1] = 9
            out = np.full(rows, -7, np.int32)
            launch("argmax", "f32", out=out, x=x, rows=rows, n=n, ld=ld(x))
            self.assertEqual(out.tolist(), [n // 2] * rows)
        for row, want in (([np.nan, -np.inf, np.nan], 1), ([np.nan] * 3, -1), ([np.nan, 2, 2], 1)):
            out = np.full(1, -7, np.int32)
            launch("argmax", "f32", out=out, x=np.array([row], np.float32), rows=1, n=3, ld=3)
            self.assertEqual(out[0], want, row)


ROOT = (8 / np.pi) ** 0.5
ACTIVATIONS = {ref.silu: dict(linear=1, cubic=0), ref.gelu_tanh: dict(linear=ROOT, cubic=ROOT * 0.044715)}


class Products(Case):
    def product(self, kind, build, m, n, k, mode, act=ref.silu, **more):
        t = ELEMENT[build]
        a, b = self.random(m, k, t), self.random(2 * n if mode == "glu" else n, k, t, k ** -0.5)
        c = pad(m, n, t if mode in ("t", "glu") else np.float32)
        x, w = a.astype(np.float64), b.astype(np.float64)
        want = x @ w[:n].T
        if mode == "glu":
            want = act(want) * (x @ w[n:].T)
            more |= ACTIVATIONS[act]
        if mode == "add":
            c[:] = self.rng.standard_normal((m, n))
            want += c
        launch(f"{kind}_{mode}", build, c=c, a=a, b=b, m=m, n=n, k=k, ldc=ld(c), lda=ld(a), ldb=ld(b), **more)
        self.close(c, want, build, f"{kind}_{mode} {build} {m}x{n}x{k}")
        self.untouched(c, kind)

    def test_gemm(self):
        for build, mode in itertools.product(BUILDS, ("t", "f32", "add", "glu")):
            for m, n, k in ((1, 1, 1), (3, 63, 65), (64, 64, 16), (65, 130, 48), (300, 70, 33)):
                self.product("gemm", build, m, n, k, mode)
        for m, n in ((257, 600), (129, 257)):
            self.product("gemm", "bf16", m, n, 80, "t", target="sm_80")
        for mode, v, target in itertools.product(("t", "f32", "add", "glu"), ENTRIES["gemm_t"].variants[1:], ("sm_80", "sm_90a")):
            for m, n, k in ((17, 33, 65), (64, 64, 128), (130, 70, 200)):
                self.product("gemm", "bf16", m, n, k, mode, target=target, variant=v)

    def test_activations(self):
        for kind, build in itertools.product(("gemm", "gemv"), BUILDS):
            self.product(kind, build, 16, 70, 48, "glu", act=ref.gelu_tanh)
            for x in (1e19, -1e19, 1e30, -1e30, 88, -88):  # whose square or exponential is too large
                for coefficients in ACTIVATIONS.values():
                    c, b = np.full((1, 1), np.nan, np.float32), np.array([[x], [1]], np.float32)
                    launch(f"{kind}_glu", "f32", c=c, a=np.ones((1, 1), np.float32), b=b, m=1, n=1, k=1, ldc=1, lda=1, ldb=1, **coefficients)
                    self.close(c, [[max(x, 0)]], "f32", f"{kind} of {x} by {coefficients}")

    def test_gemv(self):
        for build, mode in itertools.product(BUILDS, ("t", "f32", "add", "glu")):
            for m, n, k in ((1, 1, 1), (3, 63, 65), (16, 64, 16), (15, 130, 700)):
                self.product("gemv", build, m, n, k, mode)

    def test_logprobs(self):
        for build, (rows, vocab, dim) in itertools.product(BUILDS, ((1, 5, 3), (2, 40, 24), (3, 63, 16), (65, 300, 40), (130, 129, 70))):
            x, w = self.random(rows, dim, ELEMENT[build]), self.random(vocab, dim, ELEMENT[build])
            targets = self.rng.integers(0, vocab, rows, np.int32)
            targets[-1] = vocab - 1
            cap = 1.5 if rows % 2 == 0 else 0
            s = ref.bounded(x.astype(np.float64) @ w.astype(np.float64).T, cap)
            want = (s - np.logaddexp.reduce(s, 1, keepdims=True))[np.arange(rows), targets]
            tiles = -(-vocab // ENTRIES["logprobs"].config(build, "sm_90a", {})["BN"])
            for splits in sorted({1, min(2, tiles), tiles}):
                part, out = np.full((rows, splits, 3), np.nan, np.float32), np.full(rows, np.nan, np.float32)
                launch("logprobs", build, part=part, x=x, w=w, targets=targets, rows=rows, vocab=vocab, dim=dim, ld_x=ld(x), ld_w=ld(w), splits=splits, cap=cap)
                launch("logprobs_reduce", build, out=out, part=part, rows=rows, splits=splits)
                self.close(out, want, build, f"{build} {rows} {vocab} {dim} {splits}", 2)


class Cache:
    """Caches of several sequences with different numbers of slots, and their table. Unwritten slots are NaN."""

    def __init__(self, heads, hd, slots, t):
        self.kv = [np.full((2, heads, n, hd), np.nan, t) for n in slots]
        self.table = np.array([[c.ctypes.data, c.shape[2]] for c in self.kv], np.int64)

    def fill(self, i, k, v):
        """Writes positions 0.. of k and v [n, heads, hd] to their slots."""
        for p in range(len(k)):
            self.kv[i][:, :, p % self.kv[i].shape[2]] = k[p], v[p]


SHAPES = {"f32": (6, 8, 10, 16, 40, 128), "bf16": (16, 48, 64, 128)}


class Rope(Case):
    def test_rope(self):
        for build in BUILDS:
            for hd, interleaved, (rows, heads) in itertools.product(SHAPES[build] + (256,), (0, 1), ((1, 1), (3, 11), (65, 2))):
                pos = self.rng.integers(0, 1 << 20, rows, np.int32)
                lo, hi = ref.tables(hd, 1 << 20)
                x = self.random(rows, heads * hd, ELEMENT[build])
                want = ref.rotate(x.astype(np.float64).reshape(rows, heads, hd), pos, interleaved).reshape(rows, -1)
                launch("rope", build, variant=variant("rope", hd, interleaved), x=x, lo=lo, hi=hi, pos=pos, rows=rows, heads=heads, hd=hd, ld_x=ld(x))
                self.close(x, want, build, f"{build} hd {hd} {rows} rows")
                self.untouched(x, "rope")

    def test_rope_store(self):
        for build in BUILDS:
            for hd, interleaved, rotate in itertools.product(SHAPES[build], (0, 1), (0, 1)):
                heads, t = 3, ELEMENT[build]
                slots = (5, 2000, 64)
                c = Cache(heads, hd, slots, t)
                seq = np.array([1, 0, 2, 1, 1, 0], np.int32)
                pos = np.array([1998, 4093, 63, 1999, 0, 4094], np.int32)
                k, v = self.random(6, heads * hd, t), self.random(6, heads * hd, t)
                lo, hi = ref.tables(hd, 1 << 13)
                before = k.copy()
                launch("rope_store", build, variant=variant("rope_store", hd, interleaved), caches=c.table, k=k, v=v, lo=lo, hi=hi, pos=pos, seq=seq,
                       rows=6, kv_heads=heads, hd=hd, ld_k=ld(k), ld_v=ld(v), rotate=rotate)
                self.assertTrue((k == before).all(), "k was changed")
                wk, wv = (x.astype(np.float64).reshape(6, heads, hd) for x in (k, v))
                if rotate:
                    wk = ref.rotate(wk, pos, interleaved)
                for r in range(6):
                    slot = pos[r] % slots[seq[r]]
                    self.close(c.kv[seq[r]][0, :, slot], wk[r], build, f"{build} hd {hd} key {r}")
                    self.close(c.kv[seq[r]][1, :, slot], wv[r], build, f"{build} hd {hd} value {r}")
                    c.kv[seq[r]][:, :, slot] = np.nan
                self.assertTrue(all(np.isnan(x.astype(np.float64)).all() for x in c.kv), "wrote to another slot")


class Attend(Case):
    def heads(self, n, heads, hd, t):
        return self.rng.standard_normal((n, heads, hd)).astype(t)

    def test_prefill(self):
        shapes = ((1, 0, 1, 1), (3, 62, 2, 2), (65, 0, 4, 1), (64, 65, 8, 1), (63, 1, 6, 2), (130, 70, 3, 3))
        for build in BUILDS:
            for hd, (rows, pos0, heads, kv) in itertools.product(SHAPES[build], shapes):
                if rows * heads * hd > 4000 and hd != 16:
                    continue
                self.prefill(build, rows, pos0, heads, kv, hd)
            self.prefill(build, 17, 40, 2, 1, 256)
        for v, target in itertools.product((v for v in ENTRIES["attend_prefill"].variants if v["TILE"]), ("sm_80", "sm_90a")):
            if ENTRIES["attend_prefill"].config("bf16", target, v):
                self.prefill("bf16", 70, 60, 2, 1, v["HD"], target=target, variant=v)

    def test_prefill_cap(self):
        for build in BUILDS:
            self.prefill(build, 65, 40, 4, 2, 16, cap=1.5)
            self.prefill(build, 17, 40, 2, 1, 64, cap=1.5)

    def prefill(self, build, rows, pos0, heads, kv, hd, cap=0, **more):
        t, n = ELEMENT[build], pos0 + rows
        name, bound = ("attend_prefill_cap", dict(cap=cap)) if cap else ("attend_prefill", {})
        c = Cache(kv, hd, [n + 9], t)
        k, v = self.heads(n, kv, hd, t), self.heads(n, kv, hd, t)
        c.fill(0, k, v)
        q = self.random(rows, heads * hd, t)
        want = ref.attend(q.astype(np.float64).reshape(rows, heads, hd), k.astype(np.float64), v.astype(np.float64), pos0 + np.arange(rows), n, hd ** -0.5, cap)
        for dst in (pad(rows, heads * hd, t), q):
            launch(name, build, **dict(dict(variant=variant(name, hd)), **more, **bound), dst=dst, q=q, cache=int(c.table[0, 0]), rows=rows, pos0=pos0,
                   heads=heads, kv_heads=kv, hd=hd, slots=n + 9, ld_dst=ld(dst), ld_q=ld(q), scale=hd ** -0.5)
            self.close(dst, want.reshape(rows, -1), build, f"{build} {rows} rows at {pos0}, {heads}/{kv} heads of {hd}")
            self.untouched(dst, name)

    def test_window(self):
        shapes = [(rows, pos0, window) for rows, pos0 in ((1, 0), (1, 90), (3, 5), (65, 0), (64, 63), (150, 100)) for window in (7, 100, 1000)]
        for build in BUILDS:
            for hd, shape in [(16, s) for s in shapes] + [(h, s) for h in SHAPES[build] for s in shapes[::7]] + [(256, (20, 30, 24))]:
                self.window(build, *shape, hd)

    def test_window_cap(self):
        for build in BUILDS:
            self.window(build, 65, 40, 30, 16, cap=1.5)
            self.window(build, 20, 30, 24, 64, cap=1.5)

    def window(self, build, rows, pos0, window, hd, heads=4, kv=2, cap=0):
        t, n = ELEMENT[build], pos0 + rows
        name, bound = ("attend_window_cap", dict(cap=cap)) if cap else ("attend_window", {})
        for slots in {window, min(window, n)}:
            c = Cache(kv, hd, [slots], t)
            k, v = self.heads(n, kv, hd, t), self.heads(n, kv, hd, t)
            c.fill(0, k[:pos0], v[:pos0])
            q, sk, sv = (self.random(rows, h * hd, t) for h in (heads, kv, kv))
            sk[:], sv[:] = k[pos0:].reshape(rows, -1), v[pos0:].reshape(rows, -1)
            want = ref.attend(q.astype(np.float64).reshape(rows, heads, hd), k.astype(np.float64), v.astype(np.float64), pos0 + np.arange(rows), window, hd ** -0.5, cap)
            for dst in (pad(rows, heads * hd, t), q):
                launch(name, build, variant=variant(name, hd), dst=dst, q=q, k=sk, v=sv, cache=int(c.table[0, 0]), rows=rows, pos0=pos0,
                       heads=heads, kv_heads=kv, hd=hd, window=window, slots=slots, ld_dst=ld(dst), ld_q=ld(q), ld_k=ld(sk), ld_v=ld(sv), scale=hd ** -0.5, **bound)
                self.close(dst, want.reshape(rows, -1), build, f"{build} {rows} rows at {pos0}, window {window}, {slots} slots, hd {hd}")
                self.untouched(dst, name)

    def test_decode(self):
        for build in BUILDS:
            for hd in SHAPES[build]:
                self.decode(build, 6, 2, hd, hd % 32 == 0, 3)
            for heads, kv, interleaved, splits in ((1, 1, 0, 1), (8, 1, 1, 2), (34, 2, 1, 1), (3, 3, 0, 40)):
                self.decode(build, heads, kv, 16, interleaved, splits)
            self.decode(build, 1, 1, 256, 1, 2)
            self.decode(build, 4, 2, 32, 1, 3, cap=1.5)

    def decode(self, build, heads, kv, hd, interleaved, splits, cap=0):
        t = ELEMENT[build]
        pos = np.array([0, 63, 200, 170], np.int32)
        slots = (5, 64, 201, 100)  # the last is a window's
        c = Cache(kv, hd, slots, t)
        q = self.random(len(pos), heads * hd, t)
        lo, hi = ref.tables(hd, 1024)
        rotated = ref.rotate(q.astype(np.float64).reshape(len(pos), heads, hd), pos, interleaved)
        want = []
        for i, p in enumerate(pos):
            k, v = self.heads(p + 1, kv, hd, t), self.heads(p + 1, kv, hd, t)
            c.fill(i, k, v)
            want.append(ref.attend(rotated[i:i + 1], k.astype(np.float64), v.astype(np.float64), [p], slots[i], hd ** -0.5, cap)[0])
        part = np.full((len(pos), heads, splits, hd), np.nan, np.float32)
        stat = np.full((len(pos), heads, splits, 2), np.nan, np.float32)
        launch("attend_decode", build, variant=variant("attend_decode", hd, interleaved), part=part, stat=stat, q=q, caches=c.table, lo=lo, hi=hi, pos=pos,
               n_seq=len(pos), heads=heads, kv_heads=kv, hd=hd, ld_q=ld(q), scale=hd ** -0.5, cap=cap, splits=splits)
        for dst in (pad(len(pos), heads * hd, t), q):
            launch("attend_reduce", build, variant=variant("attend_reduce", hd), dst=dst, part=part, stat=stat, n_seq=len(pos), heads=heads, hd=hd,
                   ld_dst=ld(dst), splits=splits)
            self.close(dst, np.array(want).reshape(len(pos), -1), build, f"{build} {heads}/{kv} heads of {hd}, {splits} splits", 2)
            self.untouched(dst, "attend_reduce")


class Retain(Case):
    def inputs(self, rows, heads, hd, t):
        q, k, v, g = (self.random(rows, heads * hd, t) for _ in range(4))
        gate = self.random(rows, heads, t, 3)
        gate[:, 0] += 5  # decays near 1
        state = self.rng.standard_normal((heads, hd, hd)).astype(np.float32)
        return q, k, v, g, gate, state

    def wide(self, heads, hd, *xs):
        return [x.astype(np.float64).reshape(len(x), heads, hd) for x in xs]

    def test_chunks(self):
        for build in BUILDS:
            for hd in SHAPES[build]:
                for rows in (1, 3, 63, 64, 65, 129) if hd in (6, 16) else (70,):
                    self.chunks(build, rows, 3, hd)
            self.chunks(build, 140, 1, 256)

    def chunks(self, build, rows, heads, hd):
        t, eps = ELEMENT[build], 1e-5
        q, k, v, g, gate, state = self.inputs(rows, heads, hd, t)
        want, after = ref.retain(*self.wide(heads, hd, q, k, v, g), gate.astype(np.float64), state.astype(np.float64), eps)
        chunk = ENTRIES["retain_gates"].config(build, "sm_90a", {})["CHUNK"]
        chunks = -(-rows // chunk)
        decay = np.full((chunks * chunk, heads), np.nan, np.float32)
        sums = np.full((chunks, heads, hd, hd), np.nan, np.float32)
        what = f"{build} {rows} rows, hd {hd}"
        launch("retain_gates", build, decay=decay, gate=gate, rows=rows, heads=heads, ld_gate=ld(gate))
        launch("retain_states", build, variant=variant("retain_states", hd), sums=sums, k=k, v=v, decay=decay, rows=rows, heads=heads, hd=hd, ld_k=ld(k), ld_v=ld(v))
        launch("retain_scan", build, sums=sums, state=state, decay=decay, rows=rows, heads=heads, hd=hd)
        self.close(state, after, build, what + ": state", 2)
        for dst in (pad(rows, heads * hd, t), q):
            launch("retain_output", build, variant=variant("retain_output", hd), dst=dst, q=q, k=k, v=v, g=g, sums=sums, decay=decay, rows=rows, heads=heads, hd=hd,
                   ld_dst=ld(dst), ld_q=ld(q), ld_k=ld(k), ld_v=ld(v), ld_g=ld(g), eps=eps)
            self.close(dst, want.reshape(rows, -1), build, what, 4)
            self.untouched(dst, "retain_output")

    def test_step(self):
        for build in BUILDS:
            for hd, interleaved in itertools.product(SHAPES[build] + (256,), (0, 1)):
                self.step(build, 2 if hd > 100 else 3, hd, interleaved)

    def step(self, build, heads, hd, interleaved):
        t, eps, n = ELEMENT[build], 1e-5, 3
        q, k, v, g, gate, _ = self.inputs(n, heads, hd, t)
        pos = np.array([0, 1500, 77], np.int32)
        lo, hi = ref.tables(hd, 2048)
        states = [self.rng.standard_normal((heads, hd, hd)).astype(np.float32) for _ in range(n)]
        wq, wk, wv, wg = self.wide(heads, hd, q, k, v, g)
        wq, wk = ref.rotate(wq, pos, interleaved), ref.rotate(wk, pos, interleaved)
        want, after = zip(*(ref.retain(wq[i:i + 1], wk[i:i + 1], wv[i:i + 1], wg[i:i + 1], gate[i:i + 1].astype(np.float64), states[i].astype(np.float64), eps)
                            for i in range(n)))
        table = np.array([s.ctypes.data for s in states], np.int64)
        dst = q if interleaved else pad(n, heads * hd, t)
        launch("retain_step", build, variant=variant("retain_step", hd, interleaved), dst=dst, q=q, k=k, v=v, g=g, gate=gate, states=table, lo=lo, hi=hi, pos=pos,
               n_seq=n, heads=heads, hd=hd, ld_dst=ld(dst), ld_q=ld(q), ld_k=ld(k), ld_v=ld(v), ld_g=ld(g), ld_gate=ld(gate), eps=eps)
        for i in range(n):
            self.close(states[i], after[i], build, f"{build} hd {hd}: state {i}")
        self.close(dst, np.concatenate(want).reshape(n, -1), build, f"{build} hd {hd}", 4)
        self.untouched(dst, "retain_step")


if __name__ == "__main__":
    unittest.main()
