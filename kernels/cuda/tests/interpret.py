"""Launches kernels in Triton's interpreter, on numpy arrays, with the constants of a build.

The interpreter's bfloat16 products are wrong, so the bf16 build's constants are tried with float16 elements.
"""
import os
import pathlib
import re
import sys

os.environ["TRITON_INTERPRET"] = "1"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "src"))
sys.dont_write_bytecode = True

import numpy as np  # noqa: E402
import triton.language as tl  # noqa: E402
from triton.runtime import interpreter  # noqa: E402

from spec import load  # noqa: E402

ENTRIES = {e.name: e for e in load()}
ELEMENT = {"f32": np.float32, "bf16": np.float16}
TYPES = {"f32": (np.float32, tl.float32), "f16": (np.float16, tl.float16), "i32": (np.int32, tl.int32), "i64": (np.int64, tl.int64)}
SMS = 3  # few, so that a persistent kernel has several tiles per program
np.seterr(all="ignore")


def pad(rows, cols, dtype, extra=5):
    """A view [rows, cols] of an array with wider rows, filled with NaN. Elements that must not be written must remain NaN."""
    return np.full((rows, cols + extra), np.nan, dtype)[:, :cols]


def scalar(value, name):
    np_type, tl_type = TYPES[name]
    return tl.tensor(interpreter.TensorHandle(np.array([value], np_type), tl_type), tl_type)


def launch(name, build, target="sm_90a", variant=None, **args):
    """Runs an entry over its whole grid. An array passes its address for NAME, and its row stride for ld_NAME."""
    entry = ENTRIES[name]
    variant = variant or entry.variants[0]
    assert variant in entry.variants, f"{name} has no variant {variant}"
    consts = dict(variant, **entry.config(build, target, variant))
    values, ints = {}, {}
    for a in entry.args:
        v = args[a.name]
        if a.type.startswith("*"):
            element = a.type[1:].replace("T", "f16" if build == "bf16" else "f32")
            assert v.dtype == TYPES[element][0], f"{name}: {a.name} is {v.dtype}"
            pointer = tl.pointer_type(TYPES[element][1])
            values[a.name] = tl.tensor(interpreter.TensorHandle(np.array([v.ctypes.data], np.uint64), pointer), pointer)
        else:
            ints[a.name] = v
            values[a.name] = scalar(v, a.type)
    assert set(args) == {a.name for a in entry.args}, f"{name} takes {[a.name for a in entry.args]}"
    scope = dict(ints, **consts, sms=SMS, cdiv=lambda a, b: -(-a // b), min=min, max=max)
    grid = [int(eval(re.sub(r"(?<!/)/(?!/)", "//", g), scope)) for g in entry.grid]
    grid += [1] * (3 - len(grid))
    fn = entry.fn.fn
    patch = interpreter._patch_lang(fn)
    try:
        interpreter.interpreter_builder.set_grid_dim(*grid)
        call = dict(values, **{n: consts[n] for n in entry.fn.arg_names if n in consts})
        for x in range(grid[0]):
            for y in range(grid[1]):
                for z in range(grid[2]):
                    interpreter.interpreter_builder.set_grid_idx(x, y, z)
                    fn(**call)
    finally:
        patch.restore()
