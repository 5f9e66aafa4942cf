#!/usr/bin/env bash
# Builds the simulated driver, OUTDIR/libcuda.so.1 with the link OUTDIR/libcuda.so, and OUTDIR/libcublas.so.12.
#
#   build.sh OUTDIR [PYTHON]
#
# cuda.h comes from CUDA_INCLUDE, else from the package nvidia-cuda-runtime-cu12 of PYTHON
# (default .venv/bin/python of this repository). Every function that cuda.h declares is there:
# those that src/ does not implement return CUDA_ERROR_NOT_SUPPORTED.
# CXX is the compiler (default g++), CXXFLAGS are added. Nothing is done if nothing changed.
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: $0 OUTDIR [PYTHON]" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
python=${2:-$here/../../.venv/bin/python}
cxx=${CXX:-g++}
command -v "$cxx" >/dev/null || { echo "$0: no C++ compiler $cxx" >&2; exit 1; }

include=${CUDA_INCLUDE:-}
if [ -z "$include" ]; then
	include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/nvidia/cuda_runtime/include
fi
[ -f "$include/cuda.h" ] || { echo "$0: no cuda.h in $include: run make header, or set CUDA_INCLUDE" >&2; exit 1; }

# -march=native: the library runs where it is built; the stamp holds the processor for caches that move.
# -Wno-psabi: vectors of 64 bytes are passed within the library only, so that their ABI may depend on the processor.
flags="-std=c++17 -O3 -march=native -ffp-contract=off -fno-strict-aliasing -fno-trapping-math -fno-math-errno -fPIC -fvisibility=hidden -Wall -Wno-psabi -pthread ${CXXFLAGS:-}"
stamp=$(cat "$here"/src/* "$0" "$include/cuda.h" | sha256sum)$flags$("$cxx" --version | head -1)$(grep -m1 '^model name' /proc/cpuinfo || true)
if [ -f "$out/libcuda.so.1" ] && [ -f "$out/libcublas.so.12" ] && [ "$(cat "$out/.stamp" 2>/dev/null)" = "$stamp" ]; then
	exit 0
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for f in "$here"/src/*.cpp; do
	"$cxx" $flags -I"$include" -c "$f" -o "$tmp/$(basename "$f" .cpp).o"
done
mv "$tmp/cublas.o" "$tmp/cublas.obj" # a library of its own
nm -g --defined-only "$tmp"/*.o | awk '$2 == "T" { print $3 }' | sort -u >"$tmp/have"
"$cxx" -E -x c "$include/cuda.h" | tr '\n' ' ' | grep -oE 'CUresult +cu[A-Z][A-Za-z0-9_]* *\(' |
	sed -E 's/CUresult +//; s/ *\(//' | sort -u >"$tmp/all"
comm -23 "$tmp/all" "$tmp/have" | awk '{ print "int " $1 "(void) { return 801; }" }' >"$tmp/stubs.c"
"$cxx" -x c -O1 -fPIC -c "$tmp/stubs.c" -o "$tmp/stubs.o"
"$cxx" -shared -pthread -Wl,-soname,libcuda.so.1 -o "$tmp/libcuda.so.1" "$tmp"/*.o
"$cxx" -shared -Wl,-soname,libcublas.so.12 -o "$tmp/libcublas.so.12" "$tmp/cublas.obj" "$tmp/libcuda.so.1"
mv "$tmp/libcuda.so.1" "$tmp/libcublas.so.12" "$out/"
ln -sf libcuda.so.1 "$out/libcuda.so"
printf %s "$stamp" >"$out/.stamp"
