#!/usr/bin/env bash
# Tests a frontend against the sandbox in its CI. docs/frontend.md shows this file. It needs customers-gateway in PATH
# and runs `npm test` in the current folder.
set -euo pipefail

GATEWAY__CACHE__ENABLED=false GATEWAY__UPSTREAM__MAX_ATTEMPTS=1 GATEWAY__UPSTREAM__BREAKER_MIN_CALLS=100000 \
  customers-gateway serve & gateway=$!
trap 'kill "$gateway"' EXIT
until curl -sf "${GATEWAY_URL:=http://127.0.0.1:4000}/readyz" >/dev/null; do kill -0 "$gateway"; sleep 0.2; done
npm test
