#!/usr/bin/env bash
# Tests the built review desk in Chromium against a gateway with its sandbox. The gateway accepts only the desk's
# documents.
#   usage: test.sh [BINARY]        BINARY: the gateway (default: target/debug/customers-gateway)
# Needs Node 20.19 or newer and Chromium (CHROMIUM, default: /usr/bin/chromium).
# If SCREENSHOTS names a directory, the screenshots of the README are written to it.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
binary="$(realpath "${1:-$here/../../target/debug/customers-gateway}")"
cd "$here"
log="$(mktemp)"

gateway=""
stop() {
  local outcome=$?
  if [ -n "$gateway" ]; then
    kill "$gateway" 2>/dev/null || true
    wait "$gateway" 2>/dev/null || true
  fi
  [ "$outcome" -eq 0 ] || tail -n 30 "$log"
  rm -f "$log"
}
trap stop EXIT
trap 'exit 130' INT TERM

cmp -s package-lock.json node_modules/.installed.json || {
  npm ci --silent --ignore-scripts
  cp package-lock.json node_modules/.installed.json
}
npm run --silent build

# One attempt per upstream call, so that a single injected fault reaches the desk as an error.
GATEWAY__UPSTREAM__MAX_ATTEMPTS=1 GATEWAY__SERVER__LISTEN=127.0.0.1:0 GATEWAY__SERVER__ADMIN_LISTEN=127.0.0.1:0 GATEWAY__SANDBOX__LISTEN=127.0.0.1:0 \
  GATEWAY__CACHE__PAGE_TTL=60s GATEWAY__DOCUMENTS__MODE=only GATEWAY__DOCUMENTS__MANIFEST=src/gql/persisted-documents.json \
  "$binary" serve >"$log" 2>&1 &
gateway=$!

# The servers listen on free ports and print their addresses at startup.
address_of() { sed -nE "s|^ +$1 +(http://[0-9.]+:[0-9]+).*|\1|p" "$log" | head -n 1; }
for _ in $(seq 100); do
  GATEWAY_URL="$(address_of GraphQL)"
  SANDBOX_URL="$(address_of upstream)"
  [ -n "$SANDBOX_URL" ] && curl --silent --fail --max-time 2 --output /dev/null "$GATEWAY_URL/readyz" && break
  sleep 0.1
done
export GATEWAY_URL SANDBOX_URL
node test/flow.mjs
