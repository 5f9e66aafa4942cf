"""Exports checkpoints for the Go program: python tools/train/export.py [--model NAME ...]

A folder holds config.json, weights.safetensors (bfloat16, reference names) and, for `yocobench model verify`, tokens.json and
expect.safetensors: a float64 evaluation of the rounded weights on 300 bytes of held-out text with a needle and its question.
"""
import argparse
import json
import os
import random
import shutil
import time

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

import data
from models import CONFIGS, build

HERE = os.path.dirname(os.path.abspath(__file__))


def prompt_of_300():
    text, seed = data.Text("go", True), 0
    while True:
        (prompt, answer), = data.needle_case(random.Random(seed), text, 308, 0.3, data.TEMPLATES[0])
        if len(prompt) == 300:
            return list(prompt)
        seed += 1


def expectations(arch, args, weights):
    torch.set_default_dtype(torch.float64)
    try:
        model = build(arch, args)
        model.load_state_dict({k: v.double() for k, v in weights.items()})
        ids, rows = prompt_of_300(), []
        with torch.no_grad():
            run = lambda ids: model(torch.tensor([ids]), model.tables(torch.arange(len(ids))[None]))[0]
            logits, seq = run(ids), list(ids)
            assert logits.dtype == torch.float64
            nll = F.cross_entropy(logits[:-1], torch.tensor(ids[1:]), reduction="none")
            for _ in range(16):
                rows.append(run(seq)[-1])
                seq.append(int(rows[-1].argmax()))
    finally:
        torch.set_default_dtype(torch.float32)
    expect = {"t300.logits": logits.float(), "t300.nll": nll.float(), "t300.greedy_logits": torch.stack(rows).float()}
    return {"t300": ids, "t300_greedy": seq[300:]}, expect


def last_lines(log):
    rows = [json.loads(line) for line in open(log)]
    held = [r["heldout"] for r in rows if "heldout" in r]
    return rows[-1], held[-1] if held else {}


def export(name, checkpoint, folder, log):
    arch, args = CONFIGS[name]
    state = torch.load(checkpoint, map_location="cpu")
    weights = {k: v.bfloat16().contiguous() for k, v in state["model"].items()}
    tokens, expect = expectations(arch, args, weights)
    row, held = last_lines(log)
    config = {
        "arch": arch, "name": name, "reference_args": args, "gate_logit_normalizer": 16, "tied_output": False, "tokenizer": "bytes",
        "training": {
            "recipe": "tools/train", "date": time.strftime("%Y-%m-%d", time.gmtime()), "seed": state["options"]["seed"], "tokens": state["tokens"],
            "steps": state["step"], "first_stage_tokens": state["first_end"],
            "data": "Go standard library, public-domain English, generated prose; facts and questions from needle/templates.json (train) and made up",
            "held_out": "Go packages with fnv1a32(directory) % 10 == 0, keys with fnv1a32(key) % 8 == 0, templates with train=false",
            "last_losses": {"answer": row["answer"], "text": row["text"]}, "held_out_nats_per_byte_2048": held,
        },
    }
    more = int(state["options"]["more_tokens"])
    if more:
        config["training"]["added_tokens"] = more
    if state.get("before"):  # the record of the initial model, without fields that are equal
        config["training"]["continued_from"] = {k: v for k, v in state["before"].items() if v != config["training"].get(k)}
    work = os.path.join(HERE, "checkpoints", f"export-{name}")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    json.dump(config, open(work + "/config.json", "w"), indent=1)
    json.dump(tokens, open(work + "/tokens.json", "w"))
    save_file(weights, work + "/weights.safetensors")
    save_file(expect, work + "/expect.safetensors")
    # Each file is replaced atomically, so a concurrent reader sees complete files.
    os.makedirs(folder, exist_ok=True)
    for f in os.listdir(work):
        os.replace(os.path.join(work, f), os.path.join(folder, f))
    print(f"{name}: {state['tokens']:,} tokens -> {os.path.relpath(folder)}; greedy {bytes(tokens['t300_greedy'])}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", nargs="*", choices=CONFIGS, default=list(CONFIGS))
    p.add_argument("--checkpoint", help="for one model: its checkpoint (default checkpoints/MODEL.pt)")
    p.add_argument("--out", default=os.path.join(HERE, "../../runners/checkpoint/tiny"))
    o = p.parse_args()
    for name in o.model:
        path = o.checkpoint or os.path.join(HERE, "checkpoints", name + ".pt")
        export(name, path, os.path.join(o.out, name), path.split(".pt")[0].removesuffix(".stable") + ".log.jsonl")


if __name__ == "__main__":
    main()
