import { readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/base/index.ts";
import type { SourceLock } from "../../src/hermetic/index.ts";
import { formatLock as formatFile, parseLock as parseFile, type SourceLocks } from "../../src/hermetic/lock.ts";
import { never, sourceWorkspace } from "./source-workspace.ts";

const formatLock = (sources: SourceLocks) => formatFile({ sources, images: new Map() });
const parseLock = (text: string) => parseFile(text).sources;

const aHash = fc.string().map((text) => sha256(text));
const aFile = fc.record({ name: fc.string(), sha256: aHash, sizeBytes: fc.maxSafeNat() });
const aLock = fc.record({
  name: fc.string(),
  kind: fc.constantFrom("deb-src", "npm", "url", "git" as const),
  words: fc.array(fc.string()),
  version: fc.string(),
  files: fc.array(aFile, { maxLength: 4 }),
  tree: aHash,
}) as fc.Arbitrary<SourceLock>;
const locks = fc
  .uniqueArray(aLock, { selector: ({ name }) => name, maxLength: 5 })
  .map((list) => new Map(list.map((lock) => [lock.name, lock])));

describe("the text of a lock", () => {
  test("reads back as what was written, names like __proto__ included", () => {
    fc.assert(
      fc.property(locks, (set) => {
        expect(sorted(parseLock(formatLock(set)))).toEqual(sorted(set));
      }),
    );
  });

  test("does not depend on the order entries came in", () => {
    fc.assert(
      fc.property(locks, (set) => {
        expect(formatLock(new Map([...set].reverse()))).toBe(formatLock(set));
      }),
    );
  });

  test("with a byte changed is read or refused with a line, and never ends in another error", () => {
    const text = formatLock(new Map([["a", lockOf("a")]]));
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ minLength: 0, maxLength: 2 }), (at, put) => {
        try {
          parseLock(text.slice(0, at) + put + text.slice(at + 1));
        } catch (error) {
          expect(error).toMatchObject({ code: "LOCK_MALFORMED", message: expect.stringMatching(/^begat\.lock:\d+: /) });
        }
      }),
      { numRuns: 1000 },
    );
  });
});

const good = formatLock(new Map([["a", lockOf("a")]]));
const malformed: readonly (readonly [what: string, text: string, message: string])[] = [
  ["nothing", "", "begat.lock:1: expected a value, found the end of the file"],
  ["no JSON", "{\n  sources\n}", 'begat.lock:2: expected a name in quotes, found "sources"'],
  [
    "a comma too many",
    good.replace('"words": [\n        "w"\n', '"words": [\n        "w",\n'),
    'begat.lock:16: expected a value, found "]"',
  ],
  ["text behind it", `${good}{}`, 'begat.lock:21: expected the end of the file, found "{}"'],
  ["another version", good.replace('"version": 1', '"version": 2'), "begat.lock:19: expected version 1"],
  ["no sources", '{"version": 1}', 'begat.lock:1: the lock lacks "sources"'],
  [
    "a digest cut short",
    good.replace(/"tree": "\w+"/, '"tree": "abc"'),
    "begat.lock:12: expected a SHA-256: 64 lower-case hexadecimal digits",
  ],
  [
    "a size with a fraction",
    good.replace('"sizeBytes": 3', '"sizeBytes": 3.5'),
    'begat.lock:8: expected a value, found "3.5"',
  ],
  ["a kind of the future", good.replace('"deb-src"', '"rpm"'), 'begat.lock:11: "rpm" is no kind of source'],
  ["an unknown member", good.replace('"kind"', '"sort"'), 'begat.lock:11: source "a" has no member "sort"'],
  ["a name twice", good.replace('"kind"', '"version"'), 'begat.lock:13: "version" stands twice'],
  ["an open string", good.replace('"deb-src",', '"deb-src,'), "begat.lock:11: a string is not closed on its line"],
  ["deep nesting", `${"[".repeat(50)}`, "begat.lock:1: values are nested more than 16 deep"],
];

describe("a malformed lock", () => {
  for (const [what, text, message] of malformed) {
    test(`is refused with its line: ${what}`, async () => {
      const workspace = sourceWorkspace();
      writeFileSync(`${workspace.root}/begat.lock`, text);
      const refused = workspace.provider().verifySource("a", never);
      await expect(refused).rejects.toMatchObject({ code: "LOCK_MALFORMED", message });
      expect(readFileSync(`${workspace.root}/begat.lock`, "utf8")).toBe(text);
    });
  }

  test("with a merge conflict says so", () => {
    const conflict = good.replace('      "kind"', '<<<<<<< HEAD\n      "kind"');
    expect(() => parseLock(conflict)).toThrow(
      expect.objectContaining({ hint: "the file holds a merge conflict; keep one side of it" }),
    );
  });
});

function lockOf(name: string): SourceLock {
  const files = [{ name: "f", sha256: sha256("f"), sizeBytes: 3 }];
  return { name, kind: "deb-src", words: ["w"], version: "1", files, tree: sha256("t") };
}

function sorted(set: ReadonlyMap<string, SourceLock>): SourceLock[] {
  return [...set.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
