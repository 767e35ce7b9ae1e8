import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CanonicalValue, canonicalJson, codeOf, parseCanonicalJson } from "../../src/base/index.ts";

const aText = fc.string({ unit: "binary", maxLength: 20 }).filter((text) => text.isWellFormed());
const aKey = fc.stringMatching(/^[A-Za-z0-9._-]{1,8}$/);
const aValue: fc.Arbitrary<CanonicalValue> = fc.letrec<{ value: CanonicalValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    aText,
    fc.maxSafeInteger().map((n) => (Object.is(n, -0) ? 0 : n)),
    fc.boolean(),
    fc.array(tie("value"), { maxLength: 4 }),
    // `__proto__` as a member would be lost in an object literal, which no record has.
    fc.dictionary(
      aKey.filter((key) => key !== "__proto__"),
      tie("value"),
      { maxKeys: 4 },
    ),
  ),
})).value;

/** The same value with the members of every object the other way round. */
function turned(value: CanonicalValue): CanonicalValue {
  if (Array.isArray(value)) return (value as readonly CanonicalValue[]).map(turned);
  if (typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, turned(member as CanonicalValue)]),
  );
}

describe("canonical JSON", () => {
  test("what is written is read as it was, from text and from bytes", () => {
    fc.assert(
      fc.property(aValue, (value) => {
        const text = canonicalJson(value);
        // `toEqual` would take 0 and -0 for one.
        expect(parseCanonicalJson(text)).toEqual(value);
        expect(parseCanonicalJson(Buffer.from(text))).toEqual(value);
      }),
    );
  });

  test("the order members were added in does not matter", () => {
    fc.assert(
      fc.property(aValue, (value) => {
        expect(canonicalJson(turned(value))).toBe(canonicalJson(value));
      }),
    );
  });

  test("is JSON without a blank outside of strings, read alike by JSON.parse", () => {
    fc.assert(
      fc.property(aValue, (value) => {
        const text = canonicalJson(value);
        expect(JSON.parse(text)).toEqual(value);
        expect(text.replaceAll(/"(?:[^"\\]|\\.)*"/g, "")).not.toMatch(/\s/);
      }),
    );
  });

  test("no byte can be changed without being refused or changing the value", () => {
    fc.assert(
      fc.property(aValue, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, place, bits) => {
        const bytes = Buffer.from(canonicalJson(value));
        const at = place % bytes.length;
        bytes.writeUInt8(bytes.readUInt8(at) ^ bits, at);
        let read: CanonicalValue;
        try {
          read = parseCanonicalJson(bytes);
        } catch (error) {
          expect(codeOf(error)).toBe("CANONICAL_JSON_MALFORMED");
          return;
        }
        expect(read).not.toEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    [{ b: 1, a: [true, "x"] }, '{"a":[true,"x"],"b":1}'],
    [{ a: undefined, b: {} }, '{"b":{}}'],
    [[], "[]"],
    ['\u0000\u001f"\\/\u007f\u2028é\u{1f600}', '"\\u0000\\u001f\\"\\\\/\u007f\u2028é\u{1f600}"'],
    [Number.MAX_SAFE_INTEGER, "9007199254740991"],
    [-1, "-1"],
  ] as const)("%j is written %s", (value, text) => expect(canonicalJson(value)).toBe(text));

  test.each([
    ["", "nothing"],
    [" {}", "a blank before"],
    ["{} ", "a blank after"],
    ['{"a": 1}', "a blank within"],
    ['{"b":1,"a":1}', "members out of order"],
    ['{"a":1,"a":1}', "a member twice"],
    ['{"a":null}', "null"],
    ["null", "null alone"],
    ["1.5", "a fraction"],
    ["1.0", "an integer written as a fraction"],
    ["1e3", "an exponent"],
    ["-0", "minus zero"],
    ["9007199254740992", "an integer beyond 2^53-1"],
    ["01", "a leading zero"],
    ['"\\u0041"', "an escape where none is needed"],
    ['"\\/"', "a slash escaped"],
    ['"\\ud800"', "a lone surrogate"],
    ['{"":1}', "an empty name"],
    ['{"a b":1}', "a blank in a name"],
    ['{"ä":1}', "a name that is not ASCII"],
    ["[1,]", "a trailing comma"],
    ["{", "half an object"],
    ["\ufeff{}", "a byte order mark"],
    ["NaN", "no number"],
  ])("%j is refused: %s", (text) => {
    for (const given of [text, Buffer.from(text)]) {
      expect(() => parseCanonicalJson(given)).toThrow(expect.objectContaining({ code: "CANONICAL_JSON_MALFORMED" }));
    }
  });

  test("bytes that are not UTF-8 are refused", () => {
    for (const bad of [
      [0x22, 0xff, 0x22],
      [0x22, 0xc0, 0x80, 0x22],
      [0x22, 0xed, 0xa0, 0x80, 0x22],
    ])
      expect(() => parseCanonicalJson(Uint8Array.from(bad))).toThrow("canonical form");
  });

  test.each([
    ["a lone surrogate", "\ud800"],
    ["a fraction", 0.5],
    ["an integer that is not exact", 2 ** 53],
    ["minus zero", -0],
    ["a name outside the profile", { "a b": 1 }],
  ] as const)("%s cannot be written: begat would be wrong", (_, value) => {
    expect(() => canonicalJson(value)).toThrow(/^internal error: /);
  });
});
