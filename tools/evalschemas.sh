#!/usr/bin/env bash
# Prints the path of a folder with the JSON schemas of Every Eval Ever, from the PyPI package every_eval_ever (0.6 MB,
# MIT). It is downloaded once into DIR (default: bin/evalschemas), and the digests of the files are checked.
set -euo pipefail
dir=${1:-$(dirname "$0")/../bin/evalschemas}
files=(eval.schema.json instance_level_eval.schema.json)
right() {
	[ -f "$dir/${files[0]}" ] && [ -f "$dir/${files[1]}" ] && [ "$(cd "$dir" && cat "${files[@]}" | sha256sum | cut -c1-8)" = 3a43c6f6 ]
}
if ! right; then
	mkdir -p "$dir"
	python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.12 --dest "$dir" every_eval_ever==0.3.0 >&2
	python3 - "$dir" "${files[@]}" <<'PY' >&2
import pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
wheel = next(folder.glob("every_eval_ever-*.whl"))
with zipfile.ZipFile(wheel) as z:
    for name in sys.argv[2:]:
        (folder / name).write_bytes(z.read(f"every_eval_ever/schemas/{name}"))
wheel.unlink()
PY
	right || { echo "$dir does not have the expected files" >&2; exit 1; }
fi
realpath "$dir"
