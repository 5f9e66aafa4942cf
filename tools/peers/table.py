"""Tables of the results: for a terminal of 80 columns, and Markdown."""
import statistics

PEERS = {"torch": "PyTorch", "llama": "llama.cpp", "openblas": "OpenBLAS"}


def median(values):
    return statistics.median(values)


def number(x):
    return f"{x:.0f}" if x >= 100 else f"{x:.3g}"


def met(row, of, value):
    """The target of a value and whether it is missed; empty without a target."""
    target = row.get("targets", {}).get(of)
    return "" if target is None else f" (target {target:g}{'' if value >= target else ', missed'})"


def rows_of(section, spread):
    """The cells of the sections that compare with peers."""
    rows = section["rows"]
    peers = [p for p in PEERS if any(p in r["peers"] for r in rows)]
    head = ["work", "unit", "ours", "limit", "% of limit"] + [f"×{PEERS[p]}" for p in peers]
    out = []
    for r in rows:
        share = [100 * o / l for o, l in zip(r["ours"], r["limit"])]
        cells = [r["name"], r["unit"], number(median(r["ours"])), number(median(r["limit"])), f"{median(share):.0f}"]
        if spread:
            cells[2] = f"{cells[2]} ({number(min(r['ours']))} to {number(max(r['ours']))})"
            cells[4] += met(r, "% of limit", median(share))
        for p in peers:
            if p not in r["peers"]:
                cells.append("")
                continue
            ratio = [o / x for o, x in zip(r["ours"], r["peers"][p])]
            cell = f"{median(ratio):.2f}"
            if spread:
                cell += f" ({min(ratio):.2f} to {max(ratio):.2f}); {number(median(r['peers'][p]))}" + met(r, p, median(ratio))
            cells.append(cell)
        out.append(cells)
    return head, out


def yoco_rows(section, spread):
    head = ["work", "time s", "limit", "% of limit", "×", "FLOPs", "of it (target)"]
    out = []
    for r in section["rows"]:
        s, limit = median(r["seconds"]), median(r["limit"])
        cells = [r["name"], number(s), number(limit), f"{100 * limit / s:.0f}"]
        if "ratio" in r:
            ratio = median(r["ratio"])
            share = 100 * ratio / r["predicted"]
            cells += [f"{ratio:.2f}", f"{r['predicted']:.2f}", f"{share:.0f} % ({r['target']} %)" + ("" if share >= r["target"] else " missed")]
        elif "target" in r:
            cells += ["", "", f"({r['target']} s)" + ("" if s <= r["target"] else " missed")]
        else:
            cells += ["", "", ""]
        out.append(cells)
    return head, out


def suite_rows(section, spread):
    head = ["suite", "cases", "wall s", "estimate s", "wall / estimate", "target"]
    return head, [[r["name"], str(r["cases"]), number(r["wall"]), number(r["estimate"]), f"{r['wall'] / r['estimate']:.2f}",
                   f"{r['target']}" + ("" if r["wall"] / r["estimate"] <= r["target"] else ", missed")] for r in section["rows"]]


RENDER = {"kernels": rows_of, "model": rows_of, "yoco": yoco_rows, "suite": suite_rows}


def text(name, section):
    head, rows = RENDER[name](section, False)
    widths = [max(len(r[i]) for r in [head, *rows]) for i in range(len(head))]
    line = lambda r: "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths))).rstrip()
    return "\n".join(line(r) for r in [head, *rows]) + "\n"


def pipes(name, section):
    head, rows = RENDER[name](section, True)
    return "\n".join("| " + " | ".join(r) + " |" for r in [head, ["---"] * len(head), *rows]) + "\n"


TITLES = {
    "kernels": "Kernels",
    "model": "A model of SmolLM2-135M's shape",
    "yoco": "YOCO compared with our own Transformer, and a million tokens",
    "suite": "A suite compared with its estimate",
}
ABOUT = {
    "kernels": """Rates of single operations. `attention Q @ N`: Q queries after N tokens, 9 query heads on 3 KV heads
of 64, bfloat16. Retention: 512 tokens through 3 heads of 256, float32. PyTorch runs oneDNN and MKL
in eager mode. Our attention includes the rotary embedding of the queries; PyTorch's does not.""",
    "model": """Random bfloat16 weights and bfloat16 caches; every side has the same shape and number of parameters
(checked). `@ dN`: after N tokens. pp: prefill, without logits at every position: llama-bench
computes those of the last position only and skips the last layer's other rows after its attention;
ours and PyTorch's compute all layers and no logits. tg: decode, one token at a time, with logits.
For each row, llama.cpp uses the fastest combination of flash attention (on or off) and cache type
(f16 or bf16), and computes prompts 512 tokens at a time, its default. cpu.json lists all four.""",
    "yoco": """Prefill from an empty cache, with random weights for 160M and the trained tiny models for 1 Mi
tokens. `×` is the Transformer's time divided by the YOCO's, `FLOPs` the same ratio of the cost
model's FLOP counts. Limits are in seconds.""",
    "suite": """The whole program, from start to reports, compared with the sum of the estimates (as in `--dry-run`)
of the cases that ran.""",
}


def markdown(results):
    out = ["""# The CPU runner compared with its limits and peers

Generated by `tools/peers/run.py` (`make peers`); cpu.json has every round. `limit` is the cost
model's prediction at this machine's peaks, which are measured in the same run. `×` is our speedup
over the peer. Ratios are computed within a round, in which both sides run back to back. Tables show
medians (smallest to largest), and after a ratio the peer's own median.
[cpu-limits.md](cpu-limits.md) explains missed targets; [stored-weights.md](stored-weights.md)
compares quantized weights.
"""]
    for name, section in results.items():
        b = section["about"]
        peers = ", ".join(f"{PEERS.get(k, k)} {v}" for k, v in b["peers"].items())
        clock = {"cpu": "CPU time", "wall": "Wall time"}[b["clock"]]
        p = b["peak"]
        out.append(f"""
## {TITLES[name]}

{b['date']}, {b['processor']}, {b['cores']} cores, {b['threads']} threads, tier {b['tier']}, commit
{b['commit']}{', ' + peers if peers else ''}.
{clock}, {b['rounds']} rounds. Peaks: {p['gflops']:.0f} GFLOP/s float32, {p['bf16_gflops']:.0f} bfloat16, {p['gbps']:.1f} GB/s read.

{ABOUT[name]}

{pipes(name, section)}""".rstrip() + "\n")
    return "".join(out)
