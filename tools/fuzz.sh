#!/usr/bin/env bash
# Runs every fuzz target, each for a time: tools/fuzz.sh 5s
#
# Before 1.27 Go sometimes takes the end of that time for a failure, above all on a busy machine: "context deadline
# exceeded" (go.dev/issue/75804). It has found nothing then, for what it finds it writes down; the target runs again.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# = 1 ] || { echo "usage: $0 TIME, such as 5s" >&2; exit 2; }
log=$(mktemp) list=$(mktemp)
trap 'rm -f "$log" "$list"' EXIT

# The targets are read from the sources: go test -list would link the tests of every package.
go list -f '{{$p := .}}{{range .TestGoFiles}}{{$p.ImportPath}} {{$p.Dir}}/{{.}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$p.ImportPath}} {{$p.Dir}}/{{.}}{{"\n"}}{{end}}' ./... |
	while read -r package file; do
		[ -z "$package" ] || sed -n "s|^func \(Fuzz[A-Za-z0-9_]*\)(.*|$package \1|p" "$file"
	done >"$list"
[ -s "$list" ] || { echo "$0: no fuzz targets" >&2; exit 1; }

while read -r package target; do
	echo "fuzz $package $target"
	for left in 2 1 0; do
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$1" -fuzzminimizetime 1x "$package" </dev/null 2>&1 | tee "$log" && break
		[ $left -gt 0 ] && grep -qx '    context deadline exceeded' "$log" && ! grep -q 'Failing input written' "$log" || exit 1
	done
done <"$list"
