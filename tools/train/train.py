"""Trains one of the tiny models: python tools/train/train.py --model tiny-yoco-gret

The schedule is counted in tokens and is the same for the three models. Only the end of the first stage depends on the model: it is
reached when held-out retrieval works, which happens suddenly and at a different time in each model. --resume continues from the last
checkpoint, also with another --tokens (which moves the decay).
"""
import argparse
import json
import os
import random
import time

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import data
from models import CONFIGS, build

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKPOINTS = os.path.join(HERE, "checkpoints")

# (share of the tokens after the first stage, lengths that its steps use alternately). The first stage has no jumps, and ends when the
# share REACHED of the held-out answers is correct. The last stage also has short texts, so that the model does not forget them.
STAGES = [(0.16, (256,)), (0.16, (512,)), (0.24, (1024,)), (0.24, (2048,)), (0.20, (256, 512, 1024, 2048, 4096))]
STEP_TOKENS = {256: 4096, 512: 4096, 1024: 8192, 2048: 8192, 4096: 8192}
MORE, MORE_RATE = (512, 1024, 2048, 4096), 0.5  # lengths of the added stage, and the share of the learning rate with which it begins
FIRST, REACHED = 256, 0.9
FIRST_MAX = 0.5  # of all tokens
DECAY = 0.35  # the last share of the tokens, over which the learning rate falls linearly to zero
WARMUP = 100  # steps
REPEATS, LATER_REPEATS = 0.5, 0.15  # share of the sequences with a repeated stretch, in the first stage and after it
JUMPS, FAR = 0.7, 2e6  # share of the sequences with jumps in their positions; the farthest jump
CROWDED = 0.5  # share of those in which keys before a jump count for the skipped ones
LR, MUON_LR, WEIGHT_DECAY, CLIP = 2e-3, 0.02, 0.05, 1.0
ANSWER_WEIGHT = 8.0


def positions(rng, size, jumps, special):
    """Position ids [n, size] and, for the attention over the whole text, the logarithm of the weight of each
    key [n, size]. With jumps (PoSE, arXiv 2309.10400) the positions jump ahead at 1 to 3 random places,
    each by up to two million, with more long jumps than a log-uniform distribution has, so short sequences
    contain long distances. In half of these the text before a jump also represents the skipped text: each
    of its keys counts as often as needed to fill the jump. So short texts teach the margin that a look-up
    among a million keys needs. Only background is counted; special [n, size] marks everything else.
    Inference is not affected."""
    n = len(special)
    steps, crowd = np.ones((n, size)), np.zeros((n, size))
    steps[:, 0] = 0
    for row, weight, mark in zip(steps, crowd, special) if jumps else ():
        if rng.random() < JUMPS:
            begin, crowded = 0, rng.random() < CROWDED
            for at in np.sort(rng.integers(1, size, rng.integers(1, 4))):
                leap = np.floor(FAR ** rng.random() ** 0.5)
                row[at] += leap
                if crowded and at > begin:
                    weight[begin:at] = np.log(min(1 + leap / (at - begin), FAR / size))
                    begin = at
            weight[mark] = 0
    return torch.from_numpy(steps.cumsum(1)), torch.from_numpy(crowd).float()


def make_loss(model):
    def loss(ids, tables, crowd, weights):
        logits = model(ids[:, :-1], tables, crowd).float()
        nll = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none").view_as(weights)
        return (nll * weights).sum() / weights.sum(), nll.detach()

    return torch.compile(loss, dynamic=False)


