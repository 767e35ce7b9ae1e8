import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  DIAGNOSTIC_CODES,
  FUNCTION_NAMES,
  formatBegatfile,
  parseBegatfile,
  SECTION_WORDS,
  STATEMENT_WORDS,
} from "../../src/dictum-parser/index.ts";

const ROOT = new URL("../../", import.meta.url);
const manual = readFileSync(new URL("docs/begatfile.md", ROOT), "utf8");

describe("the manual", () => {
  test("lists every code, and no other", () => {
    const listed = [...manual.matchAll(/^\| `((?:PARSE|EVAL)_[A-Z0-9_]+)` \|/gm)].map(([, code]) => code);
    expect(listed).toEqual([...DIAGNOSTIC_CODES]);
  });

  test("knows every code that the source uses", () => {
    const room = new URL("src/dictum-parser/", ROOT);
    const used = new Set<string>();
    for (const name of readdirSync(room).filter((file) => file.endsWith(".ts"))) {
      for (const [code] of readFileSync(new URL(name, room), "utf8").matchAll(/(?<=")(?:PARSE|EVAL)_[A-Z0-9_]+(?=")/g))
        used.add(code);
    }
    expect([...used].sort()).toEqual([...DIAGNOSTIC_CODES].sort());
  });

  test("has an example that holds, in the layout of the formatter but for alignment", () => {
    const [, example] = /```\n(include[^`]*)```/.exec(manual) ?? [];
    expect(parseBegatfile(example ?? "").diagnostics).toEqual([]);
    const unaligned = (example ?? "").replace(/(\S) {2,}(?=\S)/g, "$1 ");
    expect(formatBegatfile(example ?? "")).toEqual({ ok: true, text: unaligned });
  });

  test("speaks of every statement, section and function", () => {
    for (const word of [...STATEMENT_WORDS, ...SECTION_WORDS, ...FUNCTION_NAMES]) {
      expect(manual).toMatch(new RegExp(`\`${word}[ ("\\[]`));
    }
  });
});

interface Rule {
  readonly name?: string;
  readonly match?: string;
  readonly begin?: string;
  readonly end?: string;
  readonly captures?: Readonly<Record<string, { readonly name: string }>>;
  readonly include?: string;
  readonly patterns?: readonly Rule[];
}

describe("the grammar for editors", () => {
  const grammar = JSON.parse(readFileSync(new URL("editors/begat.tmLanguage.json", ROOT), "utf8")) as {
    readonly patterns: readonly Rule[];
    readonly repository: Readonly<Record<string, Rule>>;
  };

  function* rulesWithin(rule: Rule): Iterable<Rule> {
    yield rule;
    for (const inner of rule.patterns ?? []) yield* rulesWithin(inner);
  }

  const all = Object.values(grammar.repository).flatMap((rule) => [...rulesWithin(rule)]);

  test("has expressions that compile, and includes that exist", () => {
    for (const { match, begin, end, include } of [...all, ...grammar.patterns]) {
      for (const expression of [match, begin, end]) if (expression !== undefined) new RegExp(expression);
      if (include?.startsWith("#")) expect(Object.keys(grammar.repository)).toContain(include.slice(1));
    }
  });

  /** What the rule calls each text it finds in `line`. */
  function found(rule: string, line: string): string[] {
    const { match, captures } = grammar.repository[rule] as Rule;
    return [...line.matchAll(new RegExp(match ?? "", "g"))].map((hit) =>
      captures === undefined ? hit[0] : `${hit[1]} ${hit[2]}`,
    );
  }

  const cases: readonly (readonly [rule: string, line: string, hits: readonly string[]])[] = [
    ["comment", "var X = a#b # c", ["# c"]],
    ["comment", "# whole line", ["# whole line"]],
    ["definition", "dictum compile(src) {", ["dictum compile"]],
    ["definition", "var CFLAGS ?= [ -O2 ]", ["var CFLAGS"]],
    ["definition", "run bind()", ["run bind"]],
    ["statement", 'include "toolchain.begat"', ["include"]],
    ["statement", "apply(compile $SRCS)", ["apply"]],
    ["statement", "cd sub { run other(x) }", ["cd", "run"]],
    ["statement", "    my-include x", []],
    ["section", "    import [ CFLAGS ]", ["import"]],
    ["section", "dictum v { attr[volatile] in [ V ] up[ V ] exec [[[ x ]]] }", ["attr", "in", "up", "exec"]],
    ["section", "    image  cc", ["image"]],
    ["section", "    in-between [ a ]", []],
    ["function", 'var S = [ glob("*.c") basename($x) globe(x) ]', ["glob", "basename"]],
    ["variable", '$x ${y} ${z:src/%.c=${o}/%.o} "$q"', ["$x", "${y}", "${z:src/%.c=${o}/%.o}", "$q"]],
    ["operator", "var A ?= b", ["?="]],
  ];
  for (const [rule, line, hits] of cases) test(`${rule}: ${line}`, () => expect(found(rule, line)).toEqual(hits));

  test("names every word of the language", () => {
    const text = JSON.stringify(grammar.repository);
    for (const word of [...STATEMENT_WORDS, ...SECTION_WORDS, ...FUNCTION_NAMES])
      expect(text).toMatch(new RegExp(`[(|]${word}[|)]`));
  });
});
