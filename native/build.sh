#!/bin/sh
# Builds begat's native programs: sh native/build.sh [DIRECTORY]
#
# Into build/native of this checkout, or DIRECTORY. Needs Linux and a C compiler (CC, else cc). Never fails: without the
# spawn server begat uses bubblewrap, without the other two there is no warm engine. Does nothing when what is there is
# newer than the sources.

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P) || exit 0
to=${1:-$root/build/native}
[ "$(uname -s)" = Linux ] || exit 0
compiler=${CC:-cc}

# build PROGRAM SOURCE-DIRECTORY WITHOUT-IT
build() {
  program=$to/$1
  if [ -x "$program" ] && [ -z "$(find "$root"/native/build.sh "$root"/native/*.h "$2" -maxdepth 1 -newer "$program" -print -quit)" ]; then
    return
  fi
  command -v "$compiler" > /dev/null || return
  mkdir -p "$to" 2> /dev/null || return
  new=$to/.$1.$$
  # Static where the C library can be had so: it starts in half the time.
  for static in -static ''; do
    # shellcheck disable=SC2086 # an empty word is no word
    "$compiler" -std=c11 -O2 -Wall -Wextra $static -o "$new" "$2"/*.c 2> "$new.log" && break
  done
  if [ -x "$new" ]; then
    mv "$new" "$program"
  else
    # One of other sources may speak another protocol than the rest of begat.
    rm -f "$program"
    printf 'begat: %s was not built, %s: %s\n' "$1" "$3" "$(head -n 1 "$new.log")" >&2
  fi
  rm -f "$new" "$new.log"
}

build begat-spawn-server "$root/native" 'bubblewrap is used instead'
build begat-change-feed "$root/native/feed" 'there is no warm engine'
build begat-client "$root/native/client" 'begat starts as slowly as Node does'
exit 0