class Eval:
    """Held-out retrieval (secret-number, over all depths, code and prose alternately) and held-out language-model loss."""

    def __init__(self, device):
        self.texts, self.device = data.texts(True), device

    def retrieval(self, model, size, cases=32, seed=5, template=data.TEMPLATES[0]):
        r, right = random.Random(seed), 0
        names = sorted(self.texts)
        for i in range(cases):
            name = names[i % len(names)]
            (prompt, answer), = data.needle_case(r, self.texts[name], size, (i + 0.5) / cases, template)
            right += exact(model, prompt, answer, self.device)
        return right / cases

    def nll(self, model, name="go", size=2048, windows=16, seed=6, first=0, times=1):
        """Nats per byte from position `first` on, of windows read `times` times over."""
        r = random.Random(seed)
        ids = torch.tensor([list(self.texts[name].window(r, size) * times) for _ in range(windows)], device=self.device)
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16):
            logits = model(ids, model.tables(torch.arange(size * times, device=self.device)[None])).float()
        return F.cross_entropy(logits[:, first:-1].flatten(0, 1), ids[:, first + 1:].flatten()).item()

    def again(self, model, size=256):
        """Nats per byte of repeated code, without the 8 bytes by which the repetition is recognised."""
        return self.nll(model, size=size, first=size + 7, times=2)


@torch.no_grad()
def exact(model, prompt, answer, device):
    """Whether greedy decoding gives the answer: each of its bytes is the most likely one after those before
    it."""
    ids = torch.tensor([list(prompt + answer)], device=device)
    logits = model.tail_logits(ids[:, :-1], len(answer))
    return bool((logits[0].argmax(-1) == ids[0, -len(answer):]).all())


def plan(step, tokens, first_end, total):
    """The length of a step and whether positions jump; first_end is None until the first stage has ended."""
    if tokens >= total:
        return MORE[step % len(MORE)], True
    if first_end is None:
        return FIRST, False
    share, done = 0.0, (tokens - first_end) / max(1, total - first_end)
    for part, lengths in STAGES:
        share += part
        if done < share:
            break
    return lengths[step % len(lengths)], True


