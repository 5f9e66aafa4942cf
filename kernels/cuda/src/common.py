"""Functions shared by several kernels. `spec.py` has the declarations of a kernel's arguments and variants."""
import triton
import triton.language as tl

LOG2E = tl.constexpr(1.4426950408889634)


@triton.jit
def aligned_pointer(address, t):
    """The 16-byte aligned address as a pointer to t. The hint must be on the pointer, because the conversion drops it."""
    return tl.multiple_of(address.to(tl.pointer_type(t)), 16)


@triton.jit
def pair_angles(lo, hi, pos, j, mask, half):
    """cos and sin of the angles of positions pos (one, or [R, 1]) and pairs j: hi[pos / 1024] + lo[pos % 1024].

    lo and hi hold (cos, sin) pairs: [positions, half, 2]."""
    a = ((pos % 1024) * half + j) * 2
    b = ((pos // 1024) * half + j) * 2
    ca = tl.load(lo + a, mask=mask, other=0.0)
    sa = tl.load(lo + a + 1, mask=mask, other=0.0)
    cb = tl.load(hi + b, mask=mask, other=0.0)
    sb = tl.load(hi + b + 1, mask=mask, other=0.0)
    return ca * cb - sa * sb, sa * cb + ca * sb


@triton.jit
def rotated(x, off, lo, hi, pos, d, mask, hd, INTERLEAVED: tl.constexpr):
    """The elements d of rotated head vectors at x + off, as float32. Each is loaded with the other element of its pair."""
    half = hd // 2
    if INTERLEAVED:
        other = d ^ 1
        j = d // 2
        first = d % 2 == 0
    else:
        first = d < half
        other = tl.where(first, d + half, d - half)
        j = tl.where(first, d, d - half)
    c, s = pair_angles(lo, hi, pos, j, mask, half)
    a = tl.load(x + off + d, mask=mask, other=0.0).to(tl.float32)
    b = tl.load(x + off + other, mask=mask, other=0.0).to(tl.float32)
    return a * c + tl.where(first, -b, b) * s


@triton.jit
def silu(x):
    return x / (1.0 + tl.exp(-x))


@triton.jit
def activation(x, linear, cubic):
    """x sigmoid(linear x + cubic x^3): (1, 0) is SiLU, and (2r, 0.08943 r) with r = sqrt(2/pi) is GELU with its tanh. A cubic of 0 makes no square
    that overflows."""
    return x / (1.0 + tl.exp(-x * (cubic * x * x + linear)))


@triton.jit
def bounded(x, slope, cap):
    """cap tanh(x slope ln 2 / 2), within 2^-21 of cap. A power of 2 that is infinite gives cap, and one that is 0 gives -cap."""
    return cap - 2.0 * cap / (1.0 + tl.exp2(x * slope))


@triton.jit
def grouped_tile(tile, tiles_m, tiles_n, GROUP: tl.constexpr):
    """Row and column of a tile in an order that visits GROUP rows of tiles column by column, so that neighbors share inputs."""
    width = GROUP * tiles_n
    first = tile // width * GROUP
    size = min(tiles_m - first, GROUP)
    return first + tile % width % size, tile % width // size
