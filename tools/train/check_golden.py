"""Checks the modules against the golden fixtures of the reference code: python tools/train/check_golden.py [FOLDER]"""
import json
import os
import sys

import torch
from safetensors.torch import load_file

from models import build

TOLERANCE = 1e-4


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "../../testdata/golden")
    fixtures = sorted(d for d in os.listdir(root) if os.path.isfile(os.path.join(root, d, "weights.safetensors")))
    worst = 0.0
    for name in fixtures:
        folder = os.path.join(root, name)
        cfg = json.load(open(folder + "/config.json"))
        model = build(cfg["arch"], cfg["reference_args"])
        model.load_state_dict({k: v.float() for k, v in load_file(folder + "/weights.safetensors").items()})
        tokens, expect = json.load(open(folder + "/tokens.json")), load_file(folder + "/expect.safetensors")
        for t in (t for t in tokens if t + ".logits" in expect):
            ids = torch.tensor([tokens[t]])
            with torch.no_grad():
                logits = model(ids, model.tables(torch.arange(ids.shape[1])[None]))[0]
                # The evaluation's segmented form with its early exit must agree too.
                window = cfg["reference_args"]["sliding_window"] or 1
                segment = {} if cfg["arch"] == "transformer" else {"segment": window * max(1, 128 // window)}
                tail = model.tail_logits(ids, 1, **segment)[0]
            error = max((logits - expect[t + ".logits"]).abs().max().item(), (tail - expect[t + ".logits"][-1:]).abs().max().item())
            worst = max(worst, error)
            print(f"{name} {t}: largest logit error {error:.1e}")
    if not fixtures or not worst <= TOLERANCE:
        sys.exit(f"FAILED: {len(fixtures)} fixtures, largest error {worst:.1e}, allowed {TOLERANCE:.0e}")
    print("ok")


main()
