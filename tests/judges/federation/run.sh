#!/usr/bin/env bash
# Composers and a router of Apollo Federation against a running gateway.
#   usage: run.sh BINARY GATEWAY_URL SANDBOX_URL
# The gateway has federation on and takes the key "sandbox" from its callers. Packages are installed at the versions that
# stand beside this file, into ${JUDGES_DIR:-target/judges}. Apollo's composer and gateway are under the Elastic licence:
# they judge, and no part of them is in what the project builds or serves.
set -euo pipefail

binary="${1:?usage: run.sh BINARY GATEWAY_URL SANDBOX_URL}"
export GATEWAY_URL="${2:?}" SANDBOX_URL="${3:?}"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
into="${JUDGES_DIR:-target/judges}/federation"
mkdir -p "$into"

# Installs again only when what is asked for has changed.
if ! cmp -s "$here/package-lock.json" "$into/done"; then
  cp "$here"/{package.json,package-lock.json,.npmrc} "$into/"
  (cd "$into" && npm ci --silent --ignore-scripts)
  cp "$here/package-lock.json" "$into/done"
fi
cp "$here"/*.mjs "$here/../report.mjs" "$into/"
"$binary" schema --federation >"$into/customers.graphql"

# Telemetry of the packages asks their makers' servers; nothing here does.
export APOLLO_TELEMETRY_DISABLED=1
failed=0
(cd "$into" && node compose.mjs) || failed=1
(cd "$into" && node router.mjs) || failed=1
exit "$failed"
