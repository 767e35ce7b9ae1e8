import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalJson, type Sha256, sha256 } from "../../src/base/index.ts";
import { artifactManifest, artifactManifests, type LedgerRecord, takeListBack } from "../../src/provenance/index.ts";

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

/** Artifacts named `out/NUMBER`, each with a hash of its own. */
function columnsOf(numbers: readonly number[], hashOf = (number: number) => sha256(`${number}`)) {
  const names = numbers.map((number) => Buffer.from(`out/${number}`));
  const offsets = new Uint32Array(names.length + 1);
  names.forEach((name, i) => {
    offsets[i + 1] = (offsets[i] as number) + name.length;
  });
  const hashes = Buffer.concat(numbers.map((number) => Buffer.from(hashOf(number), "hex")));
  return { ids: Uint32Array.from(numbers.keys()), paths: { bytes: Buffer.concat(names), offsets }, hashes };
}

test("a long list stands in parts, which together are the list, and of which a change or an addition moves few", () => {
  const numbers = Array.from({ length: 20_000 }, (_, i) => i);
  const { list, parts } = artifactManifests(columnsOf(numbers));
  expect(JSON.parse(list.bytes.toString())).toEqual({ parts: parts.map(({ hash }) => hash) });
  expect(parts.flatMap(({ bytes }) => JSON.parse(bytes.toString()))).toEqual(
    numbers.map((number) => ({ d: sha256(`${number}`), p: `out/${number}` })),
  );
  expect(parts.length).toBeGreaterThan(20);
  expect(parts.length).toBeLessThan(400);

  const known = new Set(parts.map(({ hash }) => hash));
  const news = (columns: ReturnType<typeof columnsOf>) =>
    artifactManifests(columns).parts.filter(({ hash }) => !known.has(hash)).length;
  expect(news(columnsOf(numbers, (number) => sha256(number === 777 ? "changed" : `${number}`)))).toBe(1);
  expect(news(columnsOf([...numbers.slice(0, 5_000), 1e6, ...numbers.slice(5_000)]))).toBeLessThanOrEqual(2);
  expect(news(columnsOf(numbers.filter((number) => number !== 12_345)))).toBeLessThanOrEqual(2);
});

test("up to 512 artifacts are one list", () => {
  const columns = columnsOf(Array.from({ length: 512 }, (_, i) => i));
  expect(artifactManifests(columns)).toEqual({ list: artifactManifest(columns), parts: [] });
});

test("a record's list is put together from its parts, and is no list where one of them is gone, or another's", () => {
  const { list, parts } = artifactManifests(columnsOf(Array.from({ length: 1_000 }, (_, i) => i)));
  const kept = new Map([...parts, list].map(({ hash, bytes }) => [hash, bytes as Buffer]));
  const record = { seq: 7, kind: "build.end", artifacts: [], more: { n: 1_000, root: list.hash } };
  const back = () => takeListBack(record as unknown as LedgerRecord, (hash) => kept.get(hash));
  expect(back()).toMatchObject({ artifacts: { length: 1_000, 999: { d: sha256("999"), p: "out/999" } } });
  const [first, second] = parts.map(({ hash }) => hash);
  kept.set(first as Sha256, kept.get(second as Sha256) as Buffer);
  expect(back).toThrow(`record 7: manifest ${list.hash} is not a list of 1000`);
  kept.delete(first as Sha256);
  expect(back).toThrow(`record 7: manifest ${list.hash} is not a list of 1000`);
});
