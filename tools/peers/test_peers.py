"""Tests of what run.py reads and draws: python3 -m unittest discover -s tools/peers"""
import json
import pathlib
import re
import unittest

import shape
import sides
import table
import work

BENCH = "BenchmarkLinear/avx2-f32/f32/8x8x8-2   10   10353897 ns/op   89.79 %-of-limit   207.2 GFLOP/s   230.8 limit-GFLOP/s   10365 us/op\n"


def section(name, rows):
    return dict(about=dict(date="2026-01-02", processor="Synthetic CPU", cores=2, threads=2, tier="avx2-f32", commit="0000000", peers={"torch": "2"},
                           clock="wall", rounds=2, peak=dict(gflops=200, bf16_gflops=400, gbps=50)), rows=rows)


class Reading(unittest.TestCase):
    def test_bench(self):
        self.assertEqual(sides.bench_rates(BENCH, "x"), dict(unit="GFLOP/s", rate=207.2, limit=230.8))
        for bad in ("", BENCH.replace("207.2", "NaN"), BENCH.replace("limit-GFLOP/s", "limit"), BENCH.replace("207.2", "0")):
            with self.assertRaises(SystemExit, msg=bad):
                sides.bench_rates(bad, "x")

    def test_llama_bench(self):
        good = dict(model_n_params=7, n_threads=2, avg_ts=100.5)
        self.assertEqual(sides.llama_rate(json.dumps([good]), 7, 2), 100.5)
        for bad in (dict(good, model_n_params=8), dict(good, n_threads=4), dict(good, avg_ts=float("nan")), dict(good, avg_ts=0)):
            with self.assertRaises(SystemExit, msg=str(bad)):
                sides.llama_rate(json.dumps([bad]), 7, 2)

    def test_best_variant_is_kept(self):
        l = sides.Llama("llama-bench", "model", 2, [], 7)
        l.run = lambda args, fa, cache: {(0, "f16"): 10, (0, "bf16"): 12, (1, "f16"): 14, (1, "bf16"): 13}[fa, cache]
        self.assertEqual((l.work("pp512", []), l.best["pp512"]), (14, "-fa 1 -ctk f16 -ctv f16"))
        l.run = lambda args, fa, cache: (fa, cache)
        self.assertEqual(l.work("pp512", []), (1, "f16"))


class Drawing(unittest.TestCase):
    def test_tables(self):
        rows = [dict(name=r.name, unit=r.unit, ours=[1234.5, 1111], limit=[1300, 1300], targets=r.targets, peers={p: [1000, 1234.5] for p in r.peers})
                for r in work.KERNELS]
        for line in table.text("kernels", section("kernels", rows)).splitlines():
            self.assertLessEqual(len(line), 80, line)
        row = dict(name="tg64", unit="tokens/s", ours=[90, 99], limit=[100, 100], targets={"llama": 1.1, "% of limit": 85}, peers={"llama": [90, 90]})
        self.assertIn("| 94 (target 85) | 1.05 (1.00 to 1.10); 90 (target 1.1, missed) |", table.pipes("model", section("model", [row])))

    def test_every_target_names_a_peer_of_the_row(self):
        for r in work.KERNELS + work.MODEL:
            self.assertLessEqual(set(r.targets), set(r.peers) | {"% of limit"}, r.name)

    def test_committed_results_are_drawn(self):
        folder = pathlib.Path(__file__).resolve().parents[2] / "docs" / "measurements"
        results = json.loads((folder / "cpu.json").read_text())
        self.assertEqual((folder / "cpu.md").read_text(), table.markdown(results))


class Shape(unittest.TestCase):
    def test_the_preset_has_it(self):
        go = (pathlib.Path(__file__).resolve().parents[2] / "runners" / "presets.go").read_text()
        text = re.search(r'Name: "transformer-smollm2-135m".*?NormEps: \S+', go, re.S)[0]
        have = {k: float(v) for k, v in re.findall(r"(\w+): ([\d.e-]+)", text)}
        want = dict(Dim=shape.DIM, Layers=shape.LAYERS, FFN=shape.FFN, Vocab=shape.VOCAB, Heads=shape.HEADS, KVHeads=shape.KV_HEADS,
                    HeadDim=shape.HEAD_DIM, RopeTheta=shape.ROPE_THETA, NormEps=shape.NORM_EPS)
        self.assertEqual(have, want)


if __name__ == "__main__":
    unittest.main()
