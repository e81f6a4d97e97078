#!/usr/bin/env bash
# Runs the review desk against the gateway at GATEWAY_URL (default: http://127.0.0.1:4000). If GATEWAY_URL is not set
# and no gateway runs there, the script builds and starts one with its sandbox.
# Needs Node 20.19 or newer, and Rust to build the gateway.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

cmp -s package-lock.json node_modules/.installed.json || {
  npm ci --ignore-scripts
  cp package-lock.json node_modules/.installed.json
}

is_ready() { curl --silent --fail --output /dev/null --max-time 2 "$1/readyz"; }

if [ -z "${GATEWAY_URL:-}" ]; then
  export GATEWAY_URL=http://127.0.0.1:4000
  if ! is_ready "$GATEWAY_URL"; then
    (cd ../.. && cargo build --locked)
    "${CARGO_TARGET_DIR:-../../target}/debug/customers-gateway" &
    gateway=$!
    trap 'kill "$gateway" 2>/dev/null; wait "$gateway"' EXIT
    until is_ready "$GATEWAY_URL"; do
      kill -0 "$gateway" || exit 1
      sleep 0.2
    done
  fi
fi
npm run dev
