"""Compiles src/*.py ahead of time (without a GPU) to ptx/BUILD_TARGET.zip and kernels.json, and writes launch_gen.go.

    build.py               compile everything
    build.py --check       compile everything and compare it with the existing files
    build.py --only NAME   compile only this entry, and keep the others unchanged

For sm_90a the pinned ptxas of requirements.txt also compiles each kernel's PTX to a cubin. A kernel that spills registers, or whose wgmma
instructions ptxas serializes (warnings C75xx), is an error in all three modes. Without the pinned ptxas, --check skips the cubins and says so.
"""
import argparse
import concurrent.futures
import hashlib
import inspect
import io
import json
import multiprocessing
import os
import pathlib
import re
import subprocess
import sys
import sysconfig
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "src"))
sys.dont_write_bytecode = True

import triton  # noqa: E402
from triton.backends.compiler import GPUTarget  # noqa: E402

import launch  # noqa: E402
from spec import TARGETS, load  # noqa: E402

PTX_VERSION = 80  # the oldest version with wgmma: every CUDA 12 driver loads it
CUBINS = ("sm_90a",)  # the drivers of CUDA 12.0 to 12.3 serialize wgmma; a cubin runs only on the compute capability that it was compiled for
TRITON_PTXAS = pathlib.Path(triton.__file__).parent / "backends/nvidia/bin/ptxas"
PINNED_PTXAS = pathlib.Path(sysconfig.get_path("purelib")) / "nvidia/cuda_nvcc/bin/ptxas"
SHARED_LIMIT = {"sm_80": 163 << 10, "sm_90a": 227 << 10}
ELEMENT = {"f32": "fp32", "bf16": "bf16"}


def kernels():
    """(entry, build, target, variant) of every shipped kernel."""
    return [(e, b, t, v) for e in load() for b in e.builds for t in TARGETS for v in e.variants if e.config(b, t, v)]


def symbol(entry, variant):
    """The entry point's name: attend_decode_128i is the variant for head dims up to 128 with interleaved pairs, gemm_t_64x32 a tile's variant."""
    name = entry.name + (f"_{variant['HD']}" if "HD" in variant else "") + ("i" if variant.get("INTERLEAVED") else "")
    return name + (f"_{variant['TILE']}" if variant.get("TILE") else "")


def tidy(ptx, name):
    """PTX without line information, debug sections and comments, with its entry point renamed to name."""
    ptx = re.sub(r"^\s*\.section\s+\S+\s*\{.*?^\s*\}\s*$", "", ptx, flags=re.M | re.S)
    ptx = re.sub(r"/\*.*?\*/|//[^\n]*", "", ptx, flags=re.S)
    lines = (line.rstrip() for line in ptx.split("\n"))
    text = "\n".join(s for s in lines if s and not re.match(r"\s*(\.loc|\.file)\s|\$L__(tmp|func)\S*:$", s)) + "\n"
    old = re.search(r"\.entry (\w+)\(", text)[1]
    return re.sub(rf"\b{old}(?=\(|_param_)", name, text)


def source_hash(entry):
    """sha256 of a kernel's source files: its own and those that it imports from."""
    files, todo = {}, [pathlib.Path(inspect.getsourcefile(entry.fn.fn))]
    while todo:
        f = todo.pop()
        if f.name not in files and f.exists():
            files[f.name] = f.read_bytes()
            todo += [f.parent / (m.decode() + ".py") for m in re.findall(rb"^from (\w+) import", files[f.name], re.M)]
    return hashlib.sha256(b"".join(n.encode() + b"\0" + files[n] for n in sorted(files))).hexdigest()


