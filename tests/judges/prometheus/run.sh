#!/usr/bin/env bash
# The alerts of docs/operations/alerts.yaml on made-up days.
#   usage: run.sh
# Needs node, and Debian's package prometheus (prometheus and promtool).
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$here/../../.."
work="${JUDGES_DIR:-target/judges}/prometheus"
mkdir -p "$work"

echo "--- the rules"
promtool check rules docs/operations/alerts.yaml
promtool test rules "$here/alerts.test.yaml"
node "$here/rules.mjs" "$work"
