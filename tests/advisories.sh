#!/usr/bin/env bash
# Checks the crates in Cargo.lock for security advisories: vulnerabilities, and crates that are unsound, unmaintained or
# yanked.
#
#   tests/advisories.sh                        checks with RustSec's database. If the database cannot be reached within
#                                              5 seconds, prints the date of the last check, and warns if that check is
#                                              too old or was of another Cargo.lock
#   tests/advisories.sh --record               checks, and writes tests/advisories.checked, which is then committed
#   tests/advisories.sh --record --mirror DIR  the same with a local git mirror of the database
#
# Needs cargo-deny and git; tests/run.sh installs cargo-deny below target/judges/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

checked="tests/advisories.checked"
# The database gets new advisories every few days.
most_days=30

record=false
mirror=""
while [ "$#" -gt 0 ]; do
  case "$1" in
    --record) record=true ;;
    --mirror)
      mirror="$(cd "${2:?--mirror needs a directory}" && pwd)"
      shift
      ;;
    *)
      echo "unknown argument $1: use --record or --mirror DIR" >&2
      exit 2
      ;;
  esac
  shift
done

url="$(sed -n 's/^db-urls = \["\(.*\)"\]$/\1/p' deny.toml)"
lock="$(sha256sum Cargo.lock | cut -d' ' -f1)"
export GIT_TERMINAL_PROMPT=0
if [ -n "$mirror" ]; then
  # cargo-deny accepts a URL of the database but no path, so git redirects the URL to the mirror.
  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="url.file://$mirror.insteadOf" GIT_CONFIG_VALUE_0="$url"
fi

value() {
  sed -n "s/^$1 = //p" "$checked"
}

days_since() {
  echo $((($(date +%s) - $(date -d "$1" +%s)) / 86400))
}

# The first command only tests the connection, with a short timeout. The second downloads the database.
is_fetched() {
  timeout 5 git ls-remote --quiet "$url" HEAD >/dev/null 2>&1 && timeout 120 cargo deny fetch db >/dev/null 2>&1
}

if is_fetched; then
  cargo deny --locked --offline check advisories
  database="$(git -C target/judges/advisory-db/advisory-db-* log -1 --format='%H %cs')"
  echo "no advisory affects Cargo.lock (database of ${database#* })"
  if "$record"; then
    cat >"$checked" <<END
# The last check of the advisories, for machines that cannot reach the database. tests/advisories.sh --record writes it.
checked = $(date -u +%Y-%m-%d)
database-commit = ${database% *}
database-date = ${database#* }
cargo-lock-sha256 = $lock
END
    echo "wrote $checked: commit it"
  fi
  exit 0
fi

if "$record"; then
  echo "cannot reach the database: nothing was checked, and $checked is unchanged" >&2
  exit 1
fi
[ -f "$checked" ] || {
  echo "cannot reach the database of advisories, and $checked is missing" >&2
  exit 1
}
echo "cannot reach the database of advisories; Cargo.lock was last checked on $(value checked) with the database of" \
  "$(value database-date) (commit $(value database-commit))"
if [ "$(value cargo-lock-sha256)" != "$lock" ]; then
  echo "WARNING: Cargo.lock has changed since. Run tests/advisories.sh --record on a machine that reaches the database"
fi
days="$(days_since "$(value database-date)")"
if [ "$days" -gt "$most_days" ]; then
  echo "WARNING: that database is $days days old and lacks newer advisories. Run tests/advisories.sh --record on a" \
    "machine that can reach the database"
fi
