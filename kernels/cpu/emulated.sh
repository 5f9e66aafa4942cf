#!/usr/bin/env bash
# Tests the kernel tiers that this machine may lack: NEON (arm64) and AVX2 under
# QEMU's user emulation, AMX by carrying out its instructions (package amxsim).
# A part whose tools are missing is skipped, with the reason; YOCOBENCH_NO_SKIP=1
# makes that a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() {
  if [ "${YOCOBENCH_NO_SKIP:-}" = 1 ]; then
    echo "error: $1" >&2
    exit 1
  fi
  echo "skipped: $1"
}

# Whole models are slow under emulation: the smaller fixtures stand for all.
# The tests that count allocations or compare threads say nothing about a tier.
golden='TestGolden/TYPES/(yoco_gret_C|extra_swa_window_one|extra_transformer_narrow_heads|extra_gret_chunk)$'
operations='TestLinear|TestRows|TestChain|TestAttention|TestRetain|TestRopeFar'

bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT

# under NAME GOARCH TIER EMULATOR...: both packages' tests in a tier, which must be the one that is chosen.
under() {
  local name=$1 arch=$2 tier=$3 p
  shift 3
  if ! command -v "$1" >/dev/null; then
    skip "$name: no $1 (Debian: qemu-user)"
    return
  fi
  for p in kernels runners; do
    CGO_ENABLED=0 GOARCH=$arch go test -c -o "$bin/$p" "./$p/cpu"
  done
  echo "$name: $*"
  (cd kernels/cpu && "$@" "$bin/kernels" -test.short -test.v -test.run . | verdict "$tier")
  (cd runners/cpu && "$@" "$bin/runners" -test.short -test.v -test.run "$operations" | verdict "$tier")
  (cd runners/cpu && "$@" "$bin/runners" -test.short -test.v -test.run "${golden/TYPES/$tier-f32-(f32|bf16)}" | verdict "$tier")
}

# verdict passes failures on and wants some test of the tier to have passed.
verdict() {
  local out
  out=$(cat)
  if ! grep -q "^ *--- PASS: .*/$1" <<<"$out" || grep -q '^ *--- FAIL\|^FAIL\|^panic:' <<<"$out"; then
    grep -v '^=== \|--- SKIP\|UNTESTED here' <<<"$out"
    echo "error: the tests of $1 failed or did not run" >&2
    return 1
  fi
  echo "ok: $(grep -c "^ *--- PASS: .*/$1" <<<"$out") tests of $1"
}

under 'NEON' arm64 neon-f32 qemu-aarch64
# A Haswell has AVX2 and FMA and no AVX-512; QEMU warns of what else it lacks.
under 'AVX2' amd64 avx2-f32 qemu-x86_64 -cpu Haswell 2> >(grep -v "TCG doesn't support requested feature" >&2)

simulate() {
  if [ "$(go env GOOS)/$(go env GOARCH)" != linux/amd64 ]; then
    skip 'AMX: its instructions can be carried out on Linux and x86-64 only'
  elif ! grep -qw avx512_bf16 /proc/cpuinfo; then
    echo 'UNTESTED here: AMX: its tier needs AVX512_BF16 as well, which this processor lacks' # and which nothing could install
  elif ! command -v "$(go env CC)" >/dev/null; then
    skip "AMX: amxsim needs a C compiler ($(go env CC))"
  else
    echo 'AMX: amxsim, or this processor where it has it'
    for p in kernels runners; do
      CGO_ENABLED=1 go test -tags amxsim -c -o "$bin/$p" "./$p/cpu"
    done
    (cd kernels/cpu && "$bin/kernels" -test.short -test.v -test.run . | verdict amx-bf16)
    (cd runners/cpu && "$bin/runners" -test.short -test.v -test.run "TestLinear" | verdict amx-bf16)
    (cd runners/cpu && "$bin/runners" -test.short -test.v -test.run "${golden/TYPES/amx-bf16-bf16-bf16}" | verdict amx-bf16)
  fi
}
simulate
