#!/usr/bin/env bash
# The review desk over the gateway at GATEWAY_URL; without it over the one at 127.0.0.1:4000, which is started with its
# sandbox where none answers. Needs Node 20.19 or newer, and Rust where the gateway has to be built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

cmp -s package-lock.json node_modules/.installed.json || {
  npm ci --ignore-scripts
  cp package-lock.json node_modules/.installed.json
}

answers() { curl --silent --fail --output /dev/null --max-time 2 "$1/readyz"; }

if [ -z "${GATEWAY_URL:-}" ]; then
  export GATEWAY_URL=http://127.0.0.1:4000
  if ! answers "$GATEWAY_URL"; then
    (cd ../.. && cargo build --locked)
    "${CARGO_TARGET_DIR:-../../target}/debug/customers-gateway" &
    gateway=$!
    trap 'kill "$gateway" 2>/dev/null; wait "$gateway"' EXIT
    until answers "$GATEWAY_URL"; do
      kill -0 "$gateway" || exit 1
      sleep 0.2
    done
  fi
fi
npm run dev
