import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalJson, sha256 } from "../../src/base/index.ts";
import { artifactManifest } from "../../src/provenance/index.ts";

test("a list of artifacts as bytes is the canonical JSON of the list", () => {
  const name = fc.string({ unit: "binary", minLength: 1, maxLength: 12 });
  const path = fc
    .oneof(name, fc.constantFrom('a "b"', "c\\d", "é/ü", "\u2028", "😀"))
    .map((text) => text.toWellFormed().replace(/[\0-\x1f\x7f]/g, "_"));
  fc.assert(
    fc.property(fc.array(path, { maxLength: 20 }), fc.array(fc.nat(), { maxLength: 20 }), (names, picks) => {
      const texts = names.map((text) => Buffer.from(text));
      const offsets = Uint32Array.from([0, ...texts.map((_, i) => Buffer.concat(texts.slice(0, i + 1)).length)]);
      const hashes = Buffer.concat(names.map((text, i) => Buffer.from(sha256(`${i}${text}`), "hex")));
      const ids = Uint32Array.from(names.length === 0 ? [] : picks.map((pick) => pick % names.length));
      const { bytes, hash } = artifactManifest({ ids, paths: { bytes: Buffer.concat(texts), offsets }, hashes });
      const list = Array.from(ids, (id) => ({ d: sha256(`${id}${names[id]}`), p: names[id] as string }));
      expect(bytes.toString()).toBe(canonicalJson(list));
      expect(hash).toBe(sha256(bytes));
    }),
    { numRuns: 200 },
  );
});
