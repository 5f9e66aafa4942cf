#!/usr/bin/env bash
# Checks and measures the GPU of this machine: see `yocobench-cuda gpu-check --help`. It needs
# bin/yocobench-cuda (make cuda), the NVIDIA driver and, for the peers, a Python with PyTorch (PYTHON), whose
# cuBLAS is used if the system's loader finds none. Arguments are passed on: tools/gpucheck.sh --plan
set -euo pipefail
cd "$(dirname "$0")/.."
[ -x bin/yocobench-cuda ] || { echo "no bin/yocobench-cuda: run make cuda" >&2; exit 1; }
exec bin/yocobench-cuda gpu-check --python "${PYTHON:-python3}" "$@"