def compile_kernel(entry, build, target, variant, known, cubins):
    """The manifest's record of a kernel, its PTX, and its cubin or None. known has the known registers and spills, cubins the known
    cubins, both by target and sha256 of the PTX."""
    consts = dict(variant, **entry.config(build, target, variant))
    tile = consts.pop("TILE", "")
    warps, stages = consts.pop("num_warps"), consts.pop("num_stages", 3)
    names = entry.fn.arg_names
    given = [a.name for a in entry.args]
    if names != given + [n for n in names if n in consts]:
        raise ValueError(f"the function has arguments {names}, but {given} and constants {sorted(consts)} are declared")
    signature = {a.name: a.type.replace("f32", "fp32").replace("T", ELEMENT[build]) for a in entry.args} | {n: "constexpr" for n in consts}
    attrs = {(i,): [["tt.divisibility", 16]] for i, a in enumerate(entry.args) if a.aligned and build == "bf16"}
    src = triton.compiler.ASTSource(entry.fn, {n: signature[n] for n in names}, {(names.index(n),): v for n, v in consts.items()}, attrs)
    k = triton.compile(src, target=GPUTarget("cuda", int(re.sub(r"\D", "", target)), 32),
                       options=dict(num_warps=warps, num_stages=stages, ptx_version=PTX_VERSION, enable_fp_fusion=True))
    if k.metadata.global_scratch_size or k.metadata.profile_scratch_size:
        raise ValueError("it needs scratch memory")
    if k.metadata.shared > SHARED_LIMIT[target]:
        raise ValueError(f"it needs {k.metadata.shared} bytes of shared memory")
    name = symbol(entry, variant)
    ptx = tidy(k.asm["ptx"], name)
    digest = hashlib.sha256(ptx.encode()).hexdigest()
    registers, spills = known.get((target, digest)) or assemble(ptx, target)[:2]
    cubin = None
    if target in CUBINS and PINNED_PTXAS.exists():
        cubin = cubins.get((target, digest))
        if cubin is None:
            _, spilled, cubin = assemble(ptx, target, PINNED_PTXAS)
            spills = max(spills, spilled)
    # Triton appends the pointers to scratch memory, which are null.
    params = [[a.name, a.type] for a in entry.args] + [["global_scratch", "*u8"], ["profile_scratch", "*u8"]]
    return dict(entry=entry.name, name=name, build=build, target=target, source=source_hash(entry), ptx=digest, params=params,
                consts=consts, **(dict(tile=tile) if tile else {}), warps=warps, stages=stages, shared=k.metadata.shared, registers=registers, spills=spills,
                **(dict(cubin=hashlib.sha256(cubin).hexdigest()) if cubin else {})), ptx, cubin


def assemble(ptx, target, ptxas=TRITON_PTXAS):
    """Registers per thread and bytes spilled, as reported by ptxas, and the cubin."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as out:
        r = subprocess.run([ptxas, "-v", f"-arch={target}", "/dev/stdin", "-o", out.name], input=ptx, capture_output=True, text=True)
        if r.returncode:
            raise ValueError(r.stderr)
        if serial := re.search(r"^.*\bC75\d\d\b.*$", r.stderr, re.M):
            raise ValueError(f"{ptxas}: {serial[0]}")
        spills = sum(int(n) for n in re.findall(r"(\d+) bytes spill (?:stores|loads)", r.stderr))
        return int(re.search(r"Used (\d+) registers", r.stderr)[1]), spills, pathlib.Path(out.name).read_bytes()


def guarded(job, known, cubins):
    entry, build, target, variant = kernels()[job]
    try:
        return job, compile_kernel(entry, build, target, variant, known, cubins), None
    except Exception as e:  # one bad kernel must not hide the others
        return job, None, f"{build}_{target} {symbol(entry, variant)}: {type(e).__name__}: {e}"


def archive(members):
    """A zip file of {name: bytes}, reproducible byte for byte."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            z.writestr(info, data, compresslevel=9)
    return out.getvalue()


def unpack(path):
    if not path.exists():
        return {}
    with zipfile.ZipFile(path) as z:
        return {n: z.read(n) for n in z.namelist()}


def dump(records):
    """The manifest as JSON, one kernel per line."""
    lines = ",\n".join("  " + json.dumps(r) for r in records)
    return f'{{\n "triton": "{triton.__version__}",\n "ptx_version": "{PTX_VERSION / 10}",\n "kernels": [\n{lines}\n ]\n}}\n'


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--check", action="store_true")
    p.add_argument("--only", metavar="NAME")
    p.add_argument("--jobs", type=int, default=os.cpu_count())
    o = p.parse_args()
    everything = kernels()
    if o.only and o.only not in {e.name for e, *_ in everything}:
        p.error(f"unknown entry {o.only}")
    # Triton's cache key covers everything that affects a kernel, so the cache can be shared.
    os.environ["TRITON_CACHE_DIR"] = str(pathlib.Path(tempfile.gettempdir()) / "yocobench-triton")
    sys.exit(run(everything, o))


