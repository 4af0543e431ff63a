# Sourced by check.sh and emulator.sh: Python tools in environments of their own, since their requirements clash.
# They go into $RAPPORT_INFRA_TOOLS and are found there the next time; without it, into a folder that goes at the end.

if [ -n "${RAPPORT_INFRA_TOOLS:-}" ]; then
  tools=$RAPPORT_INFRA_TOOLS
  mkdir -p "$tools"
else
  tools=$(mktemp -d)
  trap 'rm -rf "$tools"' EXIT
fi

# tools_for NAME REQUIREMENT…: makes the environment $tools/NAME, unless it is there with these requirements.
tools_for() {
  local name=$1
  shift
  if [ "$(cat "$tools/$name/requirements" 2>/dev/null)" != "$*" ]; then
    rm -rf "${tools:?}/$name"
    python3 -m venv "$tools/$name"
    "$tools/$name/bin/pip" install --quiet --disable-pip-version-check "$@"
    echo "$*" >"$tools/$name/requirements"
  fi
}

# Schemas of resources come with cfn-lint: an old one does not know what AWS has added since.
lint_tools() { tools_for lint aws-sam-cli==1.170.0 cfn-lint==1.58.0 aws-sam-translator==1.115.0; }
policy_tools() { tools_for policy checkov==3.3.30; }
emulator_tools() { tools_for emulator 'ministack[full]==1.5.33' boto3==1.43.106; }

export SAM_CLI_TELEMETRY=0
# The validators ask for a region and use it for nothing.
export AWS_DEFAULT_REGION=${AWS_DEFAULT_REGION:-eu-west-1}
