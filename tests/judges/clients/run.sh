#!/usr/bin/env bash
# Runs frontend clients and code generators, the examples of the documents, and schema judges that use the same
# packages. Each suite starts its own gateways.   usage: run.sh BINARY
# Installs the packages of package-lock.json into ${JUDGES_DIR:-target/judges}/clients, copies the sources there and
# runs all suites. Fails if a suite fails.
set -euo pipefail

GATEWAY_BINARY="$(realpath "${1:?usage: run.sh BINARY}")"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
PROJECT_ROOT="$(cd "$here/../../.." && pwd)"
export GATEWAY_BINARY PROJECT_ROOT
judges="${JUDGES_DIR:-$PROJECT_ROOT/target/judges}"
mkdir -p "$judges/clients"
judges="$(cd "$judges" && pwd)"
cd "$judges/clients"

times=()
timed() {
  local name="$1" from=$SECONDS outcome=0
  shift
  "$@" || outcome=$?
  times+=("$(printf '%4d s  %s' $((SECONDS - from)) "$name")")
  return "$outcome"
}

failed=()
suite() {
  echo "--- $1"
  timed "$@" || failed+=("$1")
}

# Installs only if package-lock.json has changed since the last installation.
install() {
  cp "$here"/{package.json,package-lock.json,.npmrc} .
  if ! cmp -s package-lock.json ../clients.done; then
    npm ci --silent --ignore-scripts && cp package-lock.json ../clients.done
  fi
}

# Node and the compilers resolve packages from the folder of a module and write to that folder. So the sources are
# copied next to node_modules, and nothing is generated in the repository.
copy_sources() {
  find . -mindepth 1 -maxdepth 1 ! -name node_modules -exec rm -rf {} +
  cp -R "$here/." .
  cp "$here"/../report.{mjs,d.mts} ..
  cp "$PROJECT_ROOT/schema.graphql" .
  # relay-compiler requires that both exist.
  mkdir -p relay/__generated__
  echo '{}' >relay/persisted-queries.json
}

generate_types() { node_modules/.bin/graphql-codegen --config codegen.ts --silent; }
generate_manifest() { node_modules/.bin/generate-persisted-query-manifest; }
compile_relay() { node_modules/.bin/relay-compiler relay.config.json; }
compile() { node_modules/.bin/tsc --project .; }

timed "install" install
copy_sources
# The suites run the output of these steps, so a failure here ends the script.
timed "graphql-codegen" generate_types
timed "generate-persisted-query-manifest" generate_manifest
timed "relay-compiler" compile_relay
timed "tsc" compile
suite "no casts in TypeScript" node casts.mjs
suite "page with graphql-codegen" node page/page.js
suite "Apollo Client" node src/apollo.js
suite "urql with graphcache" node src/urql.js
suite "Relay" node relay/relay.mjs
suite "every field" node everything.mjs
suite "upstream calls of a page" node src/cost.js
suite "CI of a frontend" node ci.mjs
suite "operations and code blocks of the documents" node docs.mjs
suite "schema (graphql-eslint)" node lint.mjs
suite "coverage (GraphQL Inspector)" node coverage.mjs

printf '%s\n' "${times[@]}"
if [ "${#failed[@]}" -gt 0 ]; then
  printf 'FAILED: %s\n' "${failed[@]}"
  exit 1
fi
