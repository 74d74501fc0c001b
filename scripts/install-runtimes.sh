#!/usr/bin/env bash
# Owns the WASI runtimes that the tests run guests on: their versions, where they stand, and building those that are
# missing. Knows nothing of what is run on them.
#
#   scripts/install-runtimes.sh              installs what is missing
#   scripts/install-runtimes.sh --list       prints "NAME PATH" of each, there or not
#
# They stand outside the checkout, in $WASYNCORE_RUNTIMES or ~/.cache/wasyncore/runtimes, each version in a folder of its
# own. A runtime that is there, and says that it is of that version, is left alone. wasmtime is built from crates.io, which
# takes about ten minutes of one processor for each of the two; CARGO_BUILD_JOBS says how many processors it may take.

set -euo pipefail

readonly ROOT=${WASYNCORE_RUNTIMES:-$HOME/.cache/wasyncore/runtimes}

# The last line of releases that gives preview 1 guests listening sockets, and the newest one, for components.
readonly WASMTIME_LTS=36.0.14
readonly WASMTIME=50.0.1
readonly WAZERO=1.12.0
# Not a runtime: makes components of modules, for the newest wasmtime.
readonly JCO=1.34.0
# What the newest wasmtime says it needs, and what rustup installs beside an older one.
readonly RUST_LEAST=1.97
readonly RUST_TOOLCHAIN=1.99.1
readonly WASMTIME_FEATURES=run,cranelift,component-model,parallel-compilation
# The newest one also has WASI 0.3.
readonly WASMTIME_TARGET=$ROOT/wasmtime-$WASMTIME-async

list() {
  echo "wasmtime-lts $ROOT/wasmtime-$WASMTIME_LTS/bin/wasmtime"
  echo "wasmtime $WASMTIME_TARGET/bin/wasmtime"
  echo "wazero $ROOT/wazero-$WAZERO/bin/wazero"
  echo "jco $ROOT/jco-$JCO/node_modules/@bytecodealliance/jco"
}

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "$@"
  exit 1
}

# newer_or_equal A B: is version A at least B?
newer_or_equal() {
  [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

# run_long NAME COMMAND...: runs it with its output in a log, says every half minute that it goes on, and shows the end of
# the log when it fails. The log is kept then, beside the runtimes, until the next attempt.
run_long() {
  local name=$1 log status=0 began=$SECONDS told=$SECONDS
  shift
  log="$ROOT/${name// /-}.log"
  "$@" >"$log" 2>&1 </dev/null &
  child=$!
  while kill -0 "$child" 2>/dev/null; do
    sleep 1
    if [ $((SECONDS - told)) -ge 30 ]; then
      told=$SECONDS
      say "  $name: $((SECONDS - began)) s; $(grep -cE '^ +Compiling ' "$log" || true) crates so far"
    fi
  done
  wait "$child" || status=$?
  child=
  if [ "$status" -ne 0 ]; then
    tail -n 30 "$log" >&2
    fail "$name could not be installed (status $status); all of its output is in $log"
  fi
  rm -f "$log"
  say "  $name: done after $((SECONDS - began)) s"
}

# The Rust toolchain for a least version: prints "+TOOLCHAIN", or nothing for the default one.
rust_toolchain() {
  local version
  version=$(cargo --version | cut -d ' ' -f 2)
  if newer_or_equal "$version" "$1"; then return; fi
  if ! command -v rustup >/dev/null; then
    fail "wasmtime $WASMTIME needs Rust $1, and this is $version: install a newer one (https://rustup.rs/)"
  fi
  if ! rustup run "$RUST_TOOLCHAIN" cargo --version >/dev/null 2>&1; then
    say "  Rust $version is too old for wasmtime $WASMTIME: installing $RUST_TOOLCHAIN beside it"
    run_long "Rust $RUST_TOOLCHAIN" rustup toolchain install "$RUST_TOOLCHAIN" --profile minimal
  fi
  echo "+$RUST_TOOLCHAIN"
}

# is_version PATH VERSION: is it there, and what its path says? Another one would pass for it, and fail tests.
is_version() {
  [[ " $("$1" --version 2>/dev/null) " == *" $2 "* ]]
}

# install_wasmtime VERSION LEAST_RUST TARGET FEATURES
install_wasmtime() {
  local version=$1 target=$3 toolchain
  if is_version "$target/bin/wasmtime" "$version"; then return; fi
  if ! command -v cargo >/dev/null; then
    fail "wasmtime $version is missing, and there is no cargo to build it: install Rust (https://rustup.rs/) and a C compiler"
  fi
  toolchain=$(rust_toolchain "$2")
  say "wasmtime $version: building it into $target (about ten minutes)"
  run_long "wasmtime $version" cargo ${toolchain:+"$toolchain"} install wasmtime-cli --version "$version" --locked --force \
    --no-default-features --features "$4" --root "$target"
}

install_wazero() {
  local target=$ROOT/wazero-$WAZERO
  if [ -x "$target/bin/wazero" ]; then return; fi
  if ! command -v go >/dev/null; then
    fail "wazero $WAZERO is missing, and there is no Go to build it: install Go 1.25 or later (https://go.dev/dl/)"
  fi
  say "wazero $WAZERO: building it into $target"
  GOBIN=$target/bin run_long "wazero $WAZERO" go install "github.com/tetratelabs/wazero/cmd/wazero@v$WAZERO"
}

install_jco() {
  local target=$ROOT/jco-$JCO
  if [ -d "$target/node_modules/@bytecodealliance/jco" ]; then return; fi
  if ! command -v npm >/dev/null; then
    fail "jco $JCO is missing, and there is no npm to install it: install Node (https://nodejs.org/)"
  fi
  say "jco $JCO: installing it into $target"
  mkdir -p "$target"
  run_long "jco $JCO" npm install --prefix "$target" --no-audit --no-fund "@bytecodealliance/jco@$JCO"
}

# A runtime that does not start is as good as none.
check() {
  local name path
  while read -r name path; do
    case $name in
      jco) [ -f "$path/package.json" ] || fail "$path is not whole: remove it, and start this again" ;;
      wazero) "$path" version >/dev/null || fail "$path does not run: remove it, and start this again" ;;
      *) "$path" --version >/dev/null || fail "$path does not run: remove it, and start this again" ;;
    esac
  done < <(list)
}

child=
trap 'if [ -n "$child" ]; then kill "$child" 2>/dev/null || true; fi' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

case ${1-} in
  --list) list ;;
  "")
    mkdir -p "$ROOT"
    install_wazero
    install_jco
    install_wasmtime "$WASMTIME_LTS" 1.86 "$ROOT/wasmtime-$WASMTIME_LTS" "$WASMTIME_FEATURES"
    install_wasmtime "$WASMTIME" "$RUST_LEAST" "$WASMTIME_TARGET" "$WASMTIME_FEATURES,component-model-async"
    check
    list
    ;;
  *) fail "usage: scripts/install-runtimes.sh [--list]" ;;
esac
