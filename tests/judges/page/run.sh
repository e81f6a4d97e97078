#!/usr/bin/env bash
# The playground in Chromium, over gateways of its own. Where the system lets it, all of it runs with networking off: in a
# network namespace that has nothing but its loopback.
#   usage: run.sh [BINARY]        BINARY: target/debug/customers-gateway where none is given
# Needs node, npm and Chromium (CHROMIUM: /usr/bin/chromium where none is given). Pictures are left in target/judges/page.
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
  echo "networking cannot be switched off here; Chromium is told to look no name up"
else
  echo "networking is off"
fi
# Node looks for packages beside a module, so the tests run beside theirs.
cp "$here"/*.mjs "$work/"

started=()
stop_all() {
  local outcome=$?
  for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
  for process in "${started[@]}"; do wait "$process" 2>/dev/null || true; done
  if [ "$outcome" -ne 0 ]; then
    for log in "$work"/*.log; do
      echo "--- the end of $log"
      tail -n 5 "$log"
    done
    # Last, so that the end of a log that was cut still says what failed.
    sed -n '/^not ok/,/^  \.\.\./p' "$work/report.tap" | grep -v '^ *\(duration_ms\|type\|---\|\.\.\.\)' | head -n 40 || true
  fi
}
trap stop_all EXIT
trap 'exit 130' INT TERM

export GATEWAY__SERVER__LISTEN=127.0.0.1:0 GATEWAY__SERVER__ADMIN_LISTEN=127.0.0.1:0 GATEWAY__SANDBOX__LISTEN=127.0.0.1:0

# Starts a server that chooses its own port.
start() {
  local name="$1"
  shift
  env "$@" >"$work/$name.log" 2>&1 &
  started+=($!)
}
# The address behind a word of a server's greeting.
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
  echo "$name did not come up in 20 seconds" >&2
  return 1
}

start sandbox "$binary" serve
SANDBOX_URL="$(address_of sandbox GraphQL)"
CONTROL_URL="$(address_of sandbox upstream)"
start passthrough GATEWAY__AUTH__MODE=passthrough "$binary" serve
# Nobody is asked there: it is only a gateway whose people would be real.
start real GATEWAY__AUTH__MODE=passthrough GATEWAY__UPSTREAM__BASE_URL=https://customers.example \
  GATEWAY__PLAYGROUND__ENABLED=on GATEWAY__AUDIT__DESTINATION="$work/real.jsonl" "$binary" serve
PASSTHROUGH_URL="$(address_of passthrough GraphQL)"
REAL_URL="$(address_of real GraphQL)"
export SANDBOX_URL CONTROL_URL PASSTHROUGH_URL REAL_URL PICTURES="$work/pictures"

rm -f "$work/report.tap"
node --test --test-reporter=spec --test-reporter-destination=stdout \
  --test-reporter=tap --test-reporter-destination="$work/report.tap" "$work/page.test.mjs"
