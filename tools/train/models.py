"""The three byte-level architectures, with the arithmetic and the parameter names of the public YOCO reference code.

Parameters carry the reference names, so `state_dict()` is what goes into weights.safetensors.
All sequence mixing runs in float32 except full attention; matrix products follow the caller's autocast.
"""
import torch
import torch.nn.functional as F
from torch import nn

CHUNK = 64  # tokens of one block of the gated retention's parallel form

# Equal parameters within about 1 %: gret has an extra gate matrix in its self-decoder, so a narrower ffn.
_YOCO = dict(dim=128, n_layers=8, n_attn_heads=2, n_attn_kv_heads=1, vocab_size=256, rope_theta=1e8, norm_eps=1e-5, max_seq_len=1 << 20)
CONFIGS = {
    "tiny-yoco-gret": ("yoco_gret", dict(_YOCO, hidden_dim=320, n_self_heads=4, sliding_window=None)),
    "tiny-yoco-swa": ("yoco_swa", dict(_YOCO, hidden_dim=344, n_self_heads=4, sliding_window=64)),
    "tiny-transformer": ("transformer", dict(dim=128, n_layers=8, head_dim=64, hidden_dim=344, n_heads=2, n_kv_heads=1, vocab_size=256,
                                             rope_theta=1e8, norm_eps=1e-5, max_seq_len=1 << 20, sliding_window=None)),
}


class RMSNorm(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(dim)), eps

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