def save(path, state):
    torch.save(state, path + ".tmp")
    os.replace(path + ".tmp", path)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", choices=CONFIGS, required=True)
    p.add_argument("--tokens", type=float, default=19e6, help="bytes to train on in all")
    p.add_argument("--more-tokens", type=float, default=0, help="bytes of an added stage after the rest, in which the rate falls to zero again")
    p.add_argument("--weights", help="begin the added stage with the weights of an exported model (its folder), without the optimisers' state")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    p.add_argument("--threads", type=int, default=0, help="CPU threads (0: PyTorch's choice)")
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--minutes-per-checkpoint", type=float, default=3)
    o = p.parse_args()
    if o.weights and not o.resume and o.more_tokens <= 0:
        p.error("--weights begins an added stage: give its --more-tokens")
    if o.threads:
        torch.set_num_threads(o.threads)
    device = torch.device(o.device)
    arch, args = CONFIGS[o.model]
    torch.manual_seed(o.seed)
    model = build(arch, args).to(device)
    matrices = [q for n, q in model.named_parameters() if q.dim() == 2 and "embed" not in n and "output" not in n and "gt_proj" not in n]
    rest = [q for q in model.parameters() if not any(q is m for m in matrices)]
    # Muon on the matrices brings retrieval in about two thirds of the tokens that AdamW alone needs.
    optimisers = [torch.optim.Muon(matrices, lr=MUON_LR, weight_decay=WEIGHT_DECAY / 5),
                  torch.optim.AdamW(rest, lr=LR, betas=(0.9, 0.95), weight_decay=WEIGHT_DECAY, fused=True)]
    base = [g["lr"] for opt in optimisers for g in opt.param_groups]
    tokens, step, first_end, before = 0, 0, None, None
    os.makedirs(CHECKPOINTS, exist_ok=True)
    path = os.path.join(CHECKPOINTS, o.model)
    if o.resume:
        s = torch.load(path + ".pt", map_location=device)
        model.load_state_dict(s["model"])
        for opt, st in zip(optimisers, s["optimisers"]):
            opt.load_state_dict(st)
        tokens, step, first_end, before = s["tokens"], s["step"], s["first_end"], s.get("before")
        o.more_tokens = o.more_tokens or s["options"]["more_tokens"]
    elif o.weights:
        before = json.load(open(os.path.join(o.weights, "config.json")))["training"]
        model.load_state_dict(load_file(os.path.join(o.weights, "weights.safetensors")))
        tokens, step, first_end = before["tokens"], before["steps"], before["first_stage_tokens"]
    if before:
        o.tokens = before["tokens"]
    fresh = before["steps"] if before else 0  # the step at which the optimisers began
    log = open(path + ".log.jsonl", "a")
    print(f"{o.model}: {sum(q.numel() for q in model.parameters()):,} parameters, {torch.get_num_threads()} threads, {device}", flush=True)
    # Every step draws from its own seed, so that a resumed run sees the data that an uninterrupted one would have seen.
    sampler, evaluate, compute = data.Sampler(o.seed), Eval(device), make_loss(model)
    saved, begun, begun_tokens, seen = time.time(), time.time(), tokens, []

    total = o.tokens + o.more_tokens
    while tokens < total:
        size, jumps = plan(step, tokens, first_end, o.tokens)
        left = (o.tokens - tokens) / (DECAY * o.tokens)
        rate = min(1.0, left) if left > 0 else MORE_RATE * (total - tokens) / o.more_tokens
        rate *= min(1.0, (step - fresh + 1) / WARMUP)
        for group, lr in zip((g for opt in optimisers for g in opt.param_groups), base):
            group["lr"] = lr * rate
        sampler.r.seed(f"{o.seed} {step}")
        rng = np.random.default_rng((o.seed, step))
        n = STEP_TOKENS[size] // size
        seqs, answers, special = sampler.batch(n, size + 1, LATER_REPEATS if jumps else REPEATS)
        ids = torch.from_numpy(seqs).to(device)
        weights = 1 + (ANSWER_WEIGHT - 1) * torch.from_numpy(answers[:, 1:]).float().to(device)
        at, crowd = positions(rng, size, jumps, special[:, :-1])
        tables = model.tables(at.to(device))
        with torch.autocast(device.type, torch.bfloat16):
            loss, nll = compute(ids, tables, crowd.to(device) if jumps else None, weights)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        for opt in optimisers:
            opt.step()
            opt.zero_grad(set_to_none=True)
        tokens, step = tokens + n * size, step + 1
        seen.append((nll[weights > 1].mean().item(), nll[weights == 1].mean().item()))

        last = tokens >= total
        if last or step % (50 if tokens < o.tokens else 20) == 0:
            answer, text = np.nanmean(seen, 0)  # a step of repeated stretches alone has no answers
            seen = []
            row = {"step": step, "tokens": tokens, "size": size, "lr": rate, "answer": round(float(answer), 4), "text": round(float(text), 4),
                   "tokens/s": round((tokens - begun_tokens) / (time.time() - begun))}
            if answer < 1.2 and (first_end is None or last or step % 200 == 0):
                row["retrieval"] = evaluate.retrieval(model, size)
            if last or step % 400 == 0:
                row["heldout"] = {name: round(evaluate.nll(model, name), 4) for name in evaluate.texts}
                row["again"] = round(evaluate.again(model), 4)
                row["wordings"] = {t["name"]: evaluate.retrieval(model, 1024, template=t) for t in data.TEMPLATES if not t["train"]}
            print(json.dumps(row), flush=True)
            log.write(json.dumps(row) + "\n")
            log.flush()
            if first_end is None and (row.get("retrieval", 0) >= REACHED or tokens > FIRST_MAX * o.tokens):
                first_end = tokens
        if time.time() - saved > 60 * o.minutes_per_checkpoint or last:
            saved = time.time()
            save(path + ".pt", {"model": model.state_dict(), "optimisers": [opt.state_dict() for opt in optimisers], "tokens": tokens, "step": step,
                                "first_end": first_end, "before": before, "options": vars(o)})
            if left > 1:  # the last one before the decay: a longer run can continue from it
                save(path + ".stable.pt", torch.load(path + ".pt"))


if __name__ == "__main__":
    main()
