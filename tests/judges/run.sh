#!/usr/bin/env bash
# Runs third-party GraphQL tools and clients against a gateway with its embedded sandbox, and the official clients of
# the Customers API against the sandbox alone.
#   usage: run.sh [BINARY]        BINARY: the gateway (default: target/debug/customers-gateway)
# Needs node, npm and python3 with venv. Installs pinned versions of all packages into ${JUDGES_DIR:-target/judges}.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
binary="$(realpath "${1:-$here/../../target/debug/customers-gateway}")"
cd "$here/../.."
export JUDGES_DIR="${JUDGES_DIR:-target/judges}"
mkdir -p "$JUDGES_DIR/node"

started=()
stop_all() {
  local outcome=$?
  for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
  for process in "${started[@]}"; do wait "$process" 2>/dev/null || true; done
  if [ "$outcome" -ne 0 ]; then
    for log in "$JUDGES_DIR"/*.log; do
      echo "--- last lines of $log"
      tail -n 30 "$log"
    done
  fi
}
trap stop_all EXIT
trap 'exit 130' INT TERM

# Runs a command only if the file `wanted` differs from the copy of the last run.
unless_done() {
  local mark="$1" wanted="$2"
  shift 2
  if ! cmp -s "$wanted" "$mark"; then
    "$@"
    cp "$wanted" "$mark"
  fi
}
install_node() {
  cp "$here"/{package.json,package-lock.json,.npmrc} "$JUDGES_DIR/node/"
  (cd "$JUDGES_DIR/node" && npm ci --silent --ignore-scripts)
}
install_python() {
  python3 -m venv --clear "$JUDGES_DIR/python"
  "$JUDGES_DIR/python/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
}
unless_done "$JUDGES_DIR/node.done" "$here/package-lock.json" install_node
unless_done "$JUDGES_DIR/python.done" "$here/requirements.txt" install_python
# Node resolves packages from the folder of a module, so the judges are copied next to node_modules.
mkdir -p "$JUDGES_DIR/node/reference"
cp "$here"/*.mjs "$JUDGES_DIR/node/"
cp "$here"/reference/*.mjs "$JUDGES_DIR/node/reference/"

# The servers listen on free ports and print their addresses at startup.
export GATEWAY__SERVER__LISTEN=127.0.0.1:0 GATEWAY__SERVER__ADMIN_LISTEN=127.0.0.1:0 GATEWAY__SANDBOX__LISTEN=127.0.0.1:0

start() {
  local name="$1"
  shift
  "$binary" "$@" >"$JUDGES_DIR/$name.log" 2>&1 &
  started+=($!)
}

# The address after a word in a server's startup message. Waits up to 20 seconds until the server responds on a path.
address_of() {
  local name="$1" word="$2" path="$3" address
  for _ in $(seq 100); do
    address="$(sed -nE "s|^ +$word +(http://[0-9.]+:[0-9]+).*|\1|p" "$JUDGES_DIR/$name.log" | head -n 1)"
    if [ -n "$address" ] && curl --silent --fail --max-time 2 --output /dev/null "$address$path"; then
      echo "$address"
      return
    fi
    sleep 0.2
  done
  echo "$name did not start within 20 seconds" >&2
  return 1
}

start gateway serve
start sandbox sandbox
GATEWAY__GRAPHQL__FEDERATION=true GATEWAY__AUTH__MODE=passthrough start subgraph serve
# The reference reads the data once: no cache entry may expire while it runs.
for federation in false true; do
  GATEWAY__GRAPHQL__FEDERATION=$federation GATEWAY__AUTH__MODE=passthrough \
    GATEWAY__CACHE__CUSTOMER_TTL=1h GATEWAY__CACHE__REVIEW_TTL=1h \
    GATEWAY__CACHE__PAGE_TTL=1h GATEWAY__CACHE__NOT_FOUND_TTL=1h \
    start "reference-$federation" serve
done
gateway="$(address_of gateway GraphQL /readyz)"
embedded="$(address_of gateway upstream /_sandbox/calls)"
alone="$(address_of sandbox API /_sandbox/calls)"
export GATEWAY_URL="$gateway/graphql"
echo "gateway $gateway with the sandbox $embedded; standalone sandbox $alone"

failed=()
judge() {
  local name="$1"
  shift
  echo "--- $name"
  "$@" || failed+=("$name")
}
judge "schema.graphql equals the schema of the binary" diff <("$binary" schema) schema.graphql
judge "schema (graphql-js)" node "$JUDGES_DIR/node/schema.mjs"
judge "contract (GraphQL Inspector)" node "$JUDGES_DIR/node/contract.mjs"
judge "documents and responses (graphql-js)" env GATEWAY_URL="$(address_of reference-false GraphQL /readyz)/graphql" \
  FEDERATION_URL="$(address_of reference-true GraphQL /readyz)/graphql" node "$JUDGES_DIR/node/reference/reference.mjs"
judge "GraphQL over HTTP (graphql-http)" node "$JUDGES_DIR/node/http-audit.mjs"
judge "clients (urql, graphql-request)" env SANDBOX_URL="$embedded" node "$JUDGES_DIR/node/client.mjs"
judge "client (gql for Python)" env SANDBOX_URL="$embedded" "$JUDGES_DIR/python/bin/python" "$here/python_client.py"
judge "federation (Apollo, The Guild)" "$here/federation/run.sh" "$binary" \
  "$(address_of subgraph GraphQL /readyz)/graphql" "$(address_of subgraph upstream /_sandbox/calls)"
judge "frontend clients (Apollo, urql, Relay, codegen)" "$here/clients/run.sh" "$binary"
# Runs in JUDGES_DIR, because schemathesis writes its examples to the working directory. The seed is fixed.
generated_operations() {
  (cd "$JUDGES_DIR" && env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$here" SCHEMATHESIS_HOOKS=schemathesis_checks \
    python/bin/schemathesis run "$GATEWAY_URL" --checks answered_in_order --seed 1 --max-examples 15 \
    --suppress-health-check all --warnings off --no-color)
}
judge "generated operations (schemathesis)" generated_operations
judge "official clients of the Customers API" "$here/official_clients/run.sh" "$alone"

if [ "${#failed[@]}" -gt 0 ]; then
  printf 'FAILED judge: %s\n' "${failed[@]}"
  exit 1
fi
echo "all judges passed"
