"""Serves a PyTorch language model to yocobench, by the protocol of docs/protocol.md.

    pip install torch transformers
    yocobench model check python3 examples/pytorch_model.py path/to/huggingface/folder
    yocobench model check python3 examples/pytorch_model.py --module mine.py:Model

--module calls NAME() of FILE.py:NAME. It returns a torch.nn.Module with the attribute vocab_size,
which maps token ids [1, n] to logits [1, n, vocab_size]; without a cache, so each step computes all."""
import argparse, copy, importlib.util, json, os, sys, time, traceback
import torch

args = argparse.ArgumentParser()
args.add_argument("model", nargs="?")
args.add_argument("--module")
args.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
args.add_argument("--dtype", default="float32")
args = args.parse_args()
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what libraries print goes to stderr


class HuggingFace:
    def __init__(self):
        from transformers import AutoConfig, AutoTokenizer
        config = AutoConfig.from_pretrained(args.model).get_text_config()
        self.about = {"name": os.path.basename(os.path.normpath(args.model)), "vocab": config.vocab_size, "context": config.max_position_embeddings}
        if os.path.isdir(args.model) and not any(f.startswith("tokenizer") for f in os.listdir(args.model)):
            return
        self.tokenizer = AutoTokenizer.from_pretrained(args.model)
        self.about["eos"] = self.tokenizer.eos_token_id
        if self.tokenizer("").input_ids[:1] == [self.tokenizer.bos_token_id]:
            self.about["bos"] = self.tokenizer.bos_token_id

    def load(self):
        from transformers import AutoModelForCausalLM
        return AutoModelForCausalLM.from_pretrained(args.model, dtype=getattr(torch, args.dtype))

    def logits(self, net, seq, tokens, last):
        out = net(torch.tensor([tokens], device=args.device), past_key_values=seq.get("cache"), use_cache=True, logits_to_keep=last)
        seq["cache"] = out.past_key_values
        return out.logits[0]


class Module:
    def __init__(self):
        file, self.name = args.module.rsplit(":", 1)
        spec = importlib.util.spec_from_file_location("mine", file)
        self.mine = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.mine)
        self.net = getattr(self.mine, self.name)()
        self.about = {"name": self.name, "vocab": self.net.vocab_size}

    def load(self):
        return self.net.to(getattr(torch, args.dtype))

    def logits(self, net, seq, tokens, last):
        seq["tokens"] = seq.get("tokens", []) + tokens
        return net(torch.tensor([seq["tokens"]], device=args.device))[0, -last:]


model, net, seqs = Module() if args.module else HuggingFace(), None, {}
optional = ["score", "fork", "usage"] + (["encode", "decode"] if hasattr(model, "tokenizer") else [])


def size(x):
    """The bytes of all tensors in x."""
    if isinstance(x, torch.Tensor):
        return x.numel() * x.element_size()
    if isinstance(x, (list, tuple)):
        return sum(map(size, x))
    return sum(map(size, x.values())) if isinstance(x, dict) else size(vars(x)) if hasattr(x, "key_cache") or hasattr(x, "layers") or hasattr(x, "keys") else 0


def run(seq, tokens, last):
    """Appends tokens and returns the log-probabilities after the last of them, [last, vocab]."""
    if not all(0 <= t < model.about["vocab"] for t in tokens):
        raise LookupError("a token outside the vocabulary")
    return model.logits(net, seq, tokens, last).float().log_softmax(-1)


def best(row, n):
    top = row.topk(min(n, len(row)))
    return [[t, min(p, 0.0)] for t, p in zip(top.indices.tolist(), top.values.tolist())]


def do(r):
    global net
    op = r["op"]
    if op == "hello":
        return {"protocol": 1, "ops": optional, "device": args.device, "dtype": args.dtype, **model.about}
    if op == "encode":
        return {"tokens": model.tokenizer(r["text"], add_special_tokens=False).input_ids}
    if op == "decode":
        return {"text": model.tokenizer.decode(r["tokens"])}
    if op == "new":
        net = net or model.load().to(args.device).eval()
        seqs[r["seq"]] = {}
    elif op == "fork":
        seqs[r["seq"]] = copy.deepcopy(seqs[r["from"]])
    elif op == "free":
        del seqs[r["seq"]]
    elif op == "prefill":
        run(seqs[r["seq"]], r["tokens"], 1)
    elif op == "step":
        states = [seqs[s] for s in r["seqs"]]
        return {"top": [best(run(s, [t], 1)[-1], r["top"]) for s, t in zip(states, r["tokens"])]}
    elif op == "score":
        rows = run(seqs[r["seq"]], r["tokens"], len(r["tokens"]))
        return {"logprobs": [min(rows[i, t].item(), 0.0) for i, t in enumerate(r["tokens"][1:])]}
    elif op == "usage":
        weights, cache, cuda = size(list(net.parameters())) if net else 0, size(seqs), args.device.startswith("cuda")
        if cuda and r.get("reset"):
            torch.cuda.reset_peak_memory_stats()
        held = {"workspace": max(0, torch.cuda.memory_allocated() - weights - cache), "peak": torch.cuda.max_memory_allocated()} if cuda else {}
        return {"weights": weights, "cache": cache, **held}
    else:
        raise LookupError("unknown operation " + op)
    return {}


for line in sys.stdin:
    r, begin = json.loads(line), time.perf_counter()
    if r["op"] == "bye":
        break
    try:
        with torch.inference_mode():
            a = {"ok": True, **do(r)}
        if args.device.startswith("cuda"):
            torch.cuda.synchronize()
    except torch.cuda.OutOfMemoryError as e:
        torch.cuda.empty_cache()
        a = {"ok": False, "error": "out_of_memory", "message": str(e)}
    except LookupError as e:
        a = {"ok": False, "error": "bad_request", "message": str(e)}
    except Exception as e:
        traceback.print_exc()
        a = {"ok": False, "error": "failed", "message": repr(e)}
    print(json.dumps({"id": r["id"], **a, "ms": (time.perf_counter() - begin) * 1000}), file=answers, flush=True)
