#!/usr/bin/env bash
# Whether there are security advisories about the crates in Cargo.lock: vulnerabilities, and crates that are unsound,
# unmaintained or yanked.
#
#   tests/advisories.sh                        checks where RustSec's database is reached within some seconds; else says
#                                              when it was checked last, and warns where that no longer tells enough
#   tests/advisories.sh --record               checks, and writes tests/advisories.checked; to be committed
#   tests/advisories.sh --record --mirror DIR  the same with a git mirror of the database, for where it is not reached
#
# Needs cargo-deny and git; tests/run.sh installs cargo-deny below target/judges/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

checked="tests/advisories.checked"
# New advisories come every few days.
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
      echo "unknown argument $1: --record and --mirror DIR are known" >&2
      exit 2
      ;;
  esac
  shift
done

url="$(sed -n 's/^db-urls = \["\(.*\)"\]$/\1/p' deny.toml)"
lock="$(sha256sum Cargo.lock | cut -d' ' -f1)"
export GIT_TERMINAL_PROMPT=0
if [ -n "$mirror" ]; then
  # An address of the database stays in the settings, since cargo-deny takes no path; git goes to the mirror instead.
  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="url.file://$mirror.insteadOf" GIT_CONFIG_VALUE_0="$url"
fi

value() {
  sed -n "s/^$1 = //p" "$checked"
}

days_since() {
  echo $((($(date +%s) - $(date -d "$1" +%s)) / 86400))
}

# The first asks for an answer alone, so that it can be given up soon; the second takes its time.
is_fetched() {
  timeout 5 git ls-remote --quiet "$url" HEAD >/dev/null 2>&1 && timeout 120 cargo deny fetch db >/dev/null 2>&1
}

if is_fetched; then
  cargo deny --locked --offline check advisories
  database="$(git -C target/judges/advisory-db/advisory-db-* log -1 --format='%H %cs')"
  echo "no advisory is about Cargo.lock, by the database of ${database#* }"
  if "$record"; then
    cat >"$checked" <<END
# When the advisories were looked into last, for where the database is not reached. tests/advisories.sh --record writes it.
checked = $(date -u +%Y-%m-%d)
database-commit = ${database% *}
database-date = ${database#* }
cargo-lock-sha256 = $lock
END
    echo "$checked is written: commit it"
  fi
  exit 0
fi

if "$record"; then
  echo "the database is not reached, and nothing was checked: $checked stays as it is" >&2
  exit 1
fi
[ -f "$checked" ] || {
  echo "the database of advisories is not reached, and there is no $checked" >&2
  exit 1
}
echo "the database of advisories is not reached; Cargo.lock was checked on $(value checked), by the database of" \
  "$(value database-date) (commit $(value database-commit))"
if [ "$(value cargo-lock-sha256)" != "$lock" ]; then
  echo "WARNING: Cargo.lock has changed since: run tests/advisories.sh --record where the database is reached"
fi
days="$(days_since "$(value database-date)")"
if [ "$days" -gt "$most_days" ]; then
  echo "WARNING: that database is $days days old, and advisories newer than it are not known here: run" \
    "tests/advisories.sh --record where the database is reached"
fi
