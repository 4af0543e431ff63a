#!/usr/bin/env bash
# Fuzzes: tests/fuzz/run.sh SECONDS [TARGET…]. Without a target it fuzzes all of them, each for that long, from the fixtures on.
# A crash ends it with an error; the input is in tests/fuzz/artifacts/TARGET. It needs cargo-fuzz and a C++ compiler.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:?usage: tests/fuzz/run.sh SECONDS [TARGET…]}
shift
export RUSTC_BOOTSTRAP=1 # cargo-fuzz expects a nightly compiler. Without a sanitizer it needs nothing that the pinned one lacks.
fuzz() { (cd tests && cargo fuzz "$@"); }

targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(fuzz list)

python3 tests/fuzz/seeds.py
fuzz build --sanitizer none
for target in "${targets[@]}"; do
  mkdir -p "tests/fuzz/corpus/$target"
  # One input that takes ten seconds is a denial of service. 2 GB are more than any sandbox gets.
  echo "fuzzing $target for $seconds s"
  log=$(mktemp)
  if ! fuzz run --sanitizer none "$target" -- "-max_total_time=$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 >"$log" 2>&1; then
    tail -n 40 "$log"
    exit 1
  fi
  grep 'stat::number_of_executed_units' "$log"
done
