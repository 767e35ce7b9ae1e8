import fc from "fast-check";
import { expect, test } from "vitest";
import { compareUtf8 } from "../../src/base/index.ts";

const aText = fc
  .string({
    unit: fc.oneof(
      fc.constantFrom(
        "a",
        "b",
        "/",
        "\u007f",
        "\u0080",
        "\u07ff",
        "\u0800",
        "\ud7ff",
        "\ue000",
        "\uffff",
        "\u{10000}",
        "\u{10ffff}",
      ),
      fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
    ),
    maxLength: 6,
  })
  .filter((text) => text.isWellFormed());

test("strings are ordered as their UTF-8 bytes are", () => {
  fc.assert(
    fc.property(aText, aText, (a, b) => {
      expect(Math.sign(compareUtf8(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
    { numRuns: 2000 },
  );
});

test.each([
  ["a", "a/b", -1],
  ["a-b", "a/b", -1],
  ["a/b", "a0", -1],
  ["\uffff", "\u{10000}", -1],
  ["\u{10000}", "\ue000", 1],
  ["\u{1f600}", "\u{1f601}", -1],
  ["", "", 0],
])("%j and %j: %i", (a, b, order) => expect(Math.sign(compareUtf8(a, b))).toBe(order));

test("sorting with it is sorting bytes", () => {
  fc.assert(
    fc.property(fc.array(aText, { maxLength: 12 }), (texts) => {
      const bytes = texts.map((text) => Buffer.from(text)).sort(Buffer.compare);
      expect([...texts].sort(compareUtf8)).toEqual(bytes.map(String));
    }),
  );
});
