#!/usr/bin/env bash
# Everything about the template that can be known without deploying it. Needs Python 3.9 and, the first time, its package
# index; no account and no credentials.
set -euo pipefail
cd "$(dirname "$0")"
. ./tools.sh
lint_tools
policy_tools

translated=$(mktemp --suffix .json)
trap 'rm -f "$translated"; [ -n "${RAPPORT_INFRA_TOOLS:-}" ] || rm -rf "$tools"' EXIT

echo '— sam validate'
"$tools/lint/bin/sam" validate --lint --template-file template.yaml
echo '— cfn-lint: the source, then what CloudFormation makes of it'
"$tools/lint/bin/python" translate.py template.yaml "$translated"
"$tools/lint/bin/cfn-lint" --non-zero-exit-code warning template.yaml "$translated"
echo '— checkov'
"$tools/policy/bin/checkov" --framework cloudformation --compact --quiet --skip-download --file template.yaml "$translated"
echo '— assert.py'
"$tools/lint/bin/python" -B assert.py "$translated"
