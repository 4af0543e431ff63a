#!/usr/bin/env bash
# The contract's types in JavaScript and Python: generated from wit/ for each of its worlds, and compiled together with a small
# connector in each language. Nothing runs: there is no kit for these languages yet. The Rust bindings are tests/it/contract.
# Needs Node.js 20 and Python 3.11, and the first time their package indexes. The tools go into $RAPPORT_BINDINGS_TOOLS and are
# found there the next time; without it, into a folder that goes at the end.
set -euo pipefail
cd "$(dirname "$0")"

# Their bindings change between versions, so they are pinned.
javascript='@bytecodealliance/jco@1.24.6 typescript@5.9.3'
python='componentize-py==0.25.1 mypy==2.4.1'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tools=${RAPPORT_BINDINGS_TOOLS:-$work/tools}
mkdir -p "$tools"
if [ "$(cat "$tools/versions" 2>/dev/null)" != "$javascript $python" ]; then
  # shellcheck disable=SC2086  # several packages
  npm install --silent --no-audit --no-fund --prefix "$tools/javascript" $javascript
  python3 -m venv "$tools/python"
  # shellcheck disable=SC2086
  "$tools/python/bin/pip" install --quiet --disable-pip-version-check $python
  echo "$javascript $python" >"$tools/versions"
fi
npm_bin=$tools/javascript/node_modules/.bin
pip_bin=$tools/python/bin

worlds=$(sed -n 's/^world \([a-z-]*\) .*/\1/p' ../../wit/world.wit)
[ "$(wc -w <<<"$worlds")" -ge 11 ] || { echo "wit/world.wit: found only these worlds: $worlds" >&2; exit 1; }
for world in $worlds; do
  "$npm_bin/jco" guest-types ../../wit --world-name "$world" --out-dir "$work/javascript/$world" --quiet
  "$npm_bin/tsc" --noEmit --strict --target es2022 --module esnext --moduleResolution bundler "$work/javascript/$world/$world.d.ts"
  "$pip_bin/componentize-py" --wit-path ../../wit --world "$world" bindings "$work/python/$world" >/dev/null
  # What is generated from wit/; the support for asynchronous functions beside it needs Python 3.12, and the contract has none.
  "$pip_bin/python" -m compileall -q "$work/python/$world/wit_world"
done

cp connector.ts "$work/javascript/connector/"
"$npm_bin/tsc" --noEmit --strict --target es2022 --module esnext --moduleResolution bundler \
  "$work/javascript/connector/connector.d.ts" "$work/javascript/connector/connector.ts"
cp connector.py "$work/python/connector/"
(cd "$work/python/connector" && "$pip_bin/mypy" --strict --follow-imports=silent connector.py)
echo "bindings: $(wc -w <<<"$worlds") worlds in JavaScript and Python"
