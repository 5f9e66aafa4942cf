#!/usr/bin/env python3
"""Compares the CPU runner with its limits and its peers, interleaved.

    tools/peers/run.py                      everything, after installing the peers
    tools/peers/run.py --only kernels --peers installed      as `make bench` does
    tools/peers/run.py --out docs/measurements               also writes cpu.md and cpu.json

Sections (--only): kernels (GEMM, GEMV, attention, retention), model (a model of
SmolLM2-135M's shape compared with PyTorch and llama.cpp), yoco (prefill compared
with our own Transformer, a million tokens), suite (wall time against the estimate).

Each round runs every piece of work on all sides back to back, and ratios are
computed within a round; the first round warms up. Peers (PyTorch, OpenBLAS,
llama.cpp built from source) are installed in ~/.cache/yocobench/peers. On a busy
machine `--threads 1 --clock cpu` measures the CPU time of each side; llama-bench
measures wall time only and is then skipped.
"""
import argparse
import contextlib
import datetime
import fcntl
import json
import os
import pathlib
import platform
import shlex
import subprocess
import sys
import tempfile
import time

import install
import shape
import table
import work
from sides import Bench, Llama, Process, output, positive

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Session:
    """The sides of a run, started on first use."""

    def __init__(self, a, tmp):
        self.a, self.tmp, self.prefix = a, pathlib.Path(tmp), shlex.split(a.prefix)
        self.lock = open(a.lock, "a") if a.lock else None
        self.program = self.build("ours", "./tools/peers/ours")
        self.ours = self.start()
        self.sides, self.versions = {}, {}
        self._bench = None

    def start(self):
        return Process([*self.prefix, self.program, "--threads", self.a.threads])

    def renew(self, models):
        """Restarts our side: a virtual machine's memory may be slower in some places than in others, and one
        placement should not decide all rounds."""
        self.ours.close()
        self.ours = self.start()
        self.warm(models)

    def warm(self, models):
        """Loads models, each (name, type), and warms them up."""
        for model, dtype in models:
            self.ours.work(f"{model} {dtype} prefill 512 0")

    def build(self, name, package, *how):
        subprocess.run(["go", *(how or ["build"]), "-o", self.tmp / name, package], cwd=ROOT, check=True)
        return self.tmp / name

    @contextlib.contextmanager
    def turn(self):
        """Holds the lock, so that only one process on this machine measures at a time."""
        if self.lock:
            fcntl.flock(self.lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            if self.lock:
                fcntl.flock(self.lock, fcntl.LOCK_UN)

    def bench(self):
        if not self._bench:
            self._bench = Bench(self.build("bench", "./runners/cpu", "test", "-c"), self.ours.about["tier"], self.a.threads, self.prefix, ROOT / "runners" / "cpu")
        return self._bench

    def peer(self, name):
        """The side of a peer, None if it is not wanted or not installed."""
        if name == "openblas":
            name = "torch"
        if name not in self.sides:
            self.sides[name] = {"torch": self.torch, "llama": self.llama}[name]()
        return self.sides[name]

    def python(self):
        if self.a.python:
            return self.a.python
        if self.a.peers == "installed" and not (install.VENV / "requirements.txt").exists():
            return None
        return install.python()

    def torch(self):
        python = self.python() if self.a.peers != "none" else None
        if not python:
            return None
        p = Process([*self.prefix, python, install.HERE / "torch_peer.py", "--threads", self.a.threads], {"OPENBLAS_NUM_THREADS": str(self.a.threads)})
        self.versions.update(torch=p.about["torch"], openblas=f"of NumPy {p.about['numpy']}")
        return p

    def llama(self):
        a = self.a
        if a.peers == "none" or a.clock == "cpu":
            return None
        binary, model = a.llama_bench, a.llama_model
        if not (binary and model):
            python = self.python()
            if not python or a.peers == "installed" and not (binary or install.LLAMA_BENCH.exists()):
                return None
            binary, model = binary or install.llama_bench(python), model or install.model(python)
        self.versions["llama"] = f"of llama-cpp-python {install.LLAMA}"
        return Llama(binary, model, a.threads, self.prefix, shape.PARAMETERS)

    def close(self):
        self.ours.close()
        if p := self.sides.get("torch"):
            p.close()


def compare(s, rows):
    """Rounds over rows, each on all sides; yields the results after each round but the first."""
    results = [dict(name=r.name, unit=r.unit, ours=[], limit=[], peers={}, targets=r.targets) for r in rows]
    models = {tuple(r.ours[1].split()[:2]) for r in rows if r.ours[0] == "line"}  # benchmarks run in separate processes
    for round in range(s.a.rounds + 1):
        if round and models:
            s.renew(models)
        for r, out in zip(rows, results):
            with s.turn():
                o, rates = ours(s, r), {}
                for p, how in r.peers.items():
                    if side := s.peer(p):
                        rates[p] = side.work(r.name, how) if p == "llama" else r.amount / positive(side.work(how)[s.a.clock], f"{p}: {how}")
            if round:
                out["ours"].append(o["rate"])
                out["limit"].append(o["limit"])
                for p, x in rates.items():
                    out["peers"].setdefault(p, []).append(x)
        done(round, s.a.rounds)
        if llama := s.sides.get("llama"):
            for out in results:
                out["llama_variants"] = llama.tried.get(out["name"])
        if round:
            yield results


def ours(s, r):
    how, what = r.ours
    if how == "bench":
        b = s.bench().work(what)
        if b["unit"] != r.unit:
            sys.exit(f"error: {what} is limited by {b['unit']}, expected {r.unit}")
        return b
    t = s.ours.work(what)
    return dict(rate=r.amount / positive(t[s.a.clock], what), limit=r.amount / positive(t["limit"], what))


def announce(s, name):
    """Prints what is about to be measured, with warnings."""
    a, about = s.a, s.ours.about
    how = "once" if name == "suite" else f"{a.rounds} round{'s' if a.rounds > 1 else ''}"
    print(f"{table.TITLES[name]}: {how}, {a.threads} thread{'s' if a.threads > 1 else ''} of {os.cpu_count()} cores, {a.clock} clock, tier {about['tier']}", file=sys.stderr)
    wanted = {p for r in {"kernels": work.KERNELS, "model": work.MODEL}.get(name, []) for p in r.peers}
    missing = [label for p, label in table.PEERS.items() if p in wanted and not s.peer(p)]
    if missing:
        print(f"without {', '.join(missing)}" + ("" if a.peers == "none" else " (make peers installs what is missing; llama.cpp needs --clock wall)"), file=sys.stderr)
    if a.clock == "wall" and os.getloadavg()[0] > 0.5:
        print(f"this machine is busy (load {os.getloadavg()[0]:.1f}): limits assume an idle machine. --threads 1 --clock cpu measures CPU time", file=sys.stderr)


def done(round, rounds):
    print(f"round {round} of {rounds}; load {os.getloadavg()[0]:.1f}", file=sys.stderr)


def yoco(s):
    """Prefill of YOCOs compared with our own Transformer, and of a million tokens."""
    twins = [dict(name=f"{y} {n // 1024} Ki", seconds=[], limit=[], ratio=[], target=work.TWINS_TARGET) for y, _, _, n in work.TWINS]
    bases = {(b, d, n): dict(name=f"{b} {n // 1024} Ki", seconds=[], limit=[]) for _, b, d, n in work.TWINS}
    million = [dict(name=f"{m} {d} 1 Mi", seconds=[], limit=[], target=work.MILLION_TARGET) for m, d in work.MILLION]

    def prefill(out, model, dtype, n):
        with s.turn():
            t = s.ours.work(f"{model} {dtype} prefill {n} 0")
        out["seconds"].append(positive(t[s.a.clock], model))
        out["limit"].append(positive(t["limit"], model))
        return t

    s.warm({(m, d) for y, b, d, _ in work.TWINS for m in (y, b)} | set(work.MILLION))
    for round in range(1, s.a.rounds + 1):
        base = {k: prefill(out, *k) for k, out in bases.items()}
        for (y, b, d, n), out in zip(work.TWINS, twins):
            t, u = prefill(out, y, d, n), base[b, d, n]
            out["ratio"].append(u[s.a.clock] / t[s.a.clock])
            out["predicted"] = positive(u["flops"] / t["flops"], "FLOPs")
        for (m, d), out in zip(work.MILLION, million):
            prefill(out, m, d, 1 << 20)
        done(round, s.a.rounds)
        yield [*bases.values(), *twins, *million]


def suite(s):
    """A shipped suite's wall time compared with the sum of its estimates, once."""
    program, folder = s.build("yocobench", "./cmd/yocobench"), s.tmp / "run"
    with s.turn():
        start = time.monotonic()
        output([*s.prefix, program, "run", work.SUITE, "-q", "-o", folder, "-t", s.a.threads], cwd=ROOT)
        wall = time.monotonic() - start
    cases = [r for r in map(json.loads, (folder / "results.jsonl").open()) if r["type"] == "case" and r["status"] == "ok"]
    estimate = positive(sum(r.get("estimate_seconds", 0) for r in cases), "estimate")
    tasks = {}
    for r in cases:
        t = tasks.setdefault(f"{r['model']} {r['label']}", [0, 0])
        t[0], t[1] = t[0] + r["seconds"], t[1] + r.get("estimate_seconds", 0)
    yield [dict(name=work.SUITE, cases=len(cases), wall=wall, estimate=estimate, target=work.SUITE_TARGET, by_case=tasks)]


MEASURE = {"kernels": lambda s: compare(s, work.KERNELS), "model": lambda s: compare(s, work.MODEL), "yoco": yoco, "suite": suite}


def save(folder, name, section):
    """Stores a section in cpu.json and rewrites cpu.md."""
    f = folder / "cpu.json"
    old = json.loads(f.read_text()) if f.exists() else {}
    old[name] = section
    results = {n: old[n] for n in work.SECTIONS if n in old}
    f.write_text(json.dumps(results, indent=1) + "\n")
    (folder / "cpu.md").write_text(table.markdown(results))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", action="append", choices=work.SECTIONS, help="a section (repeatable; default: all)")
    p.add_argument("--peers", choices=["all", "installed", "none"], default="all", help="install missing peers, use installed ones, or measure without peers")
    p.add_argument("--rounds", type=int, default=5, help="measured rounds; tables show the median (default: 5; suite runs once)")
    p.add_argument("--threads", type=int, default=os.cpu_count(), help="of every side (default: all cores)")
    p.add_argument("--clock", choices=["cpu", "wall"], default="wall", help="wall time (default), or CPU time, for one thread")
    p.add_argument("--out", type=pathlib.Path, help="folder of cpu.md and cpu.json, in which the measured sections are updated")
    p.add_argument("--prefix", default="", help="command that every side is run by, such as 'chrt -r 10' or 'taskset -c 0,1'")
    p.add_argument("--lock", help="file to lock (as flock does) for each piece of work")
    p.add_argument("--python", help="an interpreter that has the packages of requirements.txt")
    p.add_argument("--llama-bench", help="a llama-bench built elsewhere")
    p.add_argument("--llama-model", help="the model's file for it, written by gguf_model.py")
    a = p.parse_args()
    if a.rounds < 1 or a.threads < 1:
        p.error("--rounds and --threads are at least 1")
    if a.clock == "cpu" and a.threads != 1:
        p.error("--clock cpu is the time of the work for one thread only; use --clock wall")
    if a.out and not a.out.is_dir():
        p.error(f"--out {a.out} is not a folder")
    commit = output(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT).strip()
    with tempfile.TemporaryDirectory() as tmp:
        s = Session(a, tmp)
        for name in a.only or work.SECTIONS:
            announce(s, name)
            for n, rows in enumerate(MEASURE[name](s), 1):
                about = dict(date=datetime.date.today().isoformat(), processor=s.ours.about["processor"], cores=os.cpu_count(), system=platform.platform(),
                             tier=s.ours.about["tier"], peak=s.ours.about["peak"], threads=a.threads, clock=a.clock, rounds=n, load=os.getloadavg()[0],
                             commit=commit, peers={p: v for p, v in s.versions.items() if name in ("kernels", "model") and any(p in r["peers"] for r in rows)})
                section = dict(about=about, rows=rows)
                if a.out:
                    save(a.out, name, section)
            print(table.text(name, section), flush=True)
        s.close()


if __name__ == "__main__":
    main()
