#!/usr/bin/env bash
# The alerts and the dashboard of docs/operations/ in a real Prometheus: the rules on made-up days, then all of it over
# gateways that have bad days of a few seconds.
#   usage: run.sh [BINARY]        BINARY: target/debug/customers-gateway where none is given
# Needs node, and prometheus with promtool (Debian's package prometheus). Logs are left in target/judges/prometheus.
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

echo "--- the rules on made-up days"
promtool check rules docs/operations/alerts.yaml
promtool test rules "$here/alerts.test.yaml"
node "$here/rules.mjs" "$work"

echo "--- bad days of a few seconds"
# Beside this shell, so that a signal reaches it at once; it ends what it started.
node "$here/live.mjs" "$binary" "$work" &
started+=($!)
wait "${started[0]}"
