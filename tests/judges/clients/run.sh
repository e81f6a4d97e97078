#!/usr/bin/env bash
# Frontends' own clients and code generators, each against gateways that it starts itself; what the documents show, run;
# and judges of the schema that live on the same packages.   usage: run.sh BINARY
# Installs them, at the versions that stand beside this file, into ${JUDGES_DIR:-target/judges}/clients, copies the
# sources there, and runs all of them; fails if one does.
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

# Installs again only when what is asked for has changed.
install() {
  cp "$here"/{package.json,package-lock.json,.npmrc} .
  if ! cmp -s package-lock.json ../clients.done; then
    npm ci --silent --ignore-scripts && cp package-lock.json ../clients.done
  fi
}

# Node and the compilers look for packages beside a module, and write beside it too: nothing is generated in the sources.
copy_sources() {
  find . -mindepth 1 -maxdepth 1 ! -name node_modules -exec rm -rf {} +
  cp -R "$here/." .
  cp "$here"/../report.{mjs,d.mts} ..
  cp "$PROJECT_ROOT/schema.graphql" .
  # relay-compiler wants both before it writes them.
  mkdir -p relay/__generated__
  echo '{}' >relay/persisted-queries.json
}

generate_types() { node_modules/.bin/graphql-codegen --config codegen.ts --silent; }
generate_manifest() { node_modules/.bin/generate-persisted-query-manifest; }
compile_relay() { node_modules/.bin/relay-compiler relay.config.json; }
compile() { node_modules/.bin/tsc --project .; }

timed "install" install
copy_sources
# What the suites run is made here, so they do not go on where this fails.
timed "graphql-codegen" generate_types
timed "generate-persisted-query-manifest" generate_manifest
timed "relay-compiler" compile_relay
timed "tsc" compile
suite "no casts in TypeScript" node casts.mjs
suite "a page by graphql-codegen" node page/page.js
suite "Apollo Client" node src/apollo.js
suite "urql with graphcache" node src/urql.js
suite "Relay" node relay/relay.mjs
suite "every field" node everything.mjs
suite "what a page costs" node src/cost.js
suite "a frontend's CI" node ci.mjs
suite "the documents' operations and recipes" node docs.mjs
suite "schema (graphql-eslint)" node lint.mjs
suite "coverage (GraphQL Inspector)" node coverage.mjs

printf '%s\n' "${times[@]}"
if [ "${#failed[@]}" -gt 0 ]; then
  printf 'FAILED: %s\n' "${failed[@]}"
  exit 1
fi
