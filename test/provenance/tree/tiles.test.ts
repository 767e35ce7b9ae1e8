import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { entriesOfBundle, entriesPath, entryBundle, tilePath, tilesOf } from "../../../src/provenance/index.ts";

describe("tiles", () => {
  test.each([
    [{ level: 0, index: 0, width: 256 }, "tile/0/000"],
    [{ level: 0, index: 0, width: 1 }, "tile/0/000.p/1"],
    [{ level: 3, index: 999, width: 256 }, "tile/3/999"],
    [{ level: 1, index: 1000, width: 17 }, "tile/1/x001/000.p/17"],
    [{ level: 0, index: 1_234_067, width: 256 }, "tile/0/x001/x234/067"],
    [{ level: 0, index: 5_000_000_001, width: 256 }, "tile/0/x005/x000/x000/001"],
  ])("%j is %s", (tile, path) => {
    expect(tilePath(tile)).toBe(path);
    expect(entriesPath(tile.index, tile.width)).toBe(path.replace(/^tile\/\d/, "tile/entries"));
  });

  test.each([
    [0, []],
    [1, ["tile/0/000.p/1"]],
    [255, ["tile/0/000.p/255"]],
    [256, ["tile/0/000", "tile/1/000.p/1"]],
    [257, ["tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1"]],
    [70_000, [...Array.from({ length: 273 }, (_, i) => `tile/0/${String(i).padStart(3, "0")}`)]],
  ])("of %i leaves are known", (size, paths) => {
    const made = tilesOf(size).map(tilePath);
    expect(size === 70_000 ? made.slice(0, 273) : made).toEqual(paths);
    if (size === 70_000)
      expect(made.slice(273)).toEqual(["tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"]);
  });

  test("of a longer tree are those of a shorter one and what it adds", () => {
    const sizes = fc.tuple(fc.nat(200_000), fc.nat(200_000));
    fc.assert(
      fc.property(sizes, ([a, b]) => {
        const [before, size] = a < b ? [a, b] : [b, a];
        const added = tilesOf(size, before).map(tilePath);
        const had = new Set(tilesOf(before).map(tilePath));
        expect(added).toEqual(
          tilesOf(size)
            .map(tilePath)
            .filter((path) => !had.has(path)),
        );
      }),
      { numRuns: 50 },
    );
  });
});

describe("an entry bundle", () => {
  test("gives back its entries, and nothing when it is cut anywhere", () => {
    const entry = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 5 }), (entries) => {
        const bundle = entryBundle(entries);
        expect(entriesOfBundle(bundle)).toEqual(entries);
        const ends = new Set<number>([0]);
        for (const { length } of entries) ends.add(Math.max(...ends) + 2 + length);
        for (let cut = 0; cut < bundle.length; cut++) {
          expect(entriesOfBundle(bundle.subarray(0, cut)) !== undefined).toBe(ends.has(cut));
        }
      }),
      { numRuns: 50 },
    );
  });

  test("holds entries of 65,535 bytes and no longer ones", () => {
    expect(entriesOfBundle(entryBundle([new Uint8Array(65_535)]))?.[0]?.length).toBe(65_535);
    expect(() => entryBundle([new Uint8Array(65_536)])).toThrow(RangeError);
  });
});
