import { createHash } from "node:crypto";
import { sha256 as oracle } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BegatError,
  codeOf,
  digestOf,
  EMPTY_DIGEST,
  explain,
  hintOf,
  InvariantViolation,
  invariant,
  isAtLeast,
  parseIsolationLevel,
  parseSha256,
  sha256,
  sha256Of,
  shortHash,
} from "../../src/base/index.ts";

describe("digests", () => {
  test("are SHA-256, as somebody else computes it", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(sha256(bytes)).toBe(Buffer.from(oracle(bytes)).toString("hex"));
        expect(digestOf(bytes)).toEqual({ hash: sha256(bytes), sizeBytes: bytes.length });
      }),
    );
  });

  test("of a string are those of its UTF-8", () => {
    for (const text of ["", "abc", "žluťoučký \u{1f980}"]) {
      expect(digestOf(text)).toEqual(digestOf(Buffer.from(text)));
      expect(sha256(text)).toBe(createHash("sha256").update(text, "utf8").digest("hex"));
    }
  });

  test("of a part of a buffer are of that part", () => {
    const whole = Buffer.from("xxabcxx");
    expect(sha256(whole.subarray(2, 5))).toBe(sha256("abc"));
  });

  test("of pieces are those of the whole", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (pieces) => {
        expect(sha256Of(...pieces)).toBe(sha256(Buffer.concat(pieces.map((piece) => Buffer.from(piece)))));
      }),
    );
  });

  test("nothing has the digest of nothing", () => {
    expect(EMPTY_DIGEST).toEqual({
      hash: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      sizeBytes: 0,
    });
    expect(shortHash(EMPTY_DIGEST.hash)).toBe("e3b0c44298fc");
  });

  test.each([
    ["one digit short", "a".repeat(63)],
    ["one too many", "a".repeat(65)],
    ["upper case", "A".repeat(64)],
    ["a newline behind", `${"a".repeat(64)}\n`],
    ["no digit", "g".repeat(64)],
    ["no string", 5],
    ["nothing", undefined],
  ])("%s is no SHA-256", (_, text) => expect(parseSha256(text)).toBe(undefined));
  test("64 digits are", () => expect(parseSha256("0".repeat(64))).toBe("0".repeat(64)));
});

describe("isolation", () => {
  const ORDER = ["none", "contained", "hermetic"] as const;
  test("is at least as good as what is not better", () => {
    for (const [i, have] of ORDER.entries())
      for (const [j, want] of ORDER.entries()) expect(isAtLeast(have, want)).toBe(i >= j);
  });
  test("has three names", () => {
    for (const level of ORDER) expect(parseIsolationLevel(level)).toBe(level);
    expect(parseIsolationLevel("Hermetic")).toBe(undefined);
  });
});

describe("errors", () => {
  class Sad extends BegatError<"SAD" | "SADDER"> {}
  const inner = new Sad("SADDER", "blob ab12 is missing", { hint: "look elsewhere" });
  const outer = new Sad("SAD", "cannot run cc", { cause: new Error("image is not there", { cause: inner }) });

  test("are told on one line, outermost first", () => {
    expect(explain(outer)).toBe("cannot run cc: image is not there: blob ab12 is missing");
    expect(explain("text")).toBe("text");
    expect(outer.name).toBe("Sad");
  });
  test("give the first code and the first hint on the way down", () => {
    expect([codeOf(outer), hintOf(outer)]).toEqual(["SAD", "look elsewhere"]);
    expect([codeOf(new Error("x")), hintOf(undefined)]).toEqual([undefined, undefined]);
  });
  test("an invariant that holds costs nothing, one that does not stops begat", () => {
    invariant(true, () => {
      throw new Error("not asked for");
    });
    expect(() => invariant(false, () => "3 is below 4")).toThrow(InvariantViolation);
    expect(() => invariant(0, "3 is below 4")).toThrow("internal error: 3 is below 4");
  });
});
