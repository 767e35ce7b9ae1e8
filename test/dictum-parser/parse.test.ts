import { describe, expect, test } from "vitest";
import { type Element, parseBegatfile } from "../../src/dictum-parser/index.ts";
import { EXAMPLE } from "./example.ts";

/** An element in a notation of its own: `a`, `{x}` for a variable, `{x:from=to}`, `'x'` for one in a string. */
function shown(element: Element): string {
  if (element.text !== undefined) return element.text;
  if (element.call !== undefined) {
    return `${element.call.name}(${element.call.args.map((arg) => arg.items.map(shown).join(" ")).join("; ")})`;
  }
  return partsShown(element.parts ?? []);
}

function partsShown(parts: NonNullable<Element["parts"]>): string {
  return parts
    .map((part) => {
      if (part.kind === "literal") return part.text;
      const rewrite = part.from ? `:${partsShown(part.from)}=${partsShown(part.to ?? [])}` : "";
      return part.quoted ? `'${part.name}${rewrite}'` : `{${part.name}${rewrite}}`;
    })
    .join("");
}

function elementsOf(text: string): string[] {
  const { tree, diagnostics } = parseBegatfile(`var X = ${text}\n`);
  expect(diagnostics).toEqual([]);
  const [statement] = tree.statements;
  return statement?.kind === "var" ? statement.value.items.map(shown) : [];
}

describe("a value", () => {
  const cases: readonly (readonly [text: string, elements: readonly string[]])[] = [
    ["a", ["a"]],
    ["[]", []],
    ["[ a b ]", ["a", "b"]],
    ["[a,b , c]", ["a", "b", "c"]],
    ["[\n a # comment ]\n b ]", ["a", "b"]],
    ["a#b", ["a#b"]],
    ["-O2", ["-O2"]],
    ["@scope/pkg+1~2-*", ["@scope/pkg+1~2-*"]],
    ["a:b@sha256:00", ["a:b@sha256:00"]],
    ["-std=c99", ["-std=c99"]],
    ['[ -DX="a b" -DY= ]', ["-DX=a b", "-DY="]],
    ['"a b"', ["a b"]],
    ['""', [""]],
    ['"\\" \\\\ \\n \\t \\$x"', ['" \\ \n \t $x']],
    ["$x", ["{x}"]],
    ["-I$x", ["-I{x}"]],
    ["$x.o", ["{x}.o"]],
    ["${x}y", ["{x}y"]],
    ["$x$y", ["{x}{y}"]],
    ['"$x ${y}"', ["'x' 'y'"]],
    ['a"$x"$x', ["a'x'{x}"]],
    ["${x:src/%.c=obj/%.o}", ["{x:src/%.c=obj/%.o}"]],
    ["${x:=}", ["{x:=}"]],
    ["${x:$d/%.c=${o}/%.o}", ["{x:{d}/%.c={o}/%.o}"]],
    ["lib/${x:%=%}/z", ["lib/{x:%=%}/z"]],
    ['glob("a/*" [ b c ])', ["glob(a/*; b c)"]],
    ["[ a basename(dirname($x)) b ]", ["a", "basename(dirname({x}))", "b"]],
    ["caf\u00e9/\u{1f600}", ["caf\u00e9/\u{1f600}"]],
    ["a?=b", ["a?=b"]],
    ["a?b", ["a?b"]],
  ];
  for (const [text, elements] of cases) {
    test(text, () => expect(elementsOf(text)).toEqual(elements));
  }
});

describe("a recipe", () => {
  const cases: readonly (readonly [name: string, text: string, recipe: string])[] = [
    ["inline", "[[[ cc -c a.c ]]]", "cc -c a.c\n"],
    ["inline with brackets", "[[[ [ -f a ] || x[1] ]]]", "[ -f a ] || x[1]\n"],
    ["inline over lines", "[[[ one\n      two\n        three ]]]", "one\ntwo\n  three\n"],
    ["empty inline", "[[[ ]]]", ""],
    ["block", "[[\n    one\n    two\n]]", "one\ntwo\n"],
    [
      "block with less indentation at its end",
      "[[\n        one\n            two\n\n        three\n  ]]",
      "one\n    two\n\nthree\n",
    ],
    ["block with tabs", "[[\n\tone\n\t\ttwo\n\t]]", "one\n\ttwo\n"],
    ["block of both blanks", "[[\n\tone\n    two\n]]", "\tone\n    two\n"],
    ["block with ]] within a line", "[[\n  [[ -f a ]] && b\n]]", "[[ -f a ]] && b\n"],
    ["block with blank lines around", "[[\n\n  one\n\n]]", "\none\n\n"],
    ["empty block", "[[\n]]", ""],
    ["block of blanks", "[[\n   \n\n]]", ""],
    ["block from a checkout with CRLF", "[[\r\n  one\r\n  two\r\n]]", "one\ntwo\n"],
    ["block with $, # and quotes", "[[\n  # '$x' \"\n]]", "# '$x' \"\n"],
  ];
  for (const [name, text, expected] of cases) {
    test(name, () => {
      const { tree, diagnostics } = parseBegatfile(`dictum a { exec ${text} }\nvar AFTER = 1`);
      expect(diagnostics).toEqual([]);
      const [statement, after] = tree.statements;
      expect(statement?.kind === "dictum" ? statement.sections.recipe?.text : undefined).toBe(expected);
      expect(after?.kind).toBe("var");
    });
  }
});

test("the example parses without a mistake", () => {
  const { tree, diagnostics } = parseBegatfile(EXAMPLE);
  expect(diagnostics).toEqual([]);
  const kinds = tree.statements.map((statement) => statement.kind);
  expect(new Set(kinds).size).toBe(11);
});

test("sections of a list may be said twice and add up", () => {
  const { tree } = parseBegatfile("dictum a { in [ x ] in y in [ z ] exec [[[ a ]]] }");
  const [dictum] = tree.statements;
  expect(dictum?.kind === "dictum" ? dictum.sections.in.map(shown) : []).toEqual(["x", "y", "z"]);
});

test("a byte order mark is no part of the text", () => {
  expect(parseBegatfile("\ufeffvar X = 1\n").diagnostics).toEqual([]);
});

test("deep nesting is a mistake, not a crash", () => {
  for (const text of [
    "cd a { ".repeat(5000),
    `var X = ${"basename(".repeat(5000)}`,
    `var X = ${"${a:".repeat(5000)}`,
  ]) {
    expect(parseBegatfile(text).diagnostics.length).toBeGreaterThan(0);
  }
  const codes = parseBegatfile(`${"cd a { ".repeat(300)}${"}".repeat(300)}`).diagnostics.map(({ code }) => code);
  expect(codes).toEqual(["PARSE_TOO_DEEP"]);
});

test("more mistakes than anyone reads are counted", () => {
  const { diagnostics } = parseBegatfile("run 1/2\n".repeat(500));
  expect(diagnostics).toHaveLength(201);
  expect(diagnostics.at(-1)).toMatchObject({ code: "EVAL_TOO_MANY", message: "300 more mistakes are not shown" });
});
