"""Times PyTorch on the inputs of the kernels' measurements and compares the kernels' samples with its results.

Reads the measurements as JSON from standard input. Writes one JSON document per line: {"torch": version and device}, then
{"index": i, "peers": [...]} for measurement i as soon as it is done. With the argument "any" it uses the CPU if there is no GPU.
"""
import json
import sys
import time as clock

import torch

gpu = torch.cuda.is_available()
if not gpu and "any" not in sys.argv[1:]:
    sys.exit("PyTorch finds no GPU")
dev = "cuda" if gpu else "cpu"
torch.backends.cuda.matmul.allow_tf32 = False


def values(seed, n, dtype):
    """Input number seed, as runners/cuda.Input makes it."""
    m = 0xFFFFFFFF
    out = torch.empty(n, dtype=dtype, device=dev)
    piece = 1 << 24  # in pieces, because the 64-bit integers take several times the memory of the values
    for at in range(0, n, piece):
        end = min(n, at + piece)
        h = (torch.arange(at, end, dtype=torch.int64, device=dev) * 2654435761 + seed * 2246822519) & m
        h = ((h ^ (h >> 15)) * 2246822519) & m
        out[at:end] = ((h >> 24) - 128).to(torch.float32) / 128
    return out


def padded(n):
    """The row stride of n columns."""
    return (n + 15) // 16 * 16


scratch = torch.empty(128 << 20 if gpu else 0, dtype=torch.float32, device=dev)


def elapsed(f):
    """f's result and its time in milliseconds. Writes 512 MiB first, as the benchmark of our kernels does: then the cache holds none of f's inputs,
    and the GPU is busy until the host has enqueued f."""
    if not gpu:
        start = clock.perf_counter()
        return f(), (clock.perf_counter() - start) * 1e3
    a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    scratch.zero_()
    a.record()
    out = f()
    b.record()
    torch.cuda.synchronize()
    return out, a.elapsed_time(b)


