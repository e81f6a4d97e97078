#!/usr/bin/env bash
# Runs the browser tests of the playground in Chromium against gateways that the script starts. If the system allows it,
# everything runs in a network namespace that has only a loopback interface.
#   usage: run.sh [BINARY]        BINARY: the gateway (default: target/debug/customers-gateway)
# Needs node, npm and Chromium (CHROMIUM, default: /usr/bin/chromium). Screenshots are written to target/judges/page.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
binary="$(realpath "${1:-$here/../../../target/debug/customers-gateway}")"
cd "$here/../../.."
work="${JUDGES_DIR:-target/judges}/page"
mkdir -p "$work"

if [ -z "${NETWORKING_IS_OFF:-}" ]; then
  if ! cmp -s "$here/package-lock.json" "$work/installed"; then
    cp "$here"/{package.json,package-lock.json,.npmrc} "$work/"
    (cd "$work" && npm ci --silent --ignore-scripts)
    cp "$here/package-lock.json" "$work/installed"
  fi
  off=(unshare --map-root-user --net sh -c 'ip link set lo up && exec "$@"' sh)
  if "${off[@]}" true 2>/dev/null; then
    exec "${off[@]}" env NETWORKING_IS_OFF=yes "$here/run.sh" "$binary"
  fi
  echo "cannot create a network namespace; Chromium runs with host name resolution off"
else
  echo "running in a network namespace with only a loopback interface"
fi
# Node resolves packages from the folder of a module, so the tests are copied next to node_modules.
cp "$here"/*.mjs "$work/"

started=()
stop_all() {
  local outcome=$?
  for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
  for process in "${started[@]}"; do wait "$process" 2>/dev/null || true; done
  if [ "$outcome" -ne 0 ]; then
    for log in "$work"/*.log; do
      echo "--- last lines of $log"
      tail -n 5 "$log"
    done
    # Printed last, so that a log cut at the start still names the failed tests.
    sed -n '/^not ok/,/^  \.\.\./p' "$work/report.tap" | grep -v '^ *\(duration_ms\|type\|---\|\.\.\.\)' | head -n 40 || true
  fi
}
trap stop_all EXIT
trap 'exit 130' INT TERM

export GATEWAY__SERVER__LISTEN=127.0.0.1:0 GATEWAY__SERVER__ADMIN_LISTEN=127.0.0.1:0 GATEWAY__SANDBOX__LISTEN=127.0.0.1:0

# Starts a server on a free port.
start() {
  local name="$1"
  shift
  env "$@" >"$work/$name.log" 2>&1 &
  started+=($!)
}
# The address after a word in a server's startup message.
address_of() {
  local name="$1" word="$2" address
  for _ in $(seq 100); do
    address="$(sed -nE "s|^ +$word +(http://[0-9.]+:[0-9]+).*|\1|p" "$work/$name.log" | head -n 1)"
    if [ -n "$address" ]; then
      echo "$address"
      return
    fi
    sleep 0.2
  done
  echo "$name did not start within 20 seconds" >&2
  return 1
}

start sandbox "$binary" serve
SANDBOX_URL="$(address_of sandbox GraphQL)"
CONTROL_URL="$(address_of sandbox upstream)"
start passthrough GATEWAY__AUTH__MODE=passthrough "$binary" serve
# The tests send no request to this upstream. They only need a gateway in front of a real upstream.
start real GATEWAY__AUTH__MODE=passthrough GATEWAY__UPSTREAM__BASE_URL=https://customers.example \
  GATEWAY__PLAYGROUND__ENABLED=on GATEWAY__AUDIT__DESTINATION="$work/real.jsonl" "$binary" serve
PASSTHROUGH_URL="$(address_of passthrough GraphQL)"
REAL_URL="$(address_of real GraphQL)"
export SANDBOX_URL CONTROL_URL PASSTHROUGH_URL REAL_URL PICTURES="$work/pictures"

rm -f "$work/report.tap"
node --test --test-reporter=spec --test-reporter-destination=stdout \
  --test-reporter=tap --test-reporter-destination="$work/report.tap" "$work/page.test.mjs"
