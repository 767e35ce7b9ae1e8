import { describe, expect, test } from "vitest";
import type { FileAccess } from "../../src/executor/index.ts";
import { type Surroundings, suspectsAmong } from "../../src/scheduler/explain-failure.ts";

const inside = (path: string, found = false): FileAccess => ({ path, isInside: true, how: "open", found });
const outside = (path: string, found = false): FileAccess => ({ path, isInside: false, how: "look", found });

function around(changes: Partial<Surroundings> = {}): Surroundings {
  const makers = new Map([["obj/x.o", "compile(x)"]]);
  return {
    root: "/w",
    isFile: (path) => path.endsWith(".h"),
    makersOf: (paths) => new Map([...makers].filter(([path]) => paths.has(path))),
    isDeclared: (path) => path === "declared.h",
    printed: "",
    ...changes,
  };
}

describe("what a failed chore lacked", () => {
  const file = (path: string) => ({ kind: "file", path });
  const cases: readonly (readonly [what: string, accesses: FileAccess[], paths: object[]])[] = [
    ["a file of the checkout", [inside("a.h")], [file("a.h")]],
    ["nothing that was found", [inside("a.h", true)], []],
    ["nothing that is declared", [inside("declared.h")], []],
    ["nothing that is nowhere", [inside("a.gch")], []],
    ["nothing of begat's own", [inside(".begat/x.h")], []],
    ["an output of another chore", [inside("obj/x.o")], [{ kind: "output", path: "obj/x.o", madeBy: "compile(x)" }]],
    ["a file by its full name", [outside("/w/a.h")], [file("a.h")]],
    ["a file by its full name that no sandbox hid", [outside("/w/a.h", true)], [file("a.h")]],
    ["no file next to the checkout", [outside("/wide/a.h")], []],
    ["a file once, the last first", [inside("a.h"), inside("b.h"), outside("/w/a.h")], [file("a.h"), file("b.h")]],
  ];
  test.each(cases)("%s", (_what, accesses, paths) => {
    expect(suspectsAmong(accesses, around()).paths).toEqual(paths);
  });

  test("begins with what the recipe complained of, named as a word of its own", () => {
    const accesses = [inside("a.h"), inside("inc/b.h"), inside("ab.h"), inside("c.h")];
    const printed = "x.c:1:10: fatal error: b.h: No such file or directory\n";
    expect(suspectsAmong(accesses, around({ printed })).paths.map(({ path }) => path)).toEqual([
      "inc/b.h",
      "c.h",
      "ab.h",
      "a.h",
    ]);
  });

  const foreign: readonly (readonly [what: string, accesses: FileAccess[], printed: string, paths: string[]])[] = [
    [
      "a program, once",
      [outside("/usr/local/bin/bison"), outside("/usr/bin/bison"), outside("/bin/bison")],
      "sh: 1: bison: not found",
      ["/usr/bin/bison"],
    ],
    ["no program found elsewhere", [outside("/usr/local/bin/cc"), outside("/usr/bin/cc", true)], "cc: error", []],
    ["a header that is complained of", [outside("/usr/include/z.h")], "z.h: No such file", ["/usr/include/z.h"]],
    ["no cache that nobody complains of", [outside("/etc/ld.so.preload")], "z.h: No such file", []],
    ["nothing of the kernel's", [outside("/proc/z.h"), outside("/dev/z.h")], "z.h: No such file", []],
  ];
  test.each(foreign)("asks packages for %s", (_what, accesses, printed, paths) => {
    expect(suspectsAmong(accesses, around({ printed })).foreign).toEqual(paths);
  });
});