def time(f, samples=12, warmup=3):
    """The median time in milliseconds and the result."""
    for _ in range(warmup):
        f()
    times = []
    for _ in range(samples):
        out, ms = elapsed(f)
        times.append(ms)
    times.sort()
    return (times[(samples - 1) // 2] + times[samples // 2]) / 2, out


def why(e):
    """A short description of an exception."""
    return (str(e).strip().splitlines() or [type(e).__name__])[0][:120]


def compare(m, out):
    """The largest difference between the samples and out [rows, cols], divided by 1 + |value|; NaN counts as the largest number."""
    worst = 0.0
    for s in m["samples"]:
        want = out[s["row"], s["col"]].float().item()
        d = abs(s["value"] - want) / (1 + abs(want))
        worst = max(worst, d if d == d else sys.float_info.max)
    return worst


def wide_product(a, b):
    """a bᵀ with float32 sums and a float32 result."""
    return torch.mm(a, b.t(), out_dtype=torch.float32) if gpu and a.dtype != torch.float32 else a.float() @ b.float().t()


def product(m, t):
    s = m["shape"]
    n = s["out"] * (2 if m["kernel"] == "swiglu" else 1)
    a = values(1, s["rows"] * s["in"], t).view(s["rows"], s["in"])
    b = values(2, n * s["in"], t).view(n, s["in"])
    if m["kernel"].endswith("_add"):
        ld = padded(s["out"])
        c = values(3, s["rows"] * ld, torch.float32).view(s["rows"], ld)[:, :s["out"]]
        try:
            ms, out = time(lambda: torch.addmm(c, a, b.t(), out_dtype=torch.float32))
            return [dict(name="torch.addmm into float32", ms=ms, error=compare(m, out))]
        except Exception:  # missing in this build of PyTorch, or unsupported for these types
            ms, out = time(lambda: c + wide_product(a, b))
            return [dict(name="torch.mm and add", ms=ms, error=compare(m, out))]
    if m["kernel"].endswith("_f32"):
        ms, out = time(lambda: wide_product(a, b))
        return [dict(name="torch.mm into float32", ms=ms, error=compare(m, out))]
    ms, out = time(lambda: a @ b.t())
    if m["kernel"] != "swiglu":
        return [dict(name="torch.matmul", ms=ms, error=compare(m, out))]
    f = lambda: torch.nn.functional.silu((y := a @ b.t())[:, :s["out"]]) * y[:, s["out"]:]
    ms2, out = time(f)
    return [dict(name="torch.matmul alone", ms=ms), dict(name="torch.matmul and silu", ms=ms2, error=compare(m, out))]


def flash_attention():
    """The installed ones of FlashAttention 3 and 2, as functions of q, k, v [batch, heads, rows, hd] and causal. The last query sees all keys."""
    found = []
    for name, module in (("FlashAttention 3", "flash_attn_interface"), ("FlashAttention 2", "flash_attn")):
        try:
            func = __import__(module).flash_attn_func
        except Exception:  # not installed, or incompatible with this PyTorch
            continue

        def f(q, k, v, causal, func=func):
            out = func(*(x.transpose(1, 2) for x in (q, k, v)), causal=causal)
            return (out[0] if isinstance(out, tuple) else out).transpose(1, 2)

        found.append((name, f))
    return found


def attention(m, t):
    from torch.nn.attention import SDPBackend, sdpa_kernel
    s = m["shape"]
    h, kv, hd = s["heads"], s["kv_heads"], s["hd"]
    if m["kernel"] == "attend_decode":
        rows, n, batch = 1, s["depth"], s["batch"]
        q = values(1, batch * h * hd, t).view(batch, 1, h, hd).transpose(1, 2)
    else:
        rows = s["rows"]
        n = rows + s.get("pos0", 0)
        batch = 1
        q = values(1, rows * h * hd, t).view(1, rows, h, hd).transpose(1, 2).contiguous()
    if "window" in s:
        k, v = (values(i, n * kv * hd, t).view(1, n, kv, hd).transpose(1, 2) for i in (2, 3))
    else:
        k, v = (values(i, kv * n * hd, t).view(1, kv, n, hd).expand(batch, kv, n, hd) for i in (2, 3))
    if "window" in s or "cap" in s:
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention
        mask = create_block_mask(lambda b, h, i, j: (i >= j) & (i - j < s.get("window", n)), None, None, n, n, device=dev)
        bounded = (lambda score, b, h, i, j: s["cap"] * torch.tanh(score / s["cap"])) if "cap" in s else None
        flex = torch.compile(flex_attention) if gpu else flex_attention
        ways = [("flex_attention", None, lambda: flex(q, k, v, bounded, mask, enable_gqa=h != kv))]
    else:
        if batch > 1:
            k, v = k.contiguous(), v.contiguous()  # each sequence reads its own cache
        sdpa = torch.nn.functional.scaled_dot_product_attention
        if "pos0" in s:
            # The last query sees all keys. Some versions do not combine a bias with grouped heads;
            # then every head gets its own keys and values.
            from torch.nn.attention.bias import causal_lower_right
            bias = causal_lower_right(rows, n)
            grouped, repeated = (k, v), None

            def f():
                nonlocal repeated
                if repeated is None:
                    try:
                        return sdpa(q, *grouped, attn_mask=bias, enable_gqa=h != kv)
                    except Exception:
                        repeated = [x.repeat_interleave(h // kv, 1) for x in grouped]
                return sdpa(q, *repeated, attn_mask=bias)
        else:
            f = lambda: sdpa(q, k, v, is_causal=rows > 1, enable_gqa=h != kv)
        ways = [("SDPA flash", SDPBackend.FLASH_ATTENTION, f), ("SDPA cuDNN", SDPBackend.CUDNN_ATTENTION, f)]
        ways += [(name, None, lambda f=f: f(q, k, v, rows > 1)) for name, f in flash_attention()]
    peers = []
    for name, backend, f in ways:
        try:
            if backend is None:
                ms, out = time(f)
            else:
                with sdpa_kernel(backend):
                    ms, out = time(f)
            peers.append(dict(name=name, ms=ms, error=compare(m, out.transpose(1, 2).reshape(-1, h * hd))))
        except Exception as e:  # this build of PyTorch lacks the backend
            peers.append(dict(name=name, ms=0, why=why(e)))
    return peers


def retain(m, t):
    try:
        from fla.ops.simple_gla import chunk_simple_gla
    except Exception as e:
        return [dict(name="flash-linear-attention", ms=0, why=why(e) + " (install the package fla-core)")]
    s = m["shape"]
    n, h, hd = s["rows"], s["heads"], s["hd"]
    q, k, v, g = (values(i, n * h * hd, t).view(1, n, h, hd) for i in (1, 2, 3, 4))
    ld = padded(h)
    gate = torch.nn.functional.logsigmoid(values(5, n * ld, torch.float32).view(n, ld)[:, :h]).view(1, n, h) / 16
    ms, o = time(lambda: chunk_simple_gla(q, k, v, gate, scale=hd ** -0.5)[0])
    o = o.float()
    out = torch.nn.functional.silu(g.float()) * o * torch.rsqrt((o * o).mean(-1, keepdim=True) + 1e-5)
    return [dict(name="flash-linear-attention chunk_simple_gla (without norm and gate)", ms=ms, error=compare(m, out.view(n, h * hd)))]


def compiled(f, t):
    """f, compiled by torch.compile if its speed matters: on a GPU, in bfloat16."""
    return torch.compile(f, dynamic=False) if gpu and t is torch.bfloat16 else f


def numbers(n, limit):
    """Integers below limit, as runners/cuda.Number makes them."""
    return torch.arange(n, device=dev) * 40503 % limit


def turn(x, first):
    """A function that applies rotary embedding to x [rows, heads, hd] at positions first, first+1, ..., in float32."""
    rows, _, hd = x.shape
    freq = 1e6 ** (-2 * torch.arange(hd // 2, dtype=torch.float64, device=dev) / hd)
    angle = torch.arange(first, first + rows, device=dev).double()[:, None, None] * freq
    cos, sin = angle.cos().float(), angle.sin().float()

    def f(x, cos, sin):
        a, b = x.float().unflatten(-1, (-1, 2)).unbind(-1)
        return torch.stack((a * cos - b * sin, b * cos + a * sin), -1).flatten(-2).to(x.dtype)

    f = compiled(f, x.dtype)
    return lambda: f(x, cos, sin)


def embed(m, t):
    s = m["shape"]
    table, ids = values(2, s["vocab"] * s["dim"], t).view(-1, s["dim"]), numbers(s["rows"], s["vocab"])
    f = compiled(lambda ids, table: torch.nn.functional.embedding(ids, table).float() * s["dim"] ** 0.5, t)
    ms, out = time(lambda: f(ids, table))
    return [dict(name="embedding, compiled", ms=ms, error=compare(m, out))]


def rmsnorm(m, t):
    s = m["shape"]
    x, w = values(1, s["rows"] * s["dim"], torch.float32).view(-1, s["dim"]), values(2, s["dim"], torch.float32)
    f = compiled(lambda x, w: torch.nn.functional.rms_norm(x, w.shape, w, 1e-5).to(t), t)
    ms, out = time(lambda: f(x, w))
    return [dict(name="rms_norm, compiled", ms=ms, error=compare(m, out))]


def head_norm(m, t):
    s = m["shape"]
    x, w = values(1, s["rows"] * s["heads"] * s["hd"], t).view(s["rows"], s["heads"], s["hd"]), values(2, s["hd"], torch.float32)
    f = compiled(lambda x, w: torch.nn.functional.rms_norm(x.float(), w.shape, w, 1e-5).to(t), t)
    ms, out = time(lambda: f(x, w))
    return [dict(name="rms_norm, compiled", ms=ms, error=compare(m, out.flatten(1)))]


def add_norm(m, t):
    s = m["shape"]
    x, w = values(1, s["rows"] * s["dim"], t).view(-1, s["dim"]), values(2, s["dim"], torch.float32)
    base = values(3, s["rows"] * s["dim"], torch.float32).view(-1, s["dim"])
    f = compiled(lambda base, x, w: base + torch.nn.functional.rms_norm(x.float(), w.shape, w, 1e-5), t)
    ms, out = time(lambda: f(base, x, w))
    return [dict(name="rms_norm and add, compiled", ms=ms, error=compare(m, out))]


def add_bias(m, t):
    s = m["shape"]
    x, b = values(1, s["rows"] * s["cols"], t).view(-1, s["cols"]), values(2, s["cols"], torch.float32)
    f = compiled(lambda x, b: (x.float() + b).to(t), t)
    ms, out = time(lambda: f(x, b))
    return [dict(name="add, compiled", ms=ms, error=compare(m, out))]


def copy(m, t):
    s = m["shape"]
    x = values(1, s["rows"] * s["cols"], torch.float32).view(-1, s["cols"])
    ms, out = time(lambda: x.to(t, copy=True))
    return [dict(name="to", ms=ms, error=compare(m, out))]


def soft_cap(m, t):
    s = m["shape"]
    x = values(1, s["rows"] * s["cols"], torch.float32).view(-1, s["cols"])
    f = compiled(lambda x: s["cap"] * torch.tanh(x / s["cap"]), t)
    ms, out = time(lambda: f(x))
    return [dict(name="tanh, compiled", ms=ms, error=compare(m, out))]


def rope(m, t):
    s = m["shape"]
    x = values(1, s["rows"] * s["heads"] * s["hd"], t).view(s["rows"], s["heads"], s["hd"])
    ms, out = time(turn(x, s["end"] - s["rows"]))
    return [dict(name="rotation, compiled", ms=ms, error=compare(m, out.flatten(1)))]


def rope_store(m, t):
    s = m["shape"]
    h, hd, rows = s["kv_heads"], s["hd"], s["rows"]
    k, v = (values(i, rows * h * hd, t).view(rows, h, hd) for i in (1, 2))
    turned, cache = turn(k, 0), torch.empty(2, h, rows, hd, dtype=t, device=dev)

    def f():
        cache[0].copy_(turned().transpose(0, 1))
        cache[1].copy_(v.transpose(0, 1))
        return cache

    ms, out = time(f)
    return [dict(name="rotation, compiled, and copies", ms=ms, error=compare(m, out.view(-1, hd)))]


def logprobs(m, t):
    s = m["shape"]
    x, w = values(1, s["rows"] * s["dim"], t).view(-1, s["dim"]) / 32, values(2, s["vocab"] * s["dim"], t).view(-1, s["dim"])
    target = numbers(s["rows"], s["vocab"])
    ms, out = time(lambda: -torch.nn.functional.cross_entropy(wide_product(x, w), target, reduction="none"))
    return [dict(name="torch.mm and cross_entropy", ms=ms, error=compare(m, out[:, None]))]


def argmax(m, t):
    s = m["shape"]
    x = sum(values(i, s["rows"] * s["n"], torch.float32) / 256 ** (i - 1) for i in (1, 2)).view(s["rows"], s["n"])
    ms, _ = time(lambda: x.argmax(1))
    lowest = torch.where(x == x.amax(1, keepdim=True), torch.arange(s["n"], device=dev), s["n"]).amin(1)
    return [dict(name="argmax", ms=ms, error=compare(m, lowest[:, None]))]


def retain_step(m, t):
    s = m["shape"]
    b, h, hd = s["batch"], s["heads"], s["hd"]
    q, k, v, g = (values(i, b * h * hd, t).view(b, h, hd).float() for i in (1, 2, 3, 4))
    ld = padded(h)
    gate = values(5, b * ld, t).view(b, ld)[:, :h].float()
    state = values(6, h * hd * hd, torch.float32).view(1, h, hd, hd).repeat(b, 1, 1, 1) / 16

    def f(state, q, k, v, g, gate):
        gamma = torch.exp(torch.nn.functional.logsigmoid(gate) / 16)[..., None, None]
        state = gamma * state + k[..., None] * v[..., None, :] * hd ** -0.5
        o = (q[..., None] * state).sum(-2)
        return torch.nn.functional.silu(g) * o * torch.rsqrt((o * o).mean(-1, keepdim=True) + 1e-5), state

    f = compiled(f, t)
    ms, (out, _) = time(lambda: f(state, q, k, v, g, gate))
    return [dict(name="the same step, compiled", ms=ms, error=compare(m, out.flatten(1)))]


def put(x):
    print(json.dumps(x), flush=True)


PEERS = dict(retain=retain, retain_step=retain_step, embed=embed, rmsnorm=rmsnorm, head_norm=head_norm, add_norm=add_norm, add_bias=add_bias,
             copy=copy, soft_cap=soft_cap, rope=rope, rope_store=rope_store, logprobs=logprobs, argmax=argmax)


def main():
    put(dict(torch=f"{torch.__version__} on {torch.cuda.get_device_name() if gpu else 'the CPU'}"))
    for i, m in enumerate(json.load(sys.stdin)):
        if m.get("peers"):
            continue  # from an earlier call
        t = torch.bfloat16 if m["dtype"] == "bf16" else torch.float32
        kind = m["kernel"].split("_")[0]
        f = product if kind in ("gemm", "gemv", "swiglu") else attention if kind == "attend" else PEERS[m["kernel"]]
        try:
            peers = f(m, t) if m["ok"] else []
        except Exception as e:
            peers = [dict(name="PyTorch", ms=0, why=why(e))]
        put(dict(index=i, peers=peers))
        if gpu:
            torch.cuda.empty_cache()


main()
