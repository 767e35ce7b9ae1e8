import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseDepfile } from "../../src/scheduler/depfile/parse-depfile.ts";
import { usedInputs } from "../../src/scheduler/depfile/used-inputs.ts";

describe("a depfile", () => {
  test.each<[what: string, text: string, names: readonly string[]]>([
    ["one rule", "a.o: a.c a.h\n", ["a.c", "a.h"]],
    ["continued lines", "a.o: a.c \\\n  include/x.h \\\n\ty.h\n", ["a.c", "include/x.h", "y.h"]],
    ["lines that end in CR LF", "a.o: a.c \\\r\n b.h\r\nc.o: d.h\r\n", ["a.c", "b.h", "d.h"]],
    ["several targets", "a.o a.d: a.c\n", ["a.c"]],
    ["several rules, each file once", "a.o: a.c x.h\nb.o: b.c x.h\n", ["a.c", "x.h", "b.c"]],
    ["rules without prerequisites, as -MP writes them", "a.o: x.h\nx.h:\n", ["x.h"]],
    ["an escaped blank", "a.o: my\\ file.c b\\ c\\ d.h\n", ["my file.c", "b c d.h"]],
    ["backslashes before a blank: two are one", "a.o: x\\\\ y\\\\\\ z\n", ["x\\", "y\\ z"]],
    ["backslashes elsewhere", "a.o: dir\\a.c \\\\host\\b.h\n", ["dir\\a.c", "\\\\host\\b.h"]],
    ["a dollar", "a.o: $$x.h a$$$$b\n", ["$x.h", "a$$b"]],
    ["an escaped hash and colon", "a.o: \\#x.h c\\:d\n", ["#x.h", "c:d"]],
    ["a colon in a prerequisite", "a.o: c:/x.h\n", ["c:/x.h"]],
    ["a target that touches its colon, and one that does not", "a.o:b.c\nx :y\n", ["b.c", "y"]],
    ["comments and empty lines", "# made: by cc\n\na.o: a.c\n", ["a.c"]],
    ["no line's end", "a.o: a.c", ["a.c"]],
    ["nothing read", "a.o:\n", []],
  ])("%s", (_, text, prerequisites) => expect(parseDepfile(text)).toEqual({ ok: true, prerequisites }));

  test.each([
    ["empty", "", 'it has no rule "target: prerequisites"'],
    ["a comment alone", "# a.o: b\n", 'it has no rule "target: prerequisites"'],
    ["no colon", "a.o: x\nfoo bar\n", 'line 2 has no ":" after its targets'],
    ["no colon, after a continued line", "a.o: x \\\n y\nfoo\n", 'line 3 has no ":" after its targets'],
    ["no target", ": a.c\n", 'line 1 has no target before ":"'],
  ])("refused: %s", (_, text, problem) => expect(parseDepfile(text)).toEqual({ ok: false, problem }));

  test("whatever names there are, written as a compiler writes them, are read again", () => {
    const aName = fc
      .string({ unit: fc.constantFrom(..."ab \\#:$./-é"), minLength: 1, maxLength: 12 })
      .filter((name) => !name.endsWith("\\"));
    const written = (name: string): string =>
      name.replaceAll("$", "$$$$").replace(/(\\*)([ #:])/g, (_, run: string, c: string) => `${run}${run}\\${c}`);
    fc.assert(
      fc.property(fc.uniqueArray(aName, { minLength: 1, maxLength: 8 }), (names) => {
        const text = `x y: ${names.map(written).join(" \\\n ")}\n`;
        expect(parseDepfile(text)).toEqual({ ok: true, prerequisites: names });
      }),
    );
  });

  test("any text at all is read to its end", () => {
    const anyText = fc.string({ unit: fc.constantFrom(..."a :\\\n\r\t#$"), maxLength: 60 });
    fc.assert(fc.property(anyText, (text) => void expect(typeof parseDepfile(text).ok).toBe("boolean")));
  });
});

describe("used inputs", () => {
  const sorted = (prerequisites: readonly string[], more: object = {}) => {
    const request = {
      directory: "sub",
      inputs: ["sub/a.c", "include/x.h", "include/y.h", "sub/gen/z.h", ".begat/recipe"].map((path) => ({ path })),
      links: [
        { path: "sub/inc", target: "../include" },
        { path: "loop", target: "loop" },
      ],
      outputs: [
        { path: "sub/a.o", kind: "file" },
        { path: "sub/docs", kind: "tree" },
      ],
      ...more,
    };
    const result = { buildRoot: "/build", undeclared: ["sub/tmp/", "sub/b.i"], ...more };
    const facts = { request, result, checkoutRoot: "/home/u/w", prerequisites, seen: [], ...more };
    return usedInputs(facts as unknown as Parameters<typeof usedInputs>[0]);
  };
  const of = (...used: string[]) => ({ used, undeclared: [] });

  test.each<[what: string, name: string, answer: ReturnType<typeof sorted> | object]>([
    ["from the recipe's directory", "a.c", of("sub/a.c")],
    ["above it", "../include/x.h", of("include/x.h")],
    ["with detours", "./gen/../gen//z.h", of("sub/gen/z.h")],
    ["through a link", "inc/y.h", of("include/y.h")],
    ["absolute, in the build root", "/build/include/x.h", of("include/x.h")],
    ["absolute, in the checkout", "/home/u/w/include/x.h", of("include/x.h")],
    ["of the host", "/usr/include/stdio.h", of()],
    ["out of the workspace", "../../etc/passwd", of()],
    ["a link that leads to itself", "../loop", { used: [], undeclared: ["loop"] }],
    ["an output, or in one", "docs/x", of()],
    ["what the recipe made for itself", "b.i", of()],
    ["in what the recipe made for itself", "tmp/q/r", of()],
    ["begat's own", "../.begat/recipe", of()],
    ["undeclared", "../include/new.h", { used: [], undeclared: ["include/new.h"] }],
    ["undeclared, in the checkout", "/home/u/w/other.h", { used: [], undeclared: ["other.h"] }],
  ])("%s", (_, name, answer) => expect(sorted([name])).toEqual(answer));

  test("what was seen counts too, and is named once", () => {
    expect(sorted(["a.c"], { seen: ["include/y.h", "sub/a.c", "nowhere"] })).toEqual(of("include/y.h", "sub/a.c"));
  });

  test("where more was made than is told, nothing is called undeclared", () => {
    const undeclared = Array.from({ length: 100 }, (_, i) => `sub/made${i}`);
    expect(sorted(["new.h"], { undeclared })).toEqual(of());
  });
});
