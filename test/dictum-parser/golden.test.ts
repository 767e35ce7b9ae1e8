import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { DIAGNOSTIC_CODES, evaluate, renderDiagnostic } from "../../src/dictum-parser/index.ts";
import { FakeEvaluationHost, requestFor } from "../support/fake-evaluation-host.ts";

const GOLDEN = new URL("golden/", import.meta.url);
/** `BEGAT_REWRITE_GOLDEN=1 npx vitest run test/dictum-parser/golden` writes what is said now; read the difference. */
const REWRITE = process.env.BEGAT_REWRITE_GOLDEN === "1";

const WORKSPACE = {
  "src/a.c": "",
  "src/b.c": "",
  "include/a.h": "",
  "bad/fine.txt": "",
  "bad/caf\ufffd.txt": "",
  binary: "a\0b",
  unreadable: undefined,
  "first.begat": 'include "second.begat"\n',
  "second.begat": 'include "first.begat"\n',
  "broken.begat": "dictum helper(x { exec [[[ a ]]] }\nvar = 3\n",
};

/** Said by other tests: what these need cannot stand in a text file. */
const ELSEWHERE = ["PARSE_NOT_UTF8", "PARSE_TOO_DEEP", "EVAL_TOO_LARGE", "EVAL_TOO_MANY", "EVAL_OVERRIDE"];

const names = readdirSync(GOLDEN).filter((name) => name.endsWith(".begat"));
const seen = new Set<string>();

function said(name: string): string {
  const text = readFileSync(new URL(name, GOLDEN));
  const host = new FakeEvaluationHost({ ...WORKSPACE, [name]: text });
  const { diagnostics } = evaluate(requestFor([name]), host, () => {});
  for (const { code } of diagnostics) seen.add(code);
  return diagnostics.map((d) => `${d.code}\n${renderDiagnostic(d, { colour: false })}`).join("\n");
}

describe("diagnostics are, word for word,", () => {
  for (const name of names) {
    test(name, () => {
      const expected = new URL(name.replace(/begat$/, "txt"), GOLDEN);
      const text = said(name);
      if (REWRITE) writeFileSync(expected, text);
      expect(text).toBe(readFileSync(expected, "utf8"));
    });
  }

  test("shown for every code there is", () => {
    for (const name of names) said(name);
    expect(DIAGNOSTIC_CODES.filter((code) => !seen.has(code) && !ELSEWHERE.includes(code))).toEqual([]);
  });
});
