"""Puts the peers into the cache folder (~/.cache/yocobench/peers): a virtual
environment with PyTorch and NumPy, and llama-bench, built from the source of
llama.cpp that llama-cpp-python's source distribution carries. Existing parts
are kept."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "yocobench" / "peers"
LLAMA = re.search(r"^llama-cpp-python==(\S+)", (HERE / "sources.txt").read_text(), re.M)[1]
VENV = CACHE / "venv"
LLAMA_TOP = CACHE / f"llama-cpp-python-{LLAMA}"
LLAMA_BENCH = LLAMA_TOP / "build" / "bin" / "llama-bench"


def run(*command, **more):
    """Runs a command with its output redirected to stderr; stdout is for the tables."""
    print("+", *command, file=sys.stderr)
    try:
        subprocess.run([str(c) for c in command], check=True, stdout=sys.stderr, **more)
    except (OSError, subprocess.CalledProcessError) as e:
        sys.exit(f"error: {e}")


def made(path, make):
    """Makes path under a temporary name first, so that it is complete if it exists."""
    if not path.exists():
        part = path.with_name(path.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        make(part)
        part.rename(path)
    return path


def python():
    """The interpreter that has the packages of requirements.txt."""
    wanted, has = (HERE / "requirements.txt").read_text(), VENV / "requirements.txt"
    if not has.exists() or has.read_text() != wanted:
        run(sys.executable, "-m", "venv", "--clear", VENV)
        run(VENV / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "-r", HERE / "requirements.txt")
        has.write_text(wanted)
    return VENV / "bin" / "python"


def llama_bench(python):
    """llama-bench, built for this CPU with the installed compiler."""
    if LLAMA_BENCH.exists():
        return LLAMA_BENCH
    source = made(LLAMA_TOP / "source", lambda part: unpack(python, part)) / "vendor" / "llama.cpp"
    path = dict(os.environ, PATH=f"{pathlib.Path(python).parent}{os.pathsep}{os.environ['PATH']}")  # cmake and ninja
    off = [f"-D{name}=OFF" for name in ("BUILD_SHARED_LIBS", "LLAMA_CURL", "LLAMA_OPENSSL", "LLAMA_BUILD_TESTS", "LLAMA_BUILD_EXAMPLES", "LLAMA_BUILD_SERVER")]
    run("cmake", "-S", source, "-B", LLAMA_TOP / "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON", *off, env=path)
    run("cmake", "--build", LLAMA_TOP / "build", "--target", "llama-bench", env=path)
    return LLAMA_BENCH


def unpack(python, to):
    to.mkdir()
    run(python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", "llama-cpp-python",
        "-r", HERE / "sources.txt", "-d", to)
    [archive] = to.glob("*.tar.gz")
    with tarfile.open(archive) as t:
        t.extractall(to, filter="data")
    archive.unlink()
    [top] = to.iterdir()
    for f in top.iterdir():
        f.rename(to / f.name)
    top.rmdir()


def model(python):
    """The model's file for llama-bench."""
    return made(CACHE / "smollm2-135m-shape-bf16.gguf", lambda part: run(python, HERE / "gguf_model.py", part))
