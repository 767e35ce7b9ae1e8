#!/bin/sh
# Sets up this checkout: sh tools/setup.sh [dependencies] [bundle] [sandbox]
#
# dependencies  checks Node; `npm ci` when node_modules is missing, half done, older than the lock, or for another Node
# bundle        builds the spawn server, where there is a C compiler, and dist/ with esbuild
# sandbox       installs bubblewrap through apt-get where that is possible, once; never fails
#
# Says on stderr what takes time, and nothing when there is nothing to do. Several at once wait for each other.

set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"
say() { printf 'begat: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

supported_node="Node $(sed -n 's/^ *"node": "\(.*\)"$/\1/p' package.json)"
state=.begat/setup
lock=$state/lock

# A symlink, since making one is atomic together with what it says: the process that holds the lock.
take_lock() {
  mkdir -p "$state" 2> /dev/null || fail "cannot write to $root, where dependencies and the bundle are kept"
  waiting=
  while ! ln -s "$$" "$lock" 2> /dev/null; do
    [ -w "$state" ] || fail "cannot write to $root/$state, and this checkout has to be set up"
    holder=$(readlink "$lock") || continue
    if ! kill -0 "$holder" 2> /dev/null && [ ! -e "/proc/$holder" ]; then
      # Of several that find it abandoned, one wins the rename. A rename that caught a fresh lock puts it back.
      mv "$lock" "$state/abandoned-$$" 2> /dev/null || continue
      if [ "$(readlink "$state/abandoned-$$")" != "$holder" ]; then
        mv -n "$state/abandoned-$$" "$lock"
      else
        rm -f "$state/abandoned-$$"
      fi
      continue
    fi
    [ -n "$waiting" ] || say "waiting for process $holder, which is setting up this checkout"
    waiting=yes
    sleep 0.2 2> /dev/null || sleep 1
  done
  trap 'rm -f "$lock"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

check_node() {
  node=$(command -v node) || fail "node is not on PATH; begat needs $supported_node"
  # One start answers everything: is it supported, its version, its ABI, where its own headers are.
  facts=$("$node" tools/node-facts.cjs 2> /dev/null) ||
    fail "$node ($("$node" --version 2> /dev/null || echo 'does not run')) is too old; begat needs $supported_node"
  read -r support version abi headers << FACTS
$facts
FACTS
  [ "$support" = supported ] || fail "$node is version $version; begat needs $supported_node"
}

# What node_modules was installed from, in one line.
wanted() { printf '%s %s\n' "$abi" "$(cksum < package-lock.json)"; }

dependencies_are_there() {
  [ -f node_modules/.package-lock.json ] || return 1
  if [ -f node_modules/.begat-setup ]; then
    [ "$(cat node_modules/.begat-setup)" = "$(wanted)" ] || return 1
    return 0
  fi
  # Somebody ran npm by hand: good if it came after the lock and the one native module loads.
  [ ! package-lock.json -nt node_modules/.package-lock.json ] || return 1
  "$node" -e 'new (require("better-sqlite3"))(":memory:")' 2> /dev/null || return 1
  wanted > node_modules/.begat-setup
}

install_dependencies() {
  npm=$(command -v npm) || fail 'npm is not on PATH; it comes with Node, or as the package npm'
  missing=
  for tool in make g++ python3; do command -v "$tool" > /dev/null || missing="$missing $tool"; done
  [ -z "$missing" ] || say "better-sqlite3 may have to be compiled, and these are not on PATH:$missing"
  say 'installing dependencies with npm ci; better-sqlite3 is compiled if no ready build is reachable (1 to 2 minutes)'
  # Headers that lie beside this node are the right ones; without them node-gyp downloads what it already has.
  if [ -n "$headers" ]; then
    npm_config_nodedir=$headers
    export npm_config_nodedir
  fi
  # Names of both kinds that npm sets for its scripts would reach the inner npm as settings of ours.
  unset npm_config_prefix npm_config_local_prefix
  "$npm" ci --no-audit --no-fund --loglevel=error >&2 || fail 'npm ci did not end well; see its messages above'
  wanted > node_modules/.begat-setup
}

build_bundle() {
  [ -x "$node" ] || check_node
  mkdir -p dist
  # Taken before reading the sources: a file changed while we build is newer than the stamp.
  printf '%s\n' "$node" > "dist/.stamp.$$"
  sh native/build.sh
  said=$("$node" tools/bundle.mjs 2>&1) || {
    rm -f "dist/.stamp.$$"
    printf '%s\n' "$said" >&2
    fail 'the bundle cannot be built'
  }
  mv "dist/.stamp.$$" dist/stamp
}

bundle_is_current() {
  [ -f dist/stamp ] && [ -f dist/begat.cjs ] && [ "$(cat dist/stamp)" = "$node" ] && [ ! "$node" -nt dist/stamp ] &&
    [ ! package-lock.json -nt dist/stamp ] &&
    [ -z "$(find src package.json tools native -newer dist/stamp ! -name '.*' -print -quit)" ]
}

# Every apt-get is bounded: a machine without a network must not make a build wait for minutes.
apt() {
  set -- apt-get -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 \
    -o DPkg::Lock::Timeout=60 "$@"
  if command -v timeout > /dev/null; then set -- timeout 300 "$@"; fi
  DEBIAN_FRONTEND=noninteractive "$@" > /dev/null 2>> "$state/apt.log" < /dev/null
}

install_sandbox() {
  command -v bwrap > /dev/null && return 0
  lower='isolation will be lower until it is there (begat doctor says more)'
  : > "$state/sandbox-tried"
  if ! command -v apt-get > /dev/null; then
    say "bubblewrap (bwrap) is not on PATH, and this machine has no apt-get to install it; $lower"
  elif [ "$(id -u)" != 0 ]; then
    say "bubblewrap (bwrap) is not on PATH; install it with: sudo apt-get install bubblewrap; $lower"
  else
    say 'installing bubblewrap, which isolates what a build runs, through apt-get'
    apt install -y --no-install-recommends bubblewrap || {
      apt update && apt install -y --no-install-recommends bubblewrap
    } || true
    command -v bwrap > /dev/null || say "bubblewrap could not be installed ($state/apt.log says why); $lower"
  fi
}

node=
take_lock
for step in "$@"; do
  case $step in
    dependencies)
      check_node
      dependencies_are_there || install_dependencies
      ;;
    bundle)
      [ -n "$node" ] || check_node
      bundle_is_current || build_bundle
      ;;
    sandbox) install_sandbox ;;
    *) fail "unknown step $step; the steps are: dependencies bundle sandbox" ;;
  esac
done
