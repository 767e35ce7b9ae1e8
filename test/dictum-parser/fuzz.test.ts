import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Diagnostic,
  evaluate,
  formatBegatfile,
  parseBegatfile,
  renderDiagnostic,
} from "../../src/dictum-parser/index.ts";
import { FakeEvaluationHost, requestFor } from "../support/fake-evaluation-host.ts";
import { EXAMPLE, EXAMPLE_FILES } from "./example.ts";
import { aBegatfile } from "./generated.ts";

/** Every place lies in its file, and every diagnostic can be shown. */
function check(text: string, diagnostics: readonly Diagnostic[]): void {
  const lines = text
    .replaceAll("\r\n", "\n")
    .replace(/^\ufeff/, "")
    .split("\n");
  for (const diagnostic of diagnostics) {
    for (const { at } of [diagnostic, ...diagnostic.notes]) {
      if (at.file !== "begatfile") continue;
      const line = lines[at.line - 1];
      expect(line).toBeDefined();
      expect(at.column).toBeGreaterThanOrEqual(1);
      expect(at.column).toBeLessThanOrEqual((line as string).length + 1);
    }
    expect(diagnostic.length).toBeGreaterThanOrEqual(1);
    expect(diagnostic.message).not.toMatch(/^[A-Z]|\[object /);
    expect(renderDiagnostic(diagnostic, { colour: true }).endsWith("\n")).toBe(true);
  }
}

function survives(text: string): void {
  check(text, parseBegatfile(text).diagnostics);
  const result = formatBegatfile(text);
  if (result.ok) expect(formatBegatfile(result.text)).toEqual(result);
  const host = new FakeEvaluationHost({ ...EXAMPLE_FILES, begatfile: Buffer.from(text) });
  const request = requestFor(["begatfile"], { CFLAGS: ["-g"] });
  check(Buffer.from(text).toString(), evaluate(request, host, () => {}).diagnostics);
}

const pieces = [
  "[[",
  "]]",
  "[[[",
  "]]]",
  "{",
  "}",
  "(",
  ")",
  "[",
  "]",
  '"',
  "=",
  "?=",
  "$",
  "${",
  ",",
  "#",
  "\n",
  " ",
  "\\",
  "%",
  ":",
  "<",
];
const words = [
  "var",
  "dictum",
  "func",
  "run",
  "apply",
  "cd",
  "in",
  "out",
  "exec",
  "image",
  "source",
  "group",
  "a",
  "$a",
  "X",
];

test("any text at all is read to its end", () => {
  const aText = fc.oneof(
    fc.string({ unit: "binary", maxLength: 200 }),
    fc
      .array(fc.constantFrom(...pieces, ...words, "\0", "\ufeff", "\r\n"), { maxLength: 80 })
      .map((all) => all.join("")),
    fc.array(fc.constantFrom(...pieces, ...words), { maxLength: 80 }).map((all) => all.join(" ")),
  );
  fc.assert(fc.property(aText, survives), { numRuns: 800 });
});

test("a file with something cut out, put in or doubled is read to its end", () => {
  const base = fc.oneof(fc.constant(EXAMPLE), aBegatfile);
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    cut: fc.nat({ max: 12 }),
    put: fc.oneof(fc.constantFrom("", ...pieces, ...words), fc.string({ maxLength: 4 })),
  });
  fc.assert(
    fc.property(base, fc.array(edit, { minLength: 1, maxLength: 4 }), (text, edits) => {
      let edited = text;
      for (const { at, cut, put } of edits) {
        const from = Math.floor(at * edited.length);
        edited = edited.slice(0, from) + put + edited.slice(from + cut);
      }
      survives(edited);
    }),
    { numRuns: 400 },
  );
});
