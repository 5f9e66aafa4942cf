"""Measures exported models on held-out text with held-out keys: python tools/train/evaluate.py FOLDER... [--tasks ...]

An answer is correct if greedy decoding gives all of it. Single needles are spread evenly over the depths; half of the trials are in held-out
Go packages, half in held-out generated prose. Weights as exported (bfloat16), computed in float32.
"""
import argparse
import json
import os
import random

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import data
from models import build

SINGLE = dict(distractors=0, values=1, queries=1, together=False)
TASKS = {  # what differs from a single needle; `fraction` counts each answer of a trial
    "multi-key": dict(distractors=7), "multi-value": dict(values=4), "multi-query": dict(queries=4, together=True),
    "multi-2": dict(queries=2), "multi-4": dict(queries=4), "multi-8": dict(queries=8),
}


def load(folder):
    config = json.load(open(os.path.join(folder, "config.json")))
    model = build(config["arch"], config["reference_args"])
    model.load_state_dict({k: v.float() for k, v in load_file(os.path.join(folder, "weights.safetensors")).items()})
    return model.eval()


@torch.no_grad()
def answers_right(model, pairs):
    """Which answers of one case are correct, given the correct answers before them (one pass: the last prompt
    contains all the others)."""
    whole = list(pairs[-1][0] + pairs[-1][1])
    first = len(pairs[0][0])
    logits = model.tail_logits(torch.tensor([whole[:-1]]), len(whole) - first)
    greedy = logits[0].argmax(-1).tolist()
    return [greedy[len(p) - first:len(p) - first + len(a)] == list(a) for p, a in pairs]


def score(model, texts, size, trials, template, **task):
    r, right, asked = random.Random(f"{size} {template['name']} {sorted(task.items())}"), 0, 0
    for i in range(trials):
        name = ("go", "prose")[i % 2]
        case = data.needle_case(r, texts[name], size, (i + 0.5) / trials, template, **{**SINGLE, **task})
        result = answers_right(model, case)
        right, asked = right + sum(result), asked + len(result)
    return f"{right}/{asked}"


@torch.no_grad()
def nll(model, text, size=8192, windows=12):
    r, total = random.Random(9), torch.zeros(size - 1, dtype=torch.float64)
    for _ in range(windows):
        ids = torch.tensor([list(text.window(r, size))])
        logits = model(ids, model.tables(torch.arange(size)[None]))[0]
        total += F.cross_entropy(logits[:-1], ids[0, 1:], reduction="none").double() / windows
    return {str(1 << k): round(total[(1 << k) // 2:1 << k].mean().item(), 3) for k in range(8, 14)}


@torch.no_grad()
def copying(model, text, size=256, windows=16):
    """Nats per byte of a text and of the same text repeated immediately, without the first 8 bytes of the
    repetition, by which it is recognised."""
    r = random.Random(4)
    ids = torch.tensor([list(text.window(r, size) * 2) for _ in range(windows)])
    logits = model(ids, model.tables(torch.arange(2 * size)[None]))
    loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="none").view(windows, -1)
    return {"first": round(loss[:, :size - 1].mean().item(), 3), "again": round(loss[:, size + 7:].mean().item(), 3)}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folders", nargs="+")
    p.add_argument("--lengths", default="256,512,1024,2048,4096,8192", help="bytes of the single needle's texts")
    p.add_argument("--trials", type=int, default=100)
    p.add_argument("--only", default="single,templates,tasks,nll,copy")
    p.add_argument("--at", type=int, default=4096, help="bytes of the other tasks' texts")
    p.add_argument("--json", help="write the results there")
    o = p.parse_args()
    texts, only, results = data.texts(True), o.only.split(","), {}
    for folder in o.folders:
        model, out = load(folder), {}
        show = lambda kind, key, value: (out.setdefault(kind, {}).__setitem__(key, value), print(os.path.basename(os.path.normpath(folder)), kind, key, value, flush=True))
        if "single" in only:
            for size in map(int, o.lengths.split(",")):
                show("single", str(size), score(model, texts, size, o.trials, data.TEMPLATES[0]))
        if "tasks" in only:
            for name, task in TASKS.items():
                show("tasks", name, score(model, texts, o.at, o.trials // 2, data.TEMPLATES[0], **task))
        if "templates" in only:
            for t in data.TEMPLATES:
                show("templates" if t["train"] else "held-out templates", t["name"], score(model, texts, o.at, o.trials // 2, t))
        if "nll" in only:
            for name, text in texts.items():
                show("nats per byte, positions up to", name, nll(model, text))
        if "copy" in only:
            for name, text in texts.items():
                show("nats per byte, read twice", name, copying(model, text))
        results[os.path.basename(os.path.normpath(folder))] = out
        if o.json:
            json.dump(results, open(o.json, "w"), indent=1)


if __name__ == "__main__":
    main()
