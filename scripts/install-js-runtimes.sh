#!/usr/bin/env bash
# Owns the JavaScript runtimes besides Node that the tests run the library on: installs Bun and Deno from npm.
#
#   scripts/install-js-runtimes.sh          installs what is missing
#   scripts/install-js-runtimes.sh --list   prints "NAME PATH" of each, there or not
#
# They are outside the checkout, in $WASYNCORE_RUNTIMES or ~/.cache/wasyncore/runtimes, each version in a folder of its own.

set -euo pipefail

readonly ROOT=${WASYNCORE_RUNTIMES:-$HOME/.cache/wasyncore/runtimes}
readonly BUN=1.4.5
readonly DENO=2.9.6

case $(uname -m) in
  aarch64 | arm64) bun_package=@oven/bun-linux-aarch64 deno_package=@deno/linux-arm64-glibc ;;
  *) bun_package=@oven/bun-linux-x64 deno_package=@deno/linux-x64-glibc ;;
esac
readonly bun_package deno_package

list() {
  echo "bun $ROOT/bun-$BUN/node_modules/$bun_package/bin/bun"
  echo "deno $ROOT/deno-$DENO/node_modules/$deno_package/deno"
}

# The binary is in a package of its own for each platform: no install script has to run.
install() {
  npm install --prefix "$1" --no-audit --no-fund --ignore-scripts "$2" >&2
}

case ${1-} in
  --list) list ;;
  "")
    while read -r name path; do
      if [ -x "$path" ]; then continue; fi
      case $name in
        bun) install "$ROOT/bun-$BUN" "$bun_package@$BUN" ;;
        deno) install "$ROOT/deno-$DENO" "$deno_package@$DENO" ;;
      esac
    done < <(list)
    while read -r name path; do
      if ! "$path" --version >/dev/null; then
        echo "$name at $path does not run: remove it, and start this again" >&2
        exit 1
      fi
    done < <(list)
    list
    ;;
  *)
    echo "usage: scripts/install-js-runtimes.sh [--list]" >&2
    exit 1
    ;;
esac
