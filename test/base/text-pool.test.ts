import fc from "fast-check";
import { expect, test } from "vitest";
import { NumberRow, TextPool } from "../../src/base/index.ts";

const aText = fc.oneof(
  fc.string({ unit: fc.constantFrom("a", "b", "é", "马", "\u{1f980}"), maxLength: 4 }),
  fc.string({ unit: "grapheme", maxLength: 30 }),
);

test("a string has one number, the next one free when it is new, and is found by it", () => {
  fc.assert(
    fc.property(fc.array(aText, { maxLength: 400 }), (texts) => {
      const pool = new TextPool();
      const known = new Map<string, number>();
      for (const text of texts) {
        expect(pool.find(text)).toBe(known.get(text));
        if (!known.has(text)) known.set(text, known.size);
        expect(pool.id(text)).toBe(known.get(text));
      }
      expect(pool.count).toBe(known.size);
      const { bytes, offsets } = pool.contents();
      for (const [text, id] of known) {
        expect(pool.at(id)).toBe(text);
        expect(bytes.toString("utf8", offsets[id], offsets[id + 1])).toBe(text);
      }
      expect(offsets.length).toBe(known.size + 1);
      expect(pool.ascii).toBe([...known.keys()].every((text) => /^[\x00-\x7f]*$/.test(text)));
    }),
  );
});

test("a hundred thousand strings, longer than any first guess of its room", () => {
  const pool = new TextPool();
  const text = (i: number): string => `out/layer-${i % 317}/${"x".repeat(i % 23)}${i}`;
  for (let i = 0; i < 100_000; i++) if (pool.id(text(i)) !== i) throw new Error(`string ${i}`);
  for (let i = 0; i < 100_000; i += 997) expect([pool.at(i), pool.find(text(i))]).toEqual([text(i), i]);
  expect(pool.find("out/none")).toBeUndefined();
  expect(() => pool.at(100_000)).toThrow("string 100000 of 100000");
});

test("numbers stay what they were as the row grows", () => {
  const row = new NumberRow();
  for (let i = 0; i < 3000; i++) row.push(i * 7);
  row.set(5, 2 ** 32 - 1);
  const done = row.done();
  expect([done.length, done[5], done[2999], row.at(2998)]).toEqual([3000, 2 ** 32 - 1, 2999 * 7, 2998 * 7]);
});
