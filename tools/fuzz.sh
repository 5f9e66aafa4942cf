#!/usr/bin/env bash
# Runs every fuzz target, each for a time: tools/fuzz.sh 5s
#
# Before 1.27 Go sometimes takes the end of that time for a failure, above all on a busy machine: "context deadline
# exceeded" (go.dev/issue/75804). It has found nothing then, for what it finds it writes down; the target runs again.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# = 1 ] || { echo "usage: $0 TIME, such as 5s" >&2; exit 2; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for package in $(go list ./...); do
	targets=$(go test -list '^Fuzz' "$package")
	for target in $(grep '^Fuzz' <<<"$targets" || true); do
		echo "fuzz $package $target"
		for left in 2 1 0; do
			go test -run '^$' -fuzz "^$target\$" -fuzztime "$1" -fuzzminimizetime 1x "$package" 2>&1 | tee "$log" && break
			[ $left -gt 0 ] && grep -qx '    context deadline exceeded' "$log" && ! grep -q 'Failing input written' "$log" || exit 1
		done
	done
done
