/** A file with every form of the language; the manual's own example begins with it. */
export const EXAMPLE = `# Everything the language has.
include "toolchain.begat"
< more.begat

var SRCS   = glob("src/*.c")
var CFLAGS ?= [ -O2 -Wall -std=c99 -DNAME="two words" ]
var ODD = without([ a b c ] b)   # trailing comment
var HERE = [ basename($SRCS) dirname("a/b") env("HOME" "/") read("VERSION") ]

image cc {                              # a root file system
    deb  [ gcc libc6-dev dash coreutils ]
    link [ /usr/bin/cc=gcc /bin/sh=dash ]
}
image ready = oci("images/base@sha256:00")
source lua { deb-src "lua5.4" }

dictum compile(src) {
    image  cc
    import [ CFLAGS ]
    in     [ $src include/*.h ]
    out    [ \${src:src/%.c=obj/%.o} ]
    exec   [[
        cc $CFLAGS -c $src -o $out

        if true; then
            echo "]] is not an end here"
        fi
    ]]
}
dictum version { attr[volatile] in [ VERSION ] up[ VERSION ] exec [[[ echo "VERSION=$(cat VERSION)" >> "$BEGAT_UP" ]]] }
dictum bind {
    image  cc
    import [ VERSION ]
    in     [ \${SRCS:src/%.c=obj/%.o} ]
    out    [ prog docs/ ]
    down   [ MODE=fast LIST=[ a b ] ]
    attr [ nocache exclusive fixpoint=3 ]
    tools [ ld ]
    timeout 90s
    resources [ cpu=2 memory=512M ]
    network none
    exec[bash -eu] [[
        cc -DV="$VERSION" $in -o prog
    ]]
}
func each(a b) {
    # within
    var LOCAL = "$a-$b"
    run other($LOCAL [ x $a ])
}
dictum other(x y) { out [ $x ] exec [[[ touch "$out" ]]] }
apply(compile $SRCS)
run version
run bind()
each(one
     two)
cd sub {
    mount("third" "ro" "$lua")
    run other(x "two words")
}
group all = [ prog docs/ ]
`;

export const EXAMPLE_FILES = {
  "toolchain.begat": "",
  "more.begat": "",
  VERSION: "1.2\n",
  "src/a.c": "",
  "src/b.c": "",
  "include/a.h": "",
};