def run(everything, o):
    manifest = HERE / "kernels.json"
    old = {(r["build"], r["target"], r["name"]): r for r in json.loads(manifest.read_text())["kernels"]} if manifest.exists() else {}
    known = {(r["target"], r["ptx"]): (r["registers"], r["spills"]) for r in old.values()}  # equal PTX gives equal code
    pinned = PINNED_PTXAS.exists()
    if not pinned and not o.check:
        print(f"no {PINNED_PTXAS}\nhint: make venv", file=sys.stderr)
        return True
    zips = {f"{b}_{t}": unpack(HERE / f"ptx/{b}_{t}.zip") for b, t in dict.fromkeys((b, t) for _, b, t, _ in everything)}
    # --check compiles every cubin again.
    cubins = {} if o.check else {(r["target"], r["ptx"]): zips[f"{r['build']}_{r['target']}"].get(r["name"] + ".cubin") for r in old.values()}
    records, files, bad = {}, {z: {} for z in zips}, []
    todo = [i for i, (e, *_) in enumerate(everything) if o.only in (None, e.name)]
    with concurrent.futures.ProcessPoolExecutor(o.jobs, multiprocessing.get_context("fork")) as pool:
        for job, result, error in pool.map(guarded, todo, [known] * len(todo), [cubins] * len(todo)):
            if error:
                bad.append(error)
                continue
            records[job] = r = result[0]
            z = f"{r['build']}_{r['target']}"
            files[z][r["name"] + ".ptx"] = result[1].encode()
            if result[2]:
                files[z][r["name"] + ".cubin"] = result[2]
            elif not pinned and "cubin" in (was := old.get((r["build"], r["target"], r["name"]), {})):  # not checked
                r["cubin"] = was["cubin"]
                files[z][r["name"] + ".cubin"] = zips[z].get(r["name"] + ".cubin")
            if r["spills"]:
                bad.append(f"{r['build']}_{r['target']} {r['name']}: {r['registers']} registers, {r['spills']} bytes spilled")
    for i, (e, b, t, v) in enumerate(everything):
        name = symbol(e, v)
        if i not in records and i not in todo and (b, t, name) in old:
            records[i] = old[b, t, name]
            files[f"{b}_{t}"].update({n: zips[f"{b}_{t}"][n] for n in (name + ".ptx", name + ".cubin") if n in zips[f"{b}_{t}"]})
    records = [records[i] for i in sorted(records)]
    texts = {"kernels.json": dump(records), "launch_gen.go": launch.source(load(), records)}
    order = {z: dict(sorted(m.items())) for z, m in files.items()}
    if o.check:
        for name, text in texts.items():
            if not (HERE / name).exists() or (HERE / name).read_text() != text:
                bad.append(f"{name} is not up to date with the sources")
        for z, members in order.items():
            bad += [f"ptx/{z}.zip: {n} is not up to date with the sources" for n in sorted(members.keys() | zips[z].keys())
                    if members.get(n) != zips[z].get(n)]
        if bad:
            bad.append("hint: make kernels")
    else:
        for name, text in texts.items():
            (HERE / name).write_text(text)
        for z, members in order.items():
            (HERE / "ptx").mkdir(exist_ok=True)
            (HERE / f"ptx/{z}.zip").write_bytes(archive(members))
    size = {kind: sum(len(t) for m in files.values() for n, t in m.items() if t and n.endswith(kind)) / 1e6 for kind in (".ptx", ".cubin")}
    if not pinned:
        print(f"skipped: the cubins are not checked, because {PINNED_PTXAS} is missing (make venv)")
    print(f"{len(todo)} of {len(everything)} kernels compiled; {size['.ptx']:.1f} MB of PTX, {size['.cubin']:.1f} MB of cubins, "
          f"{sum(f.stat().st_size for f in HERE.glob('ptx/*.zip')) / 1e6:.1f} MB compressed")
    for b in bad:
        print(b, file=sys.stderr)
    return bool(bad)


if __name__ == "__main__":
    main()
