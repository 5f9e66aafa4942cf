#!/usr/bin/env bash
# Runs a command of the Go tool with the settings that the build tag cuda needs:
#
#   tools/cuda.sh go build -tags cuda ./cmd/yocobench
#
# The headers come from the virtual environment (make header), or from CUDA_INCLUDE. The driver's
# library is not linked: its symbols stay unresolved and are bound at the first call, to the
# libcuda.so.1 found at startup (runners/cuda/driver.c). gorgonia.org/cu asks the linker for -lcuda;
# an empty archive does.
set -euo pipefail
cd "$(dirname "$0")/.."

include=${CUDA_INCLUDE:-}
if [ -z "$include" ]; then
	for d in .venv/lib/python3*/site-packages/nvidia/cuda_runtime/include; do
		[ -f "$d/cuda.h" ] && include=$PWD/$d
	done
fi
if [ ! -f "$include/cuda.h" ]; then
	echo "tools/cuda.sh: no cuda.h: run make header, or set CUDA_INCLUDE to a folder that has one of CUDA 12" >&2
	exit 1
fi
mkdir -p bin/link
[ -f bin/link/libcuda.a ] || ar rcs bin/link/libcuda.a

export CGO_ENABLED=1
export CGO_CFLAGS="-O2 -Wno-deprecated-declarations -I$include"
export CGO_LDFLAGS="-L$PWD/bin/link -Wl,-z,lazy -Wl,--export-dynamic -Wl,--unresolved-symbols=ignore-in-object-files"
exec "$@"
