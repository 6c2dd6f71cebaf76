# Shared by the scripts: installs what is missing, by package name. Sourced, not run.
# shellcheck shell=bash

MSRV=$(sed -n 's/^rust-version = "\([0-9.]*\)".*/\1/p' Cargo.toml)

note() { printf '\n== %s\n' "$*" >&2; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Debian packages that are not there yet; the list is refreshed only when something is missing.
need_packages() {
  local missing=()
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ "${#missing[@]}" = 0 ] && return 0
  note "installing ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

# True where version $1 is at least version $2.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

cargo_version() { cargo --version 2>/dev/null | sed -n 's/^cargo \([0-9.]*\).*/\1/p'; }

# A cargo that is new enough: the machine's, or one that rustup brings.
need_cargo() {
  # shellcheck source=/dev/null
  if [ -f "$HOME/.cargo/env" ]; then . "$HOME/.cargo/env"; fi
  local found
  found=$(cargo_version)
  if [ -n "$found" ] && at_least "$found" "$MSRV"; then return 0; fi
  note "cargo ${found:-is missing}; at least $MSRV is needed: installing a toolchain with rustup"
  if ! command -v rustup >/dev/null; then
    if apt-cache show rustup >/dev/null 2>&1; then
      need_packages rustup
    else
      need_packages curl ca-certificates
      curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal --default-toolchain none
      # shellcheck source=/dev/null
      . "$HOME/.cargo/env"
    fi
  fi
  rustup toolchain install stable --profile minimal --component clippy --component rustfmt
  rustup default stable
  found=$(cargo_version)
  if ! at_least "${found:-0}" "$MSRV"; then
    echo "error: cargo $found is still older than $MSRV; install a newer Rust toolchain" >&2
    exit 2
  fi
}

need_build_tools() {
  need_packages build-essential pkg-config libopenblas-dev
  need_cargo
}
