"""Declarations of kernels: arguments, variants, and the constants of each build and target."""
from dataclasses import dataclass
from typing import Callable

TARGETS = ("sm_80", "sm_90a")
BUILDS = ("f32", "bf16")
HEAD_DIMS = (16, 32, 64, 128, 256)


@dataclass
class Arg:
    name: str
    type: str  # *T, *f32, *i32, *i64, i32, i64, f32
    aligned: bool  # a multiple of 16 in the bf16 build: in bytes for an address, in elements for a stride


def tile(v):
    """The rows and columns of a variant's TILE."""
    return tuple(int(n) for n in v["TILE"].split("x"))


def args(text):
    """Parses "name type, ...". A type that ends in ! is aligned."""
    out = []
    for a in text.split(","):
        name, typ = a.split()
        out.append(Arg(name, typ.rstrip("!"), typ.endswith("!")))
    return out


@dataclass
class Entry:
    name: str
    fn: object
    doc: str  # what it computes: one sentence for the launch function
    args: list
    grid: tuple  # Go expressions over arguments, constants of the variant and sms
    config: Callable  # (build, target, variant) -> dict: constants, num_warps and num_stages; None if the build has no such variant
    variants: tuple = ({},)  # constants that differ between variants; TILE, which is not passed to the function, is "" or rows x columns
    builds: tuple = BUILDS


def load():
    """All entries, in the order of their file names."""
    import importlib
    import pathlib
    out = []
    for f in sorted(pathlib.Path(__file__).parent.glob("*.py")):
        out += getattr(importlib.import_module(f.stem), "ENTRIES", [])
    return out
