#!/usr/bin/env bash
# How a frontend's own CI tests against the sandbox: this file is what docs/frontend.md shows. It wants customers-gateway
# in PATH and runs `npm test` of the folder that it is started in.
set -euo pipefail

GATEWAY__CACHE__ENABLED=false GATEWAY__UPSTREAM__MAX_ATTEMPTS=1 GATEWAY__UPSTREAM__BREAKER_MIN_CALLS=100000 \
  customers-gateway serve & gateway=$!
trap 'kill "$gateway"' EXIT
until curl -sf "${GATEWAY_URL:=http://127.0.0.1:4000}/readyz" >/dev/null; do kill -0 "$gateway"; sleep 0.2; done
npm test
