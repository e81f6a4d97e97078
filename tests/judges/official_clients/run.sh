#!/usr/bin/env bash
# Runs Straddle's official clients against a running sandbox.   usage: run.sh SANDBOX_URL
# Installs the pinned versions into ${JUDGES_DIR:-target/judges} and runs all three clients. Fails if one of them fails.
set -euo pipefail

export SANDBOX_URL="${1:?usage: run.sh SANDBOX_URL}"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
into="${JUDGES_DIR:-target/judges}/official_clients"
mkdir -p "$into"
into="$(cd "$into" && pwd)"

# Runs a command only if the file `wanted` differs from the copy of the last run.
unless_done() {
  local mark="$1" wanted="$2"
  shift 2
  if ! cmp -s "$wanted" "$mark"; then
    "$@"
    cp "$wanted" "$mark"
  fi
}

install_python() {
  python3 -m venv --clear "$into/python-$1"
  "$into/python-$1/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements-$1.txt"
}

install_node() {
  mkdir -p "$into/node"
  cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$into/node/"
  (cd "$into/node" && npm ci --silent --ignore-scripts)
}

for generation in 0.4 1.0; do
  unless_done "$into/python-$generation.done" "$here/requirements-$generation.txt" install_python "$generation"
done
unless_done "$into/node.done" "$here/package-lock.json" install_node

failed=0
for generation in 0.4 1.0; do
  "$into/python-$generation/bin/python" "$here/python.py" || failed=1
done
(cd "$into/node" && node "$here/node.mjs") || failed=1
exit "$failed"
