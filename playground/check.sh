#!/usr/bin/env bash
# Builds the bundle from the lock file in a separate folder and compares it with dist/.
#   usage: check.sh [FOLDER]      FOLDER: the build folder (default: target/playground)
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
there="$(realpath -m "${1:-$here/../target/playground}")"

# The installed packages are reused between runs. The sources are copied each time.
mkdir -p "$there"
rm -rf "$there/sources"
mkdir "$there/sources"
(cd "$here" && tar --exclude=./dist --exclude=./node_modules -cf - .) | tar -xf - -C "$there/sources"
if ! cmp -s "$here/package-lock.json" "$there/installed"; then
  rm -rf "$there/node_modules"
  (cd "$there/sources" && npm ci --silent --ignore-scripts && mv node_modules ..)
  cp "$here/package-lock.json" "$there/installed"
fi
mv "$there/node_modules" "$there/sources/"
built=0
(cd "$there/sources" && npm run --silent build) || built=$?
mv "$there/sources/node_modules" "$there/"
[ "$built" -eq 0 ]
node "$here/compare.mjs" "$here/dist" "$there/sources/dist"
