"""Tables of what was measured: for a terminal of 80 columns, and Markdown."""
import statistics

PEERS = {"torch": "PyTorch", "llama": "llama.cpp", "openblas": "OpenBLAS"}


def median(values):
    return statistics.median(values)


def number(x):
    return f"{x:.0f}" if x >= 100 else f"{x:.3g}"


def met(row, of, value):
    """A target beside a value, with ! where it is missed; nothing where there is none."""
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
    "yoco": "YOCO beside our own Transformer, and a million tokens",
    "suite": "A suite beside its estimate",
}
ABOUT = {
    "kernels": """Rates of single operations. Attention: so many queries after so many tokens, 9 heads on 3 key heads of 64, bfloat16; retention: 512
tokens through 3 heads of 256, float32. PyTorch runs oneDNN and MKL in eager mode. Our attention turns the queries by their
positions besides, which PyTorch's does not.""",
    "model": """bfloat16 weights and caches, random, the same shape and number of parameters on every side (checked). `@ dN`: after N
tokens. pp: prefill; none of the three computes logits at every position: llama-bench asks for those of the last one only and
leaves the last layer's other rows out after its attention, ours and PyTorch's compute all layers and no logits. tg: one token
after the other, with logits. llama.cpp is taken at the best of flash attention on or off and of an f16 or bf16 cache, for each row apart,
and computes prompts 512 tokens at once, its default; which was best, and all four, are in cpu.json.""",
    "yoco": """Prefill from an empty cache, random weights for 160M, the trained tiny models for 1 Mi tokens. `×` is the
Transformer's time over the YOCO's, `FLOPs` the ratio of the FLOPs that the cost model counts; limits are in seconds.""",
    "suite": """The whole program, from start to reports, beside the sum of the estimates (as in `--dry-run`) of the cases that ran.""",
}


def markdown(results):
    out = ["""# The CPU runner beside its limits and its peers

Written by `tools/peers/run.py` (`make peers`); every round is in cpu.json. `limit` is what the cost model gives at this machine's peaks,
which are measured in the same run. `×` is how many times as fast
ours is: ratios are of one round, both sides one right after the other; tables have medians
(smallest to largest), and behind a ratio the peer's own median. [cpu-limits.md](cpu-limits.md) says what holds back where a target is missed.
"""]
    for name, section in results.items():
        b = section["about"]
        peers = ", ".join(f"{PEERS.get(k, k)} {v}" for k, v in b["peers"].items())
        clock = {"cpu": "processor time", "wall": "time on the wall"}[b["clock"]]
        p = b["peak"]
        out.append(f"""
## {TITLES[name]}

{b['date']}, {b['processor']}, {b['cores']} cores, {b['threads']} threads, tier {b['tier']}, commit {b['commit']}{', ' + peers if peers else ''}.
By {clock}, {b['rounds']} rounds. Peaks: {p['gflops']:.0f} GFLOP/s float32, {p['bf16_gflops']:.0f} bfloat16, {p['gbps']:.1f} GB/s read.

{ABOUT[name]}

{pipes(name, section)}""".rstrip() + "\n")
    return "".join(out)
