#!/usr/bin/env bash
# Redraws docs/img: runs the shipped suites with bin/yocobench and keeps their pictures. Give names
# of suites to redraw only theirs. Run it on an idle machine.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p docs/img
for suite in "${@:-needle nll kv prefill throughput paper}"; do
  for s in $suite; do
    bin/yocobench run "$s" --out "$work/$s" --quiet --reports png
    case $s in
      needle) keep="needle" ;;
      nll) keep="nll" ;;
      kv) keep="kv" ;;
      prefill) keep="prefill" ;;
      throughput) keep="throughput-generate-160-e2e" ;;
      paper) keep="prefill throughput-e2e" ;;
      *) echo "images.sh: no pictures are kept of $s" >&2; exit 2 ;;
    esac
    for k in $keep; do
      name=$k.png
      [ "$s" = paper ] && name=paper-$k.png
      [ "$s" = throughput ] && name=throughput.png
      cp "$work/$s/$k.png" "docs/img/$name"
      echo "docs/img/$name"
    done
  done
done
