"""A bigram model over bytes: token b follows token a with a probability that depends on a alone."""
import json, math, sys, time
V = 256
ROWS = [[1 + (a * 31 + b * 17) % 97 + 400 * (b == (a + 1) % V) for b in range(V)] for a in range(V)]
LOGP = [[math.log(x / sum(row)) for x in row] for row in ROWS]
seqs = {}
def known(tokens):
    if any(not 0 <= t < V for t in tokens): raise LookupError("a token outside the vocabulary")
    return tokens
def hello(r): return {"protocol": 1, "name": "bigram", "identity": "bigram 1", "vocab": V, "ops": "encode decode score fork truncate usage generate".split(), "device": "python", "dtype": "float64"}
def encode(r): return {"tokens": list(r["text"].encode())}
def decode(r): return {"text": bytes(known(r["tokens"])).decode(errors="replace")}
def new(r): seqs[r["seq"]] = []
def fork(r): seqs[r["seq"]] = list(seqs[r["from"]])
def truncate(r): del seqs[r["seq"]][r["length"]:]
def free(r): del seqs[r["seq"]]
def prefill(r): seqs[r["seq"]] += known(r["tokens"])
def best(t, n): return sorted(([b, LOGP[t][b]] for b in range(V)), key=lambda p: (-p[1], p[0]))[:n]
def step(r):
    for s, t in zip([seqs[s] for s in r["seqs"]], known(r["tokens"])): s.append(t)
    return {"top": [best(t, r["top"]) for t in r["tokens"]]}
def score(r): prefill(r); return {"logprobs": [LOGP[a][b] for a, b in zip(r["tokens"], r["tokens"][1:])]}
def generate(r):
    prefill(r); s, out = seqs[r["seq"]], []
    while len(out) < r["n"] and not (out and out[-1] in r.get("stop", [])): out.append(best((out or s)[-1], 1)[0][0])
    s += out[:-1]; return {"tokens": out}
def usage(r): return {"weights": V * V * 8, "cache": sum(map(len, seqs.values())) * 8}
for line in sys.stdin:
    r, begin = json.loads(line), time.perf_counter()
    if r["op"] == "bye": break
    try: a = {"id": r["id"], "ok": True, **({"hello": hello, "encode": encode, "decode": decode, "new": new, "fork": fork, "truncate": truncate, "free": free, "prefill": prefill, "step": step, "score": score, "generate": generate, "usage": usage}[r["op"]](r) or {})}
    except LookupError as e: a = {"id": r["id"], "ok": False, "error": "bad_request", "message": str(e)}
    print(json.dumps({**a, "ms": (time.perf_counter() - begin) * 1000}), flush=True)
