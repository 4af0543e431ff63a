#!/usr/bin/env bash
# Deploys the template into an AWS emulator of this machine: create, use, update, restore, delete. `emulator.sh [PACKAGE]`:
# a package of `rapport package --config infra/emulator/rapport.toml --arch x86_64`; without one a stand-in, which has the
# roles and no connectors. Listens on loopback only; ends what it starts.
set -euo pipefail
package=${1:+$(realpath "$1")}
cd "$(dirname "$0")"
. ./tools.sh
lint_tools
emulator_tools

PATH="$tools/emulator/bin:$PATH" "$tools/emulator/bin/python" emulator/journey.py \
  --sam "$tools/lint/bin/sam" --translate "$tools/lint/bin/python" ${package:+--package "$package"}
