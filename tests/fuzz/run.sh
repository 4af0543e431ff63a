#!/usr/bin/env bash
# Fuzzes: tests/fuzz/run.sh SECONDS [TARGET…]. Without a target it fuzzes all, each for that long, from the fixtures on.
# A crash is an error; its input is in tests/fuzz/artifacts/TARGET. It needs cargo-fuzz and a C++ compiler.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:?usage: tests/fuzz/run.sh SECONDS [TARGET…]}
shift
export RUSTC_BOOTSTRAP=1 # cargo-fuzz asks for a nightly compiler; what it needs without a sanitizer, the pinned one has.
fuzz() { (cd tests && cargo fuzz "$@"); }
[ $# -gt 0 ] || mapfile -t targets < <(fuzz list) && [ $# -eq 0 ] || targets=("$@")

python3 tests/fuzz/seeds.py
fuzz build --sanitizer none
for target in "${targets[@]}"; do
  mkdir -p "tests/fuzz/corpus/$target"
  # Ten seconds for one input is a denial of service; 2 GB is more than any sandbox gets.
  fuzz run --sanitizer none "$target" -- -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
    2>&1 | sed "s/^/$target: /"
done
