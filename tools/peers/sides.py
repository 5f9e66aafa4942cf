"""The sides of the comparison: processes that do a piece of work and report its time."""
import json
import math
import os
import re
import subprocess
import sys

TIMEOUT = 900  # seconds for one piece of work


def positive(x, what):
    """x, if it is a positive number; else the program ends, because NaN or 0 would make meaningless ratios."""
    if not (isinstance(x, (int, float)) and 0 < x < math.inf):
        sys.exit(f"error: {what}: {x!r}, expected a positive number")
    return x


class Process:
    """A process that answers each line with a line of JSON."""

    def __init__(self, command, env=None):
        self.p = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ, **(env or {})))
        self.about = self.answer()

    def answer(self):
        line = self.p.stdout.readline()
        if not line:
            sys.exit(f"error: {self.p.args[0]} ended with {self.p.wait()}")
        return json.loads(line)

    def work(self, line):
        print(line, file=self.p.stdin, flush=True)
        return self.answer()

    def close(self):
        self.p.stdin.close()
        self.p.wait()


class Bench:
    """The Go benchmarks of runners/cpu."""

    def __init__(self, binary, tier, threads, prefix, cwd):
        self.binary, self.tier, self.threads, self.prefix, self.cwd = binary, tier, threads, prefix, cwd

    def work(self, name):
        """The rate and its limit, both in the unit of the benchmark."""
        name = "^Benchmark" + name.replace("TIER", self.tier).replace("/", "$/^") + "$"
        out = output([*self.prefix, self.binary, "-test.run", "^$", "-test.bench", name, "-test.benchtime", "0.2s", "-threads", self.threads], cwd=self.cwd)
        return bench_rates(out, name)


def bench_rates(out, name):
    """What `go test -bench` printed: ... 349.1 GFLOP/s  457.8 limit-GFLOP/s."""
    for unit in ("GFLOP/s", "GB/s"):
        rate, limit = (re.search(rf"\s([\d.e+]+) {p}{unit}(?:\s|$)", out) for p in ("", "limit-"))
        if rate and limit:
            return dict(unit=unit, rate=positive(float(rate[1]), name), limit=positive(float(limit[1]), name))
    sys.exit(f"error: {name} printed no rate and limit:\n{out}")


class Llama:
    """llama-bench on a model's file. Each piece of work runs in its own process, which warms up, fills the
    depth and measures once."""

    # Variants of flash attention and cache type. The best one is used for each piece of work.
    VARIANTS = [(fa, cache) for fa in (0, 1) for cache in ("f16", "bf16")]

    def __init__(self, binary, model, threads, prefix, parameters):
        self.command = [*prefix, binary, "-m", model, "-t", threads, "-r", 1, "-o", "json"]
        self.threads, self.parameters, self.best, self.tried = threads, parameters, {}, {}

    def work(self, name, args):
        """Tokens/s. The first time all variants run and the best of them is kept."""
        if name not in self.best:
            self.tried[name] = {f"-fa {fa} -ctk {t} -ctv {t}": self.run(args, fa, t) for fa, t in self.VARIANTS}
            self.best[name] = max(self.tried[name], key=self.tried[name].get)
            return self.tried[name][self.best[name]]
        _, fa, _, cache, _, _ = self.best[name].split()
        return self.run(args, int(fa), cache)

    def run(self, args, fa, cache):
        out = output([*self.command, *args, "-fa", fa, "-ctk", cache, "-ctv", cache])
        return llama_rate(out, self.parameters, self.threads)


def llama_rate(out, parameters, threads):
    """The result of `llama-bench -o json`: one test, with the requested model and threads."""
    [r] = json.loads(out)
    for key, want in (("model_n_params", parameters), ("n_threads", threads)):
        if r[key] != want:
            sys.exit(f"error: llama-bench reports {key} {r[key]}, expected {want}")
    return positive(r["avg_ts"], "llama-bench's avg_ts")


def output(command, **more):
    try:
        return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True, timeout=TIMEOUT, **more).stdout
    except subprocess.CalledProcessError as e:
        sys.exit(f"error: {e}\n{e.stderr}")
    except (OSError, subprocess.TimeoutExpired) as e:
        sys.exit(f"error: {e}")
