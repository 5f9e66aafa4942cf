#!/usr/bin/env bash
# Prints the path of a Python that has llama.cpp's server: the PyPI package xllamacpp (34 MB, Apache-2.0) holds it
# compiled for Linux with AVX2. It is installed once into a virtual environment in DIR (default: bin/llamaserver).
set -euo pipefail
dir=${1:-$(dirname "$0")/../bin/llamaserver}
package=xllamacpp==2026.10.11549
if [ "$(cat "$dir/.made" 2>/dev/null)" != "$package" ]; then
	mkdir -p "$dir"
	python3 -m venv --clear "$dir" >&2
	"$dir/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --no-deps "$package" >&2
	echo "$package" >"$dir/.made"
fi
echo "$(realpath "$dir")/bin/python"