def wide(x):
    """At least float32. float64 is kept, because the exported expectations are computed in it."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def linear(n_in, n_out):
    return nn.Linear(n_in, n_out, bias=False)


def heads(x, n):
    return x.view(*x.shape[:-1], n, -1)  # [B,T,n,hd]


def rotate(x, table, interleaved):
    """Rotates [B,T,H,hd]; table holds cos and sin [B or 1,T,1,hd/2]."""
    cos, sin = table
    if interleaved:
        a, b = wide(x).unflatten(-1, (-1, 2)).unbind(-1)
    else:
        a, b = wide(x).chunk(2, -1)
    a, b = a * cos - b * sin, b * cos + a * sin
    return torch.stack((a, b), -1).flatten(-2) if interleaved else torch.cat((a, b), -1)


def rope_table(positions, head_dim, theta, endpoint):
    """cos and sin in the default dtype, from float64 angles: positions reach a million. positions: [B or 1, T].
    YOCO's frequencies include the end point 1/theta, the Transformer's do not."""
    half = head_dim // 2
    exponent = torch.arange(half, dtype=torch.float64) / (half - 1 if endpoint else half)
    angle = positions.double()[..., None, None] * theta ** -exponent.to(positions.device)
    return angle.cos().to(torch.get_default_dtype()), angle.sin().to(torch.get_default_dtype())


def attention(q, k, v, crowd=None):
    """Causal, bottom-right aligned, grouped KV; q [B,Tq,H,hd], k and v [B,T,K,hd] -> [B,Tq,H*hd]. crowd [B,T]
    is added to the scores of each key: in training, the logarithm of the number of keys that it
    represents."""
    group, tq, tk, hd = q.shape[2] // k.shape[2], q.shape[1], k.shape[1], q.shape[-1]
    if crowd is not None:  # as one more dimension, so that the fast causal form serves; padded to eight
        q = torch.cat((q, q.new_full((*q.shape[:-1], 1), hd ** 0.5), q.new_zeros((*q.shape[:-1], 7))), -1)
        k = torch.cat((k, crowd[:, :, None, None].expand(*k.shape[:-1], 1).to(k.dtype), k.new_zeros((*k.shape[:-1], 7))), -1)
        v = F.pad(v, (0, 8))
    q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
    if torch.is_autocast_enabled(q.device.type) and (q.is_cuda or tk > 512):  # on a CPU float32 is the faster one for short sequences
        q, k = q.bfloat16(), k.bfloat16()
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    mask = None if tq == tk else torch.ones(tq, tk, dtype=torch.bool, device=q.device).tril(tk - tq)
    o = F.scaled_dot_product_attention(q, k, v.to(q.dtype), attn_mask=mask, is_causal=mask is None, scale=hd ** -0.5)
    return o[..., :hd].transpose(1, 2).flatten(2)


class FFN(nn.Module):
    def __init__(self, dim, hidden, names):
        super().__init__()
        self.names = names  # (up with SiLU, up without, down)
        for name, shape in zip(names, ((dim, hidden), (dim, hidden), (hidden, dim))):
            self.add_module(name, linear(*shape))

    def forward(self, x):
        a, b, down = (getattr(self, n) for n in self.names)
        return down(F.silu(a(x)) * b(x))


class GatedRetention(nn.Module):
    """S_t = gamma_t S_{t-1} + (k_t hd^-0.5) v_t^T, o_t = q_t^T S_t, computed CHUNK tokens at a time in float32."""

    def __init__(self, a):
        super().__init__()
        d = a["dim"]
        self.n, self.eps = a["n_self_heads"], a["norm_eps"]
        for name in "qkvg":
            self.add_module(name + "_proj", linear(d, d))
        self.out_proj, self.gt_proj = linear(d, d), linear(d, self.n)

    def forward(self, y, table, state=None):
        T = y.shape[1]
        q, k, v = (heads(getattr(self, n + "_proj")(y), self.n) for n in "qkv")
        q, k, v = rotate(q, table, True), rotate(k, table, True) * k.shape[-1] ** -0.5, wide(v)
        log_gamma = F.logsigmoid(wide(self.gt_proj(y))) / 16
        pad = -T % CHUNK  # zero keys and gamma 1: the padding changes no state
        q, k, v = (F.pad(t, (0, 0, 0, 0, 0, pad)).unflatten(1, (-1, CHUNK)).permute(0, 3, 1, 2, 4) for t in (q, k, v))  # [B,H,N,C,hd]
        log_gamma = F.pad(log_gamma, (0, 0, 0, pad)).unflatten(1, (-1, CHUNK)).permute(0, 3, 1, 2)  # [B,H,N,C]
        with torch.autocast(y.device.type, enabled=False):
            o, state = self.chunks(q, k, v, log_gamma, state)
        o = o.permute(0, 2, 3, 1, 4).flatten(1, 2)[:, :T]
        o = o * torch.rsqrt(o.square().mean(-1, keepdim=True) + self.eps)
        return self.out_proj(F.silu(self.g_proj(y)) * o.flatten(2)), state

    @staticmethod
    def chunks(q, k, v, log_gamma, state):
        within = log_gamma.cumsum(-1)
        total = within[..., -1]
        causal = torch.ones(CHUNK, CHUNK, dtype=torch.bool, device=q.device).tril()
        decay = (within[..., :, None] - within[..., None, :]).masked_fill(~causal, -torch.inf).exp()
        inner = (q @ k.transpose(-1, -2) * decay) @ v
        added = (k * (total[..., None] - within).exp()[..., None]).transpose(-1, -2) @ v  # what each chunk adds to the state
        # The state before chunk n is the sum over m < n of what chunk m added, decayed by the chunks between.
        upto = total.cumsum(-1)
        before = upto - total
        N = total.shape[-1]
        past = torch.ones(N, N, dtype=torch.bool, device=q.device).tril(-1)
        carry = (before[..., :, None] - upto[..., None, :]).masked_fill(~past, -torch.inf).exp()
        states = (carry @ added.flatten(-2)).view_as(added)
        if state is not None:
            states = states + before.exp()[..., None, None] * state[:, :, None]
        last = total[..., -1].exp()[..., None, None] * states[:, :, -1] + added[:, :, -1]
        return inner + (q * within.exp()[..., None]) @ states, last


class WindowAttention(nn.Module):
    """Each query sees `window` keys, itself included; computed in blocks of `window` queries against two blocks of keys."""

    def __init__(self, a):
        super().__init__()
        d = a["dim"]
        self.n, self.window = a["n_self_heads"], a["sliding_window"]
        for name in ("q", "k", "v", "out"):
            self.add_module(name + "_proj", linear(d, d))

    def forward(self, y, table, state=None):
        """state: keys and values of the last window positions, when y continues a sequence at a multiple of window."""
        T, W = y.shape[1], self.window
        q, k, v = (heads(getattr(self, n + "_proj")(y), self.n) for n in "qkv")
        q, k = rotate(q, table, True), rotate(k, table, True)
        pad = -T % W
        q, k, v = (F.pad(t, (0, 0, 0, 0, 0, pad)).unflatten(1, (-1, W)).transpose(2, 3) for t in (q, k, v.to(q.dtype)))  # [B,N,H,W,hd]
        first = (torch.zeros_like(k[:, :1]), torch.zeros_like(v[:, :1])) if state is None else state
        keys = torch.cat((torch.cat((first[0], k[:, :-1]), 1), k), 3)
        values = torch.cat((torch.cat((first[1], v[:, :-1]), 1), v), 3)
        i = torch.arange(W, device=y.device)[:, None]
        j = torch.arange(2 * W, device=y.device) - W
        keep = ((j <= i) & (j > i - W))[None]
        if state is None:
            block = torch.arange(k.shape[1], device=y.device)[:, None, None]
            keep = keep & ((block > 0) | (j >= 0))
        scores = wide(q @ keys.transpose(-1, -2)) * q.shape[-1] ** -0.5
        scores = scores.masked_fill(~keep[:, None], -torch.inf)
        o = scores.softmax(-1).to(values.dtype) @ values
        o = o.transpose(2, 3).flatten(1, 2)[:, :T].flatten(2)
        return self.out_proj(o), (k[:, -1:], v[:, -1:])


class CrossAttention(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.n = a["n_attn_heads"]
        self.q_proj, self.out_proj = linear(a["dim"], a["dim"]), linear(a["dim"], a["dim"])

    def forward(self, y, table, k, v, crowd=None):
        return self.out_proj(attention(rotate(heads(self.q_proj(y), self.n), table, True), k, v, crowd))


class YocoLayer(nn.Module):
    def __init__(self, a, mixer):
        super().__init__()
        self.mixer = mixer
        self.mixer_layer_norm, self.final_layer_norm = RMSNorm(a["dim"], a["norm_eps"]), RMSNorm(a["dim"], a["norm_eps"])
        self.ffn = FFN(a["dim"], a["hidden_dim"], ("fc1", "gate", "fc2"))

    def add_ffn(self, x):
        return x + self.ffn(self.final_layer_norm(x))


class Decoder(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)


class Yoco(nn.Module):
    def __init__(self, arch, a):
        super().__init__()
        self.args, half = a, a["n_layers"] // 2
        self.embed_tokens = nn.Embedding(a["vocab_size"], a["dim"])
        mixer = GatedRetention if arch == "yoco_gret" else WindowAttention
        self.self_decoder = Decoder(YocoLayer(a, mixer(a)) for _ in range(half))
        self.cross_decoder = Decoder(YocoLayer(a, CrossAttention(a)) for _ in range(half))
        head = a["dim"] // a["n_attn_heads"]
        self.cross_decoder.k_proj = linear(a["dim"], a["n_attn_kv_heads"] * head)
        self.cross_decoder.v_proj = linear(a["dim"], a["n_attn_kv_heads"] * head)
        self.cross_decoder.kv_layer_norm = RMSNorm(a["dim"], a["norm_eps"])
        self.layer_norm = RMSNorm(a["dim"], a["norm_eps"])
        self.output_projection = linear(a["dim"], a["vocab_size"])
        init(self, a["n_layers"], self.embed_tokens, embed_std=a["dim"] ** -0.5)

    def tables(self, positions):
        a = self.args
        return [rope_table(positions, a["dim"] // n, a["rope_theta"], True) for n in (a["n_self_heads"], a["n_attn_heads"])]

    def self_part(self, ids, tables, states):
        """Embedding and self-decoder, and the global keys and values. states: one per layer, None at the start of a sequence."""
        x = self.embed_tokens(ids) * self.args["dim"] ** 0.5
        out = []
        for layer, state in zip(self.self_decoder.layers, states):
            mixed, state = layer.mixer(layer.mixer_layer_norm(x), tables[0], state)
            out.append(state)
            x = layer.add_ffn(x + mixed)
        n, kv = self.cross_decoder.kv_layer_norm(x), self.args["n_attn_kv_heads"]
        return x, rotate(heads(self.cross_decoder.k_proj(n), kv), tables[1], True), heads(self.cross_decoder.v_proj(n), kv), out

    def cross_part(self, x, tables, k, v, crowd=None):
        for layer in self.cross_decoder.layers:
            x = layer.add_ffn(x + layer.mixer(layer.mixer_layer_norm(x), tables[1], k, v, crowd))
        return self.output_projection(self.layer_norm(x))

    def forward(self, ids, tables, crowd=None):
        x, k, v, _ = self.self_part(ids, tables, [None] * len(self.self_decoder.layers))
        return self.cross_part(x, tables, k, v, crowd)

    def tail_logits(self, ids, tail, segment=8192):
        """Logits of the last `tail` positions, the self-decoder run in segments (multiples of the window) and the cross-decoder
        only on the tail."""
        pos = torch.arange(ids.shape[1], device=ids.device)[None]
        states, xs, ks, vs = [None] * len(self.self_decoder.layers), [], [], []
        for at in range(0, ids.shape[1], segment):
            x, k, v, states = self.self_part(ids[:, at:at + segment], self.tables(pos[:, at:at + segment]), states)
            xs, ks, vs = (xs + [x])[-2:], ks + [k], vs + [v]
        return self.cross_part(torch.cat(xs, 1)[:, -tail:], self.tables(pos[:, -tail:]), torch.cat(ks, 1), torch.cat(vs, 1))


class Attention(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.n, self.kv = a["n_heads"], a["n_kv_heads"]
        self.wq, self.wk = linear(a["dim"], self.n * a["head_dim"]), linear(a["dim"], self.kv * a["head_dim"])
        self.wv, self.wo = linear(a["dim"], self.kv * a["head_dim"]), linear(self.n * a["head_dim"], a["dim"])

    def forward(self, y, table, crowd=None):
        q, k = rotate(heads(self.wq(y), self.n), table, False), rotate(heads(self.wk(y), self.kv), table, False)
        return self.wo(attention(q, k, heads(self.wv(y), self.kv), crowd))


class TransformerLayer(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.attention, self.feed_forward = Attention(a), FFN(a["dim"], a["hidden_dim"], ("w1", "w3", "w2"))
        self.attention_norm, self.ffn_norm = RMSNorm(a["dim"], a["norm_eps"]), RMSNorm(a["dim"], a["norm_eps"])


class Transformer(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.args = a
        self.tok_embeddings = nn.Embedding(a["vocab_size"], a["dim"])
        self.layers = nn.ModuleList(TransformerLayer(a) for _ in range(a["n_layers"]))
        self.norm, self.output = RMSNorm(a["dim"], a["norm_eps"]), linear(a["dim"], a["vocab_size"])
        init(self, a["n_layers"], self.tok_embeddings, embed_std=1.0)

    def tables(self, positions):
        return [rope_table(positions, self.args["head_dim"], self.args["rope_theta"], False)]

    def forward(self, ids, tables, crowd=None, tail=0):
        x = self.tok_embeddings(ids)
        for layer in self.layers:
            x = x + layer.attention(layer.attention_norm(x), tables[0], crowd)
            x = x + layer.feed_forward(layer.ffn_norm(x))
        return self.output(self.norm(x[:, -tail:]))

    def tail_logits(self, ids, tail):
        return self(ids, self.tables(torch.arange(ids.shape[1], device=ids.device)[None]), tail=tail)


def init(model, n_layers, embedding, embed_std):
    """Normal with std fan_in^-0.5, the matrices that write to the residual stream smaller by sqrt(2 layers);
    the embedding such that the scaled embedding has unit variance in all architectures."""
    for name, p in model.named_parameters():
        if p.dim() == 2:
            out = name.endswith(("out_proj.weight", "fc2.weight", "wo.weight", "w2.weight"))
            nn.init.normal_(p, std=p.shape[1] ** -0.5 / ((2 * n_layers) ** 0.5 if out else 1))
    nn.init.normal_(embedding.weight, std=embed_std)


def build(arch, args):
    return Transformer(args) if arch == "transformer" else Yoco(arch, args)
