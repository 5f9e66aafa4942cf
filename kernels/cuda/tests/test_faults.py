"""Runs each test of test_kernels.py on kernels with one planted fault, which it must find."""
import importlib
import pathlib
import shutil
import sys
import tempfile
import unittest

import interpret
import test_kernels

SRC = pathlib.Path(interpret.__file__).resolve().parent.parent / "src"

# (test that must fail, source file, correct text, faulty text). The interpreter does not check bounds, so no fault may access memory outside
# the arrays.
FAULTS = [
    (test_kernels.Rows, "test_embed", "embed.py", "x * scale", "x"),
    (test_kernels.Rows, "test_rmsnorm", "rmsnorm.py", "v * inv * weight", "v * inv"),
    (test_kernels.Rows, "test_head_norm", "norms.py", "tl.sum(squares, 1) / hd + eps", "tl.sum(squares, 1) + eps"),
    (test_kernels.Rows, "test_add_norm", "norms.py", "base + v * inv * weight", "v * inv * weight"),
    (test_kernels.Rows, "test_pointwise", "pointwise.py", "tl.load(b + col, mask=col < cols, other=0.0)", "0"),
    (test_kernels.Rows, "test_pointwise", "common.py", "1.0 + tl.exp2(x * slope)", "1.5 + tl.exp2(x * slope)"),
    (test_kernels.Rows, "test_argmax", "argmax.py", "tl.min(tl.where(best == top, index, 0x7fffffff), 0)", "tl.max(tl.where(best == top, index, -1), 0)"),
    (test_kernels.Products, "test_gemm", "gemm.py", "range(0, tl.cdiv(k, BK))", "range(0, k // BK)"),
    (test_kernels.Products, "test_gemm", "gemm.py", "acc = activation(acc, linear, cubic) * up", "acc = acc * up"),
    (test_kernels.Products, "test_activations", "common.py", "cubic * x * x + linear", "cubic * x + linear"),
    (test_kernels.Products, "test_activations", "common.py", "cubic * x * x + linear", "x * x * cubic + linear"),
    (test_kernels.Products, "test_gemv", "gemv.py", "range(0, tl.cdiv(k, BK))", "range(0, k // BK)"),
    (test_kernels.Products, "test_gemv", "gemv.py", "acc += tl.load(pc", "acc = tl.load(pc"),
    (test_kernels.Products, "test_logprobs", "logprobs.py", "total = total * tl.exp(top - new) + tl.sum(", "total = total + tl.sum("),
    (test_kernels.Products, "test_logprobs", "logprobs.py", 's = tl.where(in_col[None, :], s, float("-inf"))', "s = s"),
    (test_kernels.Rope, "test_rope", "rope.py", "a * c - b * s, b * c + a * s", "a * c + b * s, b * c - a * s"),
    (test_kernels.Rope, "test_rope_store", "rope.py", "slot = p % slots", "slot = (p + 1) % slots"),
    (test_kernels.Attend, "test_prefill", "attend.py", "(gap >= 0)", "(gap >= -1)"),
    (test_kernels.Attend, "test_prefill", "attend.py", "            s *= scale\n        elif", "            s *= 1.0\n        elif"),
    (test_kernels.Attend, "test_prefill", "attend.py", "acc * shrink[:, None]", "acc"),
    (test_kernels.Attend, "test_prefill", "attend_prefill.py", "head // (heads // kv_heads)", "head % kv_heads"),
    (test_kernels.Attend, "test_prefill_cap", "attend.py", "2.0 * scale / cap * LOG2E, cap", "scale / cap * LOG2E, cap"),
    (test_kernels.Attend, "test_window_cap", "attend_window.py", "scale, cap, CAP, HD", "scale, cap, NO_CAP, HD"),
    (test_kernels.Attend, "test_window", "attend_window.py", "head * kv_heads // heads", "head % kv_heads"),
    (test_kernels.Attend, "test_decode", "attend.py", "if cap > 0:", "if cap < 0:"),
    (test_kernels.Products, "test_logprobs", "logprobs.py", "if cap > 0:", "if cap < 0:"),
    (test_kernels.Attend, "test_window", "attend.py", "(gap < window)", "(gap <= window)"),
    (test_kernels.Attend, "test_window", "attend_window.py", "max(first + BM - window, 0)", "max(first - window, 0)"),
    (test_kernels.Attend, "test_decode", "attend_decode.py", "n = min(p + 1, slots)", "n = min(p, slots)"),
    (test_kernels.Attend, "test_decode", "common.py", "d % 2 == 0", "d % 2 == 1"),
    (test_kernels.Attend, "test_decode", "attend_reduce.py", "total += w", "total = w"),
    (test_kernels.Retain, "test_chunks", "retain.py", "s = gamma * s + own", "s = s + own"),
    (test_kernels.Retain, "test_chunks", "retain.py", "acc *= tl.exp(a)[:, None]", "acc *= 1.0"),
    (test_kernels.Retain, "test_chunks", "retain.py", "s *= w * scale", "s *= scale"),
    (test_kernels.Retain, "test_step", "retain_step.py", "other=0.0) * gamma + key", "other=0.0) + key"),
]


class Faults(unittest.TestCase):
    def test_every_test_has_one(self):
        """The list above covers every test of a kernel, and every kernel has a test."""
        loader = unittest.defaultTestLoader
        all_tests = {(c, n) for c in (test_kernels.Rows, test_kernels.Products, test_kernels.Rope, test_kernels.Attend, test_kernels.Retain)
                     for n in loader.getTestCaseNames(c)}
        self.assertEqual(all_tests, {(c, n) for c, n, *_ in FAULTS})

    def test_found(self):
        for case, name, source, right, wrong in FAULTS:
            with self.subTest(f"{source}: {right} -> {wrong}"):
                text = (SRC / source).read_text()
                self.assertIn(right, text, f"{source} has changed: plant another fault")
                with tempfile.TemporaryDirectory() as folder:
                    shutil.copytree(SRC, folder, dirs_exist_ok=True)
                    (pathlib.Path(folder) / source).write_text(text.replace(right, wrong))
                    result = self.run_on(folder, case, name)
                self.assertTrue(result.failures or result.errors, f"{name} passes despite the fault")
                for _, trace in result.errors:  # a fault that only crashes the kernel proves nothing
                    self.fail(trace)

    def run_on(self, folder, case, name):
        """The result of a test with the kernels in a folder."""
        names = {f.stem for f in SRC.glob("*.py")} - {"spec"}
        kept = {n: sys.modules.pop(n) for n in names if n in sys.modules}
        entries = dict(interpret.ENTRIES)
        sys.path.insert(0, folder)
        importlib.invalidate_caches()
        try:
            found = [e for n in sorted(names) for e in getattr(importlib.import_module(n), "ENTRIES", [])]
            interpret.ENTRIES.update({e.name: e for e in found})
            result = unittest.TestResult()
            case(name).run(result)
            return result
        finally:
            sys.path.remove(folder)
            for n in names:
                sys.modules.pop(n, None)
            sys.modules.update(kept)
            interpret.ENTRIES.update(entries)


if __name__ == "__main__":
    unittest.main()
