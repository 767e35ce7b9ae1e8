#!/bin/sh
# Puts the tools that docs/benchmarks.md compares begat with where `npm run bench -- peers` finds them. None of them is a
# dependency of begat: those of npm go into .begat/bench/peers, the others come from Debian, where this may install them.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
  for package in make ninja-build tup fuse3 bazel-bootstrap nix-bin; do
    # One that this release does not have must not keep the others away.
    apt-get install --yes --no-install-recommends "$package" ||
      echo "install-peers: no $package; its rows will say so" >&2
  done
fi
# None of their install scripts is needed for a build.
npm install --prefix "$root/.begat/bench/peers" --no-save --no-audit --no-fund --ignore-scripts \
  turbo@2.11.11 nx@24.0.6 @moonrepo/cli@2.5.5 wireit@0.14.13
