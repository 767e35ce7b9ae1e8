import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatBegatfile, parseBegatfile } from "../../src/dictum-parser/index.ts";
import { EXAMPLE } from "./example.ts";
import { aBegatfile } from "./generated.ts";
import { withoutPlaces } from "./without-places.ts";

function formatted(text: string): string {
  const result = formatBegatfile(text);
  if (!result.ok) throw new Error(`not formatted: ${result.diagnostics[0]?.message}`);
  return result.text;
}

describe("the formatter writes", () => {
  const cases: readonly (readonly [name: string, from: string, to: string])[] = [
    ["nothing for nothing", "\n\n", ""],
    ["one blank between words", "var   X=[a   b]", "var X = [ a b ]\n"],
    ["empty lists as []", "var X = [ ]", "var X = []\n"],
    ["no commas", "var X = [a,b]\nf(x,y)", "var X = [ a b ]\nf(x y)\n"],
    ["statements on lines of their own", "run a() run b", "run a()\nrun b\n"],
    ["blocks of one line as they were", "dictum a{in[x] exec[[[ y ]]]}", "dictum a { in [ x ] exec [[[ y ]]] }\n"],
    ["blocks of more lines with indentation", "cd d {\nrun a() run b()}", "cd d {\n    run a()\n    run b()\n}\n"],
    ["lists broken where they were", "var X = [\na\n  b c\n]", "var X = [\n    a\n    b c\n]\n"],
    ["at most one empty line", "\n\nrun a\n\n\n\nrun b\n\n", "run a\n\nrun b\n"],
    ["no empty line at a block's ends", "cd d {\n\nrun a\n\n}", "cd d {\n    run a\n}\n"],
    [
      "comments where they were",
      "# one  \nvar A = a#b\n  # two\nrun b # three",
      "# one\nvar A = a#b\n# two\nrun b # three\n",
    ],
    ["a comment in a list", "var X = [ a # one\n# two\nb ]", "var X = [ a # one\n    # two\n    b ]\n"],
    ["what stands against something so", 'var X = [ -D"a b"=c ]', 'var X = [ -D"a b"=c ]\n'],
    [
      "settings without blanks",
      "dictum a { down [ N = v M= [ x y ] ] exec [[[ z ]]] }",
      "dictum a { down [ N=v M=[ x y ] ] exec [[[ z ]]] }\n",
    ],
    [
      "recipes at their depth",
      "dictum a { exec [[\n  x\n    y\n\n  z\n]]\n}",
      "dictum a {\n    exec [[\n        x\n          y\n\n        z\n    ]]\n}\n",
    ],
    [
      "an inline recipe of more lines as a block",
      "dictum a { exec [[[ x\n  y ]]] }",
      "dictum a {\n    exec [[\n        x\n        y\n    ]]\n}\n",
    ],
    ["headers on one line", "dictum\na\n(x)\n{ exec [[[ y ]]] }", "dictum a(x) { exec [[[ y ]]] }\n"],
  ];
  for (const [name, from, to] of cases) {
    test(name, () => {
      expect(formatted(from)).toBe(to);
      expect(formatted(to)).toBe(to);
    });
  }

  test("nothing where there is a mistake", () => {
    expect(formatBegatfile("var = 1", "x")).toMatchObject({ ok: false, diagnostics: [{ at: { file: "x" } }] });
  });
});

test("formatting the example changes layout only, and only once", () => {
  const once = formatted(EXAMPLE);
  expect(formatted(once)).toBe(once);
  expect(withoutPlaces(parseBegatfile(once).tree)).toEqual(withoutPlaces(parseBegatfile(EXAMPLE).tree));
});

test("formatting changes no meaning, loses no comment, and again changes nothing", () => {
  fc.assert(
    fc.property(aBegatfile, (text) => {
      const { tree, diagnostics } = parseBegatfile(text);
      expect(diagnostics).toEqual([]);
      const once = formatted(text);
      expect(formatted(once)).toBe(once);
      expect(withoutPlaces(parseBegatfile(once).tree)).toEqual(withoutPlaces(tree));
      expect(once.split("#c").length).toBe(text.split("#c").length);
    }),
    { numRuns: 300 },
  );
});
