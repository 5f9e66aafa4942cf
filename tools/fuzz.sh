#!/usr/bin/env bash
# Runs every fuzz target, each for a time: tools/fuzz.sh 5s
#
# Before 1.27, Go sometimes reports the end of that time as a failure, mostly on a busy machine: "context deadline
# exceeded" (go.dev/issue/75804). A real finding is always written to a file, so without one the target is run again.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# = 1 ] || { echo "usage: $0 TIME, such as 5s" >&2; exit 2; }
log=$(mktemp) list=$(mktemp) bin=$(mktemp -d)
trap 'rm -rf "$log" "$list" "$bin"' EXIT

# The targets are read from the sources: go test -list would link the tests of every package.
go list -f '{{$p := .}}{{range .TestGoFiles}}{{$p.ImportPath}} {{.}} {{$p.Dir}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$p.ImportPath}} {{.}} {{$p.Dir}}{{"\n"}}{{end}}' ./... |
	while read -r package file folder; do
		[ -z "$package" ] || sed -n 's|^func \(Fuzz[A-Za-z0-9_]*\)(.*|\1|p' "$folder/$file" | while read -r target; do echo "$package $target $folder"; done
	done >"$list"
[ -s "$list" ] || { echo "$0: no fuzz targets" >&2; exit 1; }

# Each package is linked once for all its targets.
cache=$(go env GOCACHE)/fuzz built=
while read -r package target folder; do
	echo "fuzz $package $target"
	[ "$package" = "$built" ] || go test -c -fuzz . -o "$bin/test" "$package"
	built=$package
	for left in 2 1 0; do
		(cd "$folder" && "$bin/test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$1" -test.fuzzminimizetime 1x \
			-test.fuzzcachedir "$cache/$package") </dev/null 2>&1 | tee "$log" && break
		[ $left -gt 0 ] && grep -qx '    context deadline exceeded' "$log" && ! grep -q 'Failing input written' "$log" || exit 1
	done
done <"$list"
