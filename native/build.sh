#!/bin/sh
# Builds the spawn server: sh native/build.sh [DIRECTORY]
#
# Into build/native of this checkout, or DIRECTORY. Needs Linux and a C compiler (CC, else cc). Never fails: without the
# program begat uses bubblewrap. Does nothing when what is there is newer than the sources.

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P) || exit 0
to=${1:-$root/build/native}
program=$to/begat-spawn-server
[ "$(uname -s)" = Linux ] || exit 0
if [ -x "$program" ] && [ -z "$(find "$root/native" -newer "$program" -print -quit)" ]; then exit 0; fi
compiler=${CC:-cc}
command -v "$compiler" > /dev/null || exit 0
mkdir -p "$to" 2> /dev/null || exit 0
new=$to/.begat-spawn-server.$$
# Static where the C library can be had so: it starts in half the time.
for static in -static ''; do
  # shellcheck disable=SC2086 # an empty word is no word
  "$compiler" -std=c11 -O2 -Wall -Wextra $static -o "$new" "$root"/native/*.c 2> "$new.log" && break
done
if [ -x "$new" ]; then
  mv "$new" "$program"
else
  printf 'begat: the spawn server was not built, bubblewrap is used instead: %s\n' "$(head -n 1 "$new.log")" >&2
fi
rm -f "$new" "$new.log"
exit 0
