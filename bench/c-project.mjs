// A C project of middling files: each includes a few headers of the project and of the system, and is linked into one.

import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Functions a file has; gcc -O1 takes some 50 ms for one file then. */
const FUNCTIONS = 6;

function header(i) {
  return `#ifndef H${i}_H
#define H${i}_H
#include <stddef.h>
struct record${i} { int key; double weight; char name[${16 + i}]; struct record${i} *next; };
static inline int mix${i}(int a, int b) { return (a * ${31 + i}) ^ (b >> ${1 + (i % 7)}); }
static inline double scale${i}(const struct record${i} *r) { return r->weight * ${i + 1}.5 + r->key; }
#endif
`;
}

function body(file, f, h) {
  return `
static int work${file}_${f}(struct record${h} *r, const char *text, size_t n) {
  int state = ${f + 1};
  for (size_t i = 0; i < n; i++) {
    switch (text[i] & 7) {
      case 0: state = mix${h}(state, text[i]); break;
      case 1: state += (int)scale${h}(r); break;
      case 2: r->key ^= state << ${f % 5}; break;
      case 3: r->weight = r->weight / (state | 1) + ${f}; break;
      default: state -= (int)strlen(r->name) * ${f + 3}; break;
    }
    if (state % ${f + 11} == 0) r->name[(size_t)(state & 15)] = (char)('a' + (state & 15));
  }
  return state + snprintf(r->name, sizeof r->name, "%d-%c", state & 0xff, text[0]);
}
`;
}

function source(file, headers) {
  const included = [0, 1, 2].map((k) => (file * 7 + k * 11) % headers);
  const functions = Array.from({ length: FUNCTIONS }, (_, f) => body(file, f, included[f % 3]));
  const calls = Array.from({ length: FUNCTIONS }, (_, f) => {
    const h = included[f % 3];
    return `  sum += work${file}_${f}(&r${h}, text, n);`;
  });
  const records = [...new Set(included)].map((h) => `  struct record${h} r${h} = { ${h}, 1.0, "r", NULL };`);
  return `#include <stdio.h>
#include <stdlib.h>
#include <string.h>
${[...new Set(included)].map((h) => `#include "h${h}.h"`).join("\n")}
${functions.join("")}
int file${file}(const char *text) {
  size_t n = strlen(text);
  int sum = 0;
${records.join("\n")}
${calls.join("\n")}
  return sum;
}
`;
}

/** Changes a header that a tenth of the files include, in a way that matters. */
export function changeHeader(folder, n) {
  appendFileSync(join(folder, "include/h0.h"), `static const int changed${n} = ${n};\n`);
}

const IMAGE = `image cc {
    deb  [ gcc libc6-dev dash coreutils ]
    link [ /bin/sh=dash ]
}
`;

/**
 * `files` C files and `headers` headers; every compilation is a chore, the program's link one more, and so is the image
 * whose compiler begat uses with `inImage`. ninja uses the host's.
 */
export function cProject(folder, files, headers, inImage = false) {
  const tools = (...names) => (inImage ? "image cc" : `tools [ ${names.join(" ")} ]`);
  for (const name of ["src", "include"]) mkdirSync(join(folder, name), { recursive: true });
  for (let i = 0; i < headers; i++) writeFileSync(join(folder, `include/h${i}.h`), header(i));
  const names = Array.from({ length: files }, (_, i) => `f${i}`);
  for (const [i, name] of names.entries()) writeFileSync(join(folder, `src/${name}.c`), source(i, headers));
  const calls = names.map((_, i) => `int file${i}(const char *text);`).join("\n");
  const sum = names.map((_, i) => `  sum += file${i}(text);`).join("\n");
  writeFileSync(
    join(folder, "src/main.c"),
    `#include <stdio.h>\n${calls}\nint main(int argc, char **argv) {\n  const char *text = argc > 1 ? argv[1] : "text";\n  int sum = 0;\n${sum}\n  printf("%d\\n", sum);\n  return 0;\n}\n`,
  );
  names.push("main");
  writeFileSync(
    join(folder, "begatfile"),
    `${inImage ? IMAGE : ""}var NAMES = [ ${names.join(" ")} ]
dictum compile(name) {
    in [ src/\${name}.c include/*.h ]
    out [ obj/\${name}.o ]
    depfile obj/\${name}.d
    ${tools("gcc", "as")}
    exec [[
        gcc -O1 -Iinclude -MMD -MF "$depfile" -c "src/$name.c" -o "$out"
    ]]
}
dictum link {
    in [ obj/\${NAMES}.o ]
    out [ prog ]
    ${tools("gcc", "ld")}
    exec [[
        gcc -o "$out" $in
    ]]
}
apply(compile $NAMES)
run link()
`,
  );
  const edges = names.map((name) => `build obj/${name}.o: compile src/${name}.c\n`);
  writeFileSync(
    join(folder, "build.ninja"),
    `rule compile
  command = gcc -O1 -Iinclude -MMD -MF $out.d -c $in -o $out
  depfile = $out.d
  deps = gcc
rule link
  command = gcc -o $out $in
${edges.join("")}build prog: link ${names.map((name) => `obj/${name}.o`).join(" ")}
`,
  );
  return { chores: files + (inImage ? 3 : 2), outputs: ["obj", "prog"], leaf: "src/f0.c" };
}
