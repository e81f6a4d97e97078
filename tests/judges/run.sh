#!/usr/bin/env bash
# Other people's GraphQL tools and clients against a gateway over its embedded sandbox, and the Customers API's own
# clients against the sandbox alone.
#   usage: run.sh [BINARY]        BINARY: target/debug/customers-gateway where none is given
# Needs node, npm and python3 with venv. Packages are installed once, at pinned versions, into ${JUDGES_DIR:-target/judges}.
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
      echo "--- the end of $log"
      tail -n 30 "$log"
    done
  fi
}
trap stop_all EXIT
trap 'exit 130' INT TERM

# Installs again only when what is asked for has changed.
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
# Node looks for packages beside a module, so the judges run beside theirs.
mkdir -p "$JUDGES_DIR/node/reference"
cp "$here"/*.mjs "$JUDGES_DIR/node/"
cp "$here"/reference/*.mjs "$JUDGES_DIR/node/reference/"

# The servers choose free ports themselves and say which in their greeting.
export GATEWAY__SERVER__LISTEN=127.0.0.1:0 GATEWAY__SERVER__ADMIN_LISTEN=127.0.0.1:0 GATEWAY__SANDBOX__LISTEN=127.0.0.1:0

start() {
  local name="$1"
  shift
  "$binary" "$@" >"$JUDGES_DIR/$name.log" 2>&1 &
  started+=($!)
}

# The address that stands behind a word of a server's greeting; waits up to 20 seconds for it to answer on a path.
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
  echo "$name did not come up in 20 seconds" >&2
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
echo "gateway $gateway over the sandbox $embedded; a sandbox alone $alone"

failed=()
judge() {
  local name="$1"
  shift
  echo "--- $name"
  "$@" || failed+=("$name")
}
judge "schema.graphql is what the binary prints" diff <("$binary" schema) schema.graphql
judge "schema (graphql-js)" node "$JUDGES_DIR/node/schema.mjs"
judge "contract (GraphQL Inspector)" node "$JUDGES_DIR/node/contract.mjs"
judge "documents and responses (graphql-js)" env GATEWAY_URL="$(address_of reference-false GraphQL /readyz)/graphql" \
  FEDERATION_URL="$(address_of reference-true GraphQL /readyz)/graphql" node "$JUDGES_DIR/node/reference/reference.mjs"
judge "GraphQL over HTTP (graphql-http)" node "$JUDGES_DIR/node/http-audit.mjs"
judge "clients (urql, graphql-request)" env SANDBOX_URL="$embedded" node "$JUDGES_DIR/node/client.mjs"
judge "client (gql for Python)" env SANDBOX_URL="$embedded" "$JUDGES_DIR/python/bin/python" "$here/python_client.py"
judge "a supergraph (Apollo, The Guild)" "$here/federation/run.sh" "$binary" \
  "$(address_of subgraph GraphQL /readyz)/graphql" "$(address_of subgraph upstream /_sandbox/calls)"
judge "frontends' own clients" "$here/clients/run.sh" "$binary"
# Where it keeps what it made up; the same each time.
made_up() {
  (cd "$JUDGES_DIR" && env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$here" SCHEMATHESIS_HOOKS=schemathesis_checks \
    python/bin/schemathesis run "$GATEWAY_URL" --checks answered_in_order --seed 1 --max-examples 15 \
    --suppress-health-check all --warnings off --no-color)
}
judge "operations that are made up (schemathesis)" made_up
judge "the Customers API's own clients" "$here/official_clients/run.sh" "$alone"

if [ "${#failed[@]}" -gt 0 ]; then
  printf 'FAILED judge: %s\n' "${failed[@]}"
  exit 1
fi
echo "all judges agree"
