"""The kernels' results in float64, computed directly from the formulas."""
import numpy as np

THETA = 10000.0


def silu(x):
    return x / (1 + np.exp(-x))


def gelu_tanh(x):
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)))


def norm(x, w, eps):
    """Over the last axis."""
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * w


def bounded(x, cap):
    return cap * np.tanh(x / cap) if cap else x


def frequencies(hd):
    return THETA ** -(np.arange(hd // 2) / max(hd // 2 - 1, 1))


def tables(hd, capacity):
    """lo and hi: (cos, sin) of positions 0..1023 and of multiples of 1024."""
    out = []
    for p in (np.arange(1024.0), 1024.0 * np.arange(-(-capacity // 1024))):
        a = p[:, None] * frequencies(hd)
        out.append(np.stack([np.cos(a), np.sin(a)], -1).astype(np.float32))
    return out


def rotate(x, pos, interleaved):
    """x [rows, heads, hd] at positions pos [rows]."""
    hd = x.shape[-1]
    a = (np.asarray(pos)[:, None] * frequencies(hd))[:, None, :]
    first, second = (slice(0, hd, 2), slice(1, hd, 2)) if interleaved else (slice(0, hd // 2), slice(hd // 2, hd))
    out = np.empty(x.shape)
    out[..., first] = x[..., first] * np.cos(a) - x[..., second] * np.sin(a)
    out[..., second] = x[..., second] * np.cos(a) + x[..., first] * np.sin(a)
    return out


def attend(q, k, v, pos, window, scale, cap=0):
    """q [rows, heads, hd] at positions pos; k, v [keys, kv_heads, hd] at positions 0, 1, ...; scores are bounded where cap is not 0."""
    out = np.empty(q.shape)
    group = q.shape[1] // k.shape[1]
    key = np.arange(k.shape[0])
    for r in range(q.shape[0]):
        seen = (key <= pos[r]) & (key > pos[r] - window)
        for h in range(q.shape[1]):
            s = bounded(k[seen, h // group] @ q[r, h] * scale, cap)
            p = np.exp(s - s.max())
            out[r, h] = p @ v[seen, h // group] / p.sum()
    return out


def log_gamma(gate):
    return -np.logaddexp(0, -gate) / 16


def retain(q, k, v, g, gate, state, eps):
    """Retention in its recurrent form: the output and the state after the last row."""
    rows, heads, hd = q.shape
    s, out = state.copy(), np.empty(q.shape)
    gamma = np.exp(log_gamma(gate))
    for t in range(rows):
        s = gamma[t][:, None, None] * s + k[t][:, :, None] * v[t][:, None, :] / np.sqrt(hd)
        o = np.einsum("hk,hkv->hv", q[t], s)
        out[t] = silu(g[t]) * o / np.sqrt((o * o).mean(-1, keepdims=True) + eps)
    return out, s
