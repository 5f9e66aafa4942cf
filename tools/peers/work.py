"""What is measured, by section. A row names how each side does it:

    ours    ("bench", BENCHMARK)   a benchmark of runners/cpu; TIER stands for the kernel tier
            ("line", LINE)         a line for ours/main.go
    torch, openblas, llama         a line for torch_peer.py, or arguments of llama-bench
    amount                         what one piece of work is, in the unit of the rate
    targets                        ratio over a peer, or "% of limit"
"""
from dataclasses import dataclass, field

SMOL = "transformer-smollm2-135m bf16"
SECTIONS = ("kernels", "model", "yoco", "suite")


@dataclass
class Row:
    name: str
    unit: str
    amount: float
    ours: tuple
    peers: dict = field(default_factory=dict)
    targets: dict = field(default_factory=dict)


def gemm(rows, depth, cols, dtype):
    flops = 2e-9 * rows * depth * cols
    peers = {"torch": f"gemm {rows} {depth} {cols} {dtype}"}
    goal = 1.0
    if dtype == "f32":
        peers["openblas"], goal = f"blas {rows} {depth} {cols}", 0.95
    return Row(f"gemm {dtype} {rows}x{depth}x{cols}", "GFLOP/s", flops, ("bench", f"Linear/TIER/{dtype}/{rows}x{depth}x{cols}"), peers,
               {p: goal for p in peers})


def gemv(depth, cols, dtype):
    size = {"bf16": 2, "f32": 4}[dtype]
    return Row(f"gemv {dtype} {depth}x{cols}", "GB/s", 1e-9 * size * depth * cols, ("bench", f"Linear/TIER/{dtype}/1x{depth}x{cols}"),
               {"torch": f"gemm 1 {depth} {cols} {dtype}"}, {"% of limit": 85})


def attend(heads, kv, hd, pos, rows):
    unit = "GFLOP/s" if rows > 1 else "GB/s"
    amount = 4e-9 * heads * hd * (rows * pos + rows * (rows + 1) / 2) if rows > 1 else 4e-9 * kv * hd * (pos + 1)
    return Row(f"attention {rows} @ {pos}", unit, amount, ("bench", f"Attend/TIER/bf16/h{heads}-kv{kv}-hd{hd}-pos{pos}-rows{rows}-w0"),
               {"torch": f"attend {heads} {kv} {hd} {pos} {rows} bf16"}, {"% of limit": 85} if rows == 1 else {})


def model(kind, n, depth, **targets):
    at = f" @ d{depth}" if depth else ""
    return Row(f"{'pp' if kind == 'prefill' else 'tg'}{n}{at}", "tokens/s", n, ("line", f"{SMOL} {kind} {n} {depth}"),
               {"llama": ["-p", n, "-n", 0, "-d", depth] if kind == "prefill" else ["-p", 0, "-n", n, "-d", depth], "torch": f"{kind} {n} {depth}"},
               {k.replace("limit", "% of limit"): v for k, v in targets.items()})


# Operands of operations limited by reading are several times larger than the caches, which would serve a part of them.
KERNELS = [
    gemm(1024, 1024, 1024, "bf16"), gemm(512, 768, 2304, "bf16"), gemm(512, 768, 768, "bf16"), gemm(512, 768, 4096, "bf16"), gemm(512, 2048, 768, "bf16"),
    gemm(1024, 1024, 1024, "f32"), gemm(512, 768, 2304, "f32"),
    gemv(16384, 11008, "bf16"), gemv(16384, 11008, "f32"),
    attend(9, 3, 64, 0, 512), attend(9, 3, 64, 4096, 512), attend(9, 3, 64, 262144, 1),
    Row("retention 512, 3 heads", "GFLOP/s", 0, ("bench", "Retain/TIER/f32/h3-hd256-rows512")),
]

MODEL = [
    model("prefill", 512, 0, llama=1.5, torch=1.2), model("prefill", 2048, 0, llama=1.5, torch=1.2),
    model("decode", 64, 0, llama=1.1, limit=85), model("prefill", 512, 4096, llama=2), model("decode", 64, 4096, llama=2),
]

# YOCO compared with our own Transformer of the same size: prefill of this many tokens.
TWINS = [("yoco-gret-160m", "transformer-160m", "bf16", 32768), ("yoco-swa-160m", "transformer-160m", "bf16", 32768)]
TWINS_TARGET = 80  # % of the ratio that the FLOPs predict
# A million tokens through the trained tiny models.
MILLION = [(m, d) for d in ("bf16", "f32") for m in ("tiny-yoco-gret", "tiny-yoco-swa")]
MILLION_TARGET = 10  # seconds
SUITE, SUITE_TARGET = "suites/needle.yaml", 1.3  # times the estimate
