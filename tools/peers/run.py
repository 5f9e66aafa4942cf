#!/usr/bin/env python3
"""Measures the CPU runner beside PyTorch, interleaved, and writes docs/measurements/cpu.md and cpu.json.

    tools/peers/run.py [--python PYTHON] [--rounds 5] [--threads 1] [--clock cpu]

PYTHON has torch; without it a virtual environment is made in the cache folder
(~/.cache/yocobench/peers). In each round every piece of work is done by both
sides, one right after the other; a ratio is that of one round, and the table
has the median of the rounds with the smallest and largest. --clock cpu counts
the processor time that a process got, which other programs on the machine
disturb little and which is the time of the work for one thread only; on a
quiet machine use --clock wall and more threads.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tools" / "peers"
MODEL = [("prefill", 512, 0), ("prefill", 2048, 0), ("prefill", 512, 4096), ("decode", 16, 0), ("decode", 16, 4096)]
GEMMS = [(1024, 1024, 1024, "bf16"), (512, 768, 2304, "bf16"), (512, 768, 768, "bf16"), (1024, 1024, 1024, "f32"), (512, 768, 2304, "f32")]
TARGETS = {"prefill 512 @ 0": 1.2, "prefill 2048 @ 0": 1.2, "gemm bf16": 1.0, "gemm f32": 0.95}


class Peer:
    """A process that is told a piece of work and answers with its seconds."""

    def __init__(self, *command):
        self.p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.about = self.answer()

    def answer(self):
        line = self.p.stdout.readline()
        if not line:
            sys.exit(f"error: {self.p.args[0]} ended with {self.p.wait()}")
        return json.loads(line)

    def work(self, *what):
        print(*what, file=self.p.stdin, flush=True)
        return self.answer()

    def close(self):
        self.p.stdin.close()
        self.p.wait()


def python_with_torch(given):
    if given:
        return given
    venv = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "yocobench" / "peers" / "venv"
    if not (venv / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin" / "pip", "install", "--quiet", "-r", HERE / "requirements.txt"], check=True)
    return str(venv / "bin" / "python")


def our_gemm(binary, tier, rows, depth, cols, dtype):
    """GFLOP/s and % of peak of one thread by processor time, from the runner's own benchmark."""
    name = f"^BenchmarkLinear$/^{tier}$/^{dtype}$/^{rows}x{depth}x{cols}$"
    out = subprocess.run([binary, "-test.run", "^$", "-test.bench", name, "-test.benchtime", "0.3s"],
                         cwd=ROOT / "runners" / "cpu", check=True, capture_output=True, text=True).stdout
    rate, share = re.search(r"([\d.]+) GFLOP/s", out), re.search(r"([\d.]+) %-of-peak", out)
    if not rate or not share:
        sys.exit(f"error: {name} printed no rate:\n{out}")
    return float(rate[1]), float(share[1])


def spread(values, digits=2):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def measure(a):
    """Yields the results so far after each round."""
    tmp = tempfile.TemporaryDirectory()
    ours_bin, bench = f"{tmp.name}/ours", f"{tmp.name}/bench"
    subprocess.run(["go", "build", "-o", ours_bin, "./tools/peers/ours"], cwd=ROOT, check=True)
    subprocess.run(["go", "test", "-c", "-o", bench, "./runners/cpu"], cwd=ROOT, check=True)
    ours = Peer(ours_bin, "--threads", str(a.threads))
    torch = Peer(python_with_torch(a.python), str(HERE / "torch_peer.py"), "--threads", str(a.threads))
    tier, rows = ours.about["tier"], {}
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()

    def add(name, unit, mine, theirs, limit):
        if not (mine > 0 and theirs > 0 and limit > 0):
            sys.exit(f"error: {name}: {mine}, {theirs}, {limit}")
        r = rows.setdefault(name, dict(unit=unit, ours=[], torch=[], ratio=[], percent_of_limit=[]))
        r["ours"].append(mine)
        r["torch"].append(theirs)
        r["ratio"].append(mine / theirs)
        r["percent_of_limit"].append(100 * mine / limit)

    for round in range(a.rounds + 1):  # the first warms up
        for kind, n, depth in MODEL:
            o, t = ours.work(kind, n, depth), torch.work(kind, n, depth)
            if round:
                add(f"{kind} {n} @ {depth}", "tokens/s", n / o[a.clock], n / t[a.clock], n / o["limit"])
        if a.threads == 1:
            for m, k, n, dtype in GEMMS:
                rate, share = our_gemm(bench, tier, m, k, n, dtype)
                t = torch.work("gemm", m, k, n, dtype)
                if round:
                    add(f"gemm {dtype} {m} x {k} x {n}", "GFLOP/s", rate, 2e-9 * m * k * n / t["cpu"], 100 * rate / share)
        load = os.getloadavg()[0]
        print(f"round {round} of {a.rounds}; load {load:.1f}", file=sys.stderr)
        if round:
            yield dict(about=dict(
                date=datetime.date.today().isoformat(), processor=ours.about["processor"], cores=os.cpu_count(), system=platform.platform(),
                tier=tier, peak=ours.about["peak"], torch=torch.about["version"], threads=a.threads, clock=a.clock, rounds=round, load=load,
                commit=commit), rows=rows)
    ours.close()
    torch.close()


def markdown(r):
    b = r["about"]
    clock = {"cpu": "processor time", "wall": "time on the wall"}[b["clock"]]
    busy = f"The machine was busy with other work (load {b['load']:.1f} on {b['cores']} cores)." if b["load"] > b["threads"] + 0.7 else "The machine was quiet."
    lines = [f"""# The CPU runner beside PyTorch

Written by `tools/peers/run.py`; the numbers of every round are in cpu.json.

{b['date']}, {b['processor']}, {b['cores']} cores, {b['threads']} thread(s), tier {b['tier']}, commit {b['commit']}, PyTorch {b['torch']} (oneDNN, eager mode).
Rates by {clock}; {b['rounds']} rounds, interleaved: median of the rounds (smallest to largest). {busy}
The model has SmolLM2-135M's shape with random weights; weights and caches are bfloat16 on both sides. `@` is the number of tokens before.
`% of limit`: of what the cost model gives at this machine's peaks, measured at the start: {b['peak']['gflops']:.0f} GFLOP/s (bfloat16), {b['peak']['gbps']:.1f} GB/s; for a gemm, of the peak measured with it.

| work | unit | ours | PyTorch | ours / PyTorch | target | % of limit |
|---|---|---|---|---|---|---|"""]
    for name, x in r["rows"].items():
        target = next((f"{v:.2f}" for k, v in TARGETS.items() if name.startswith(k)), "")
        digits = 1 if x["unit"] == "tokens/s" else 0
        lines.append(f"| {name} | {x['unit']} | {spread(x['ours'], digits)} | {spread(x['torch'], digits)} | {spread(x['ratio'])} | {target} | {spread(x['percent_of_limit'], 0)} |")
    return "\n".join(lines) + "\n"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--python", help="an interpreter that has torch")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--clock", choices=["cpu", "wall"], default="cpu")
    p.add_argument("--out", type=pathlib.Path, default=ROOT / "docs" / "measurements")
    a = p.parse_args()
    if a.rounds < 1 or a.threads < 1:
        p.error("--rounds and --threads are at least 1")
    if a.clock == "cpu" and a.threads != 1:
        p.error("--clock cpu is the time of the work for one thread only; use --clock wall")
    for r in measure(a):
        (a.out / "cpu.json").write_text(json.dumps(r, indent=1) + "\n")
        (a.out / "cpu.md").write_text(markdown(r))


if __name__ == "__main__":
    main()
