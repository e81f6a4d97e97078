#!/usr/bin/env bash
# Runs composers and a router of Apollo Federation against a running gateway.
#   usage: run.sh BINARY GATEWAY_URL SANDBOX_URL
# The gateway must have federation on and accept the key "sandbox". Installs the packages of package-lock.json into
# ${JUDGES_DIR:-target/judges}. Apollo's composer and gateway have the Elastic licence. They are used only in this test,
# and no build or release of the project contains them.
set -euo pipefail

binary="${1:?usage: run.sh BINARY GATEWAY_URL SANDBOX_URL}"
export GATEWAY_URL="${2:?}" SANDBOX_URL="${3:?}"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
into="${JUDGES_DIR:-target/judges}/federation"
mkdir -p "$into"

# Installs only if package-lock.json has changed since the last installation.
if ! cmp -s "$here/package-lock.json" "$into/done"; then
  cp "$here"/{package.json,package-lock.json,.npmrc} "$into/"
  (cd "$into" && npm ci --silent --ignore-scripts)
  cp "$here/package-lock.json" "$into/done"
fi
cp "$here"/*.mjs "$here/../report.mjs" "$into/"
"$binary" schema --federation >"$into/customers.graphql"

# Turns off the telemetry of the Apollo packages.
export APOLLO_TELEMETRY_DISABLED=1
failed=0
(cd "$into" && node compose.mjs) || failed=1
(cd "$into" && node router.mjs) || failed=1
exit "$failed"
