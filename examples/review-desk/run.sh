#!/usr/bin/env bash
# The review desk over the gateway at 127.0.0.1:4000; where none answers there, one is started over its sandbox.
# Needs Node 20.19 or newer, and Rust where the gateway has to be built. GATEWAY_URL names another gateway.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export GATEWAY_URL="${GATEWAY_URL:-http://127.0.0.1:4000}"

cmp -s package-lock.json node_modules/.installed.json || {
  npm ci --ignore-scripts
  cp package-lock.json node_modules/.installed.json
}

answers() { curl --silent --fail --output /dev/null --max-time 2 "$GATEWAY_URL/readyz"; }

if ! answers; then
  (cd ../.. && cargo build --locked)
  "${CARGO_TARGET_DIR:-../../target}/debug/customers-gateway" &
  gateway=$!
  trap 'kill "$gateway" 2>/dev/null; wait "$gateway"' EXIT
  for _ in $(seq 100); do
    answers && break
    kill -0 "$gateway" 2>/dev/null || exit 1
    sleep 0.1
  done
fi
npm run dev
