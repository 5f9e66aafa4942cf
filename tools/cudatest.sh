#!/usr/bin/env bash
# The tests that need the build tag cuda, on the simulated GPU of internal/cudasim: cudatest.sh With
# the argument vet it runs go vet with that tag instead: cudatest.sh vet If they cannot be built, it
# reports why and skips them; with YOCOBENCH_NO_SKIP=1 it fails.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# = 0 ] || [ "$*" = vet ] || { echo "usage: $0 [vet]" >&2; exit 2; }

skip() {
	echo "SKIPPED: the CUDA runner on the simulated GPU: $1" >&2
	[ "${YOCOBENCH_NO_SKIP:-}" = 1 ] && exit 1
	exit 0
}
[ "$(uname -sm)" = "Linux x86_64" ] || skip "the simulator is built on Linux x86_64 only"
for tool in g++ gcc ar; do
	command -v "$tool" >/dev/null || skip "no $tool"
done
if [ -z "${CUDA_INCLUDE:-}" ]; then
	make --no-print-directory header || skip "make header does not work here"
fi
if [ "${1:-}" = vet ]; then
	exec tools/cuda.sh go vet -tags cuda ./internal/cudasim ./runners/cuda ./gpucheck ./cmd/yocobench
fi
internal/cudasim/build.sh bin/cudasim .venv/bin/python
export LD_LIBRARY_PATH=$PWD/bin/cudasim${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
CGO_ENABLED=1 go test -count=1 -tags cuda ./internal/cudasim
# Neither of the two keeps two cores busy. The first is a process group of its own (set -m), which
# ends with this script.
set -m
tools/cuda.sh go test -count=1 -tags cuda -timeout 60m ./runners/cuda ./gpucheck &
set +m
runner=$!
trap 'kill -- -"$runner" 2>/dev/null || true' EXIT
tools/cuda.sh go test -count=1 -tags cuda -timeout 60m -run TestCUDA ./cmd/yocobench
wait "$runner"
