#!/usr/bin/env bash
# Tests the alerts and the dashboard of docs/operations/ with Prometheus: first the rules with synthetic series, then
# all of them with running gateways in short failure stories.
#   usage: run.sh [BINARY]        BINARY: the gateway (default: target/debug/customers-gateway)
# Needs node, and prometheus with promtool (Debian's package prometheus). Logs are written to target/judges/prometheus.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
binary="$(realpath "${1:-$here/../../../target/debug/customers-gateway}")"
cd "$here/../../.."
work="${JUDGES_DIR:-target/judges}/prometheus"
rm -rf "$work"
mkdir -p "$work"
work="$(realpath "$work")"

started=()
stop_all() {
  for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
  for process in "${started[@]}"; do wait "$process" 2>/dev/null || true; done
}
trap stop_all EXIT
trap 'exit 130' INT TERM

echo "--- alert rules with synthetic series"
promtool check rules docs/operations/alerts.yaml
promtool test rules "$here/alerts.test.yaml"
node "$here/rules.mjs" "$work"

echo "--- failure stories with running gateways"
# In the background, so that this script handles signals at once. live.mjs stops the processes that it started.
node "$here/live.mjs" "$binary" "$work" &
started+=($!)
wait "${started[0]}"
