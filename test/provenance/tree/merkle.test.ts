import { readFileSync } from "node:fs";
import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  base64Of,
  bytesOfHex,
  consistencyPath,
  emptyRoot,
  Frontier,
  hexOf,
  inclusionPath,
  leafHashOf,
  nodeHash,
  rootOf,
  type SubtreeReader,
  subtreesFromTiles,
  verifyConsistency,
  verifyInclusion,
} from "../../../src/provenance/index.ts";

/** Straight from the definition in RFC 6962, by a hash function begat does not use. */
function definedRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return nobleSha256(new Uint8Array(0));
  if (leaves.length === 1) return nobleSha256(Uint8Array.of(0, ...(leaves[0] as Uint8Array)));
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return nobleSha256(Uint8Array.of(1, ...definedRoot(leaves.slice(0, k)), ...definedRoot(leaves.slice(k))));
}

function readerOf(leaves: readonly Uint8Array[]): SubtreeReader {
  return {
    subtree(level, index): Uint8Array {
      if (level === 0) return leaves[index] as Uint8Array;
      return nodeHash(this.subtree(level - 1, 2 * index), this.subtree(level - 1, 2 * index + 1));
    },
  };
}

const CLASSIC = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const CLASSIC_ROOTS = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

const EIGHT = readFileSync(new URL("../golden/eight-leaves.jsonl", import.meta.url), "utf8")
  .trimEnd()
  .split("\n");
const EIGHT_LEAVES = [
  "cd34d85aec087e8e48e81b658e47d7dbbc34142bc069b82702ffd63c1f73b64c",
  "23798d782b2deabd9a9d78853277d7fa74be83faadad27b4dc812a5dc31abe4e",
  "b9324d37a5d9dcebfd07a5df46b9984f7e4cd4205133602f0254adde711d9f48",
  "ca117ae12fd1f729732b521e166f0a40fbf53bacdadcd340cf7ebd777e16bb23",
  "b24a4a542e73870c8614264e9845b421a8e4a6e96b3255c114709b7a7763d2b8",
  "71007a2a3360988e3ad8d7995e47e18c263b8b2f8ceb70e300310aea8cbfb3e7",
  "a00ccd7c9578a6b09d77e91b7ccc10794afd22b997d8bcef824bd1f36e26ca77",
  "2108ea974a93eda3727910f375e36580c362ade7ea41171fb7d933c79c440e36",
];
const EIGHT_ROOTS = [
  "zTTYWuwIfo5I6BtljkfX27w0FCvAabgnAv/WPB9ztkw=",
  "ezcX+wibo3bRolzBSPh2r/TjYxZlFFDco9v/roCZojU=",
  "vXXW8Gk3fp8CF6O/Yha/liAlcnozIlVmU08J0ahj/Qs=",
  "Z+RnhQP6WK1Pu+rtcu2oSiG+rRiLxhUPZja8QQvmTRw=",
  "SFyoFMzRkvw2j9XAdUoV4HXSSzJ15ayv2vhI/9Y9Ppo=",
  "wo7rrOGQ91IU1021oBG4yz+KHpNbIOdiNlBwpL/93JY=",
  "wNo/u87wr1VMIcI+WI9f77kXHmnrz20mSlojBTuUVnY=",
  "etdB8RkQOD87uK/x1p8Fm0IkQkqdN0bPBvGCycEHxcI=",
];

const ENTRIES = Array.from({ length: 70 }, (_, i) => new TextEncoder().encode(`entry ${i}`));
const LEAVES = ENTRIES.map((entry) => leafHashOf(entry));
const READER = readerOf(LEAVES);
const ROOTS = Array.from({ length: LEAVES.length + 1 }, (_, size) => rootOf(size, READER));

describe("the tree of RFC 6962", () => {
  test.each(CLASSIC_ROOTS.map((root, size) => [size, root]))(
    "of %i classic leaves has its known root",
    (size, root) => {
      const leaves = CLASSIC.slice(0, size as number).map((hex) => leafHashOf(bytesOfHex(hex) as Uint8Array));
      expect(hexOf(rootOf(size as number, readerOf(leaves)))).toBe(root);
    },
  );

  test("of eight ledger records has the known leaf hashes, roots and proofs", () => {
    const leaves = EIGHT.map((line) => leafHashOf(new TextEncoder().encode(line)));
    expect(leaves.map(hexOf)).toEqual(EIGHT_LEAVES);
    const reader = readerOf(leaves);
    expect(EIGHT_ROOTS.map((_, i) => base64Of(rootOf(i + 1, reader)))).toEqual(EIGHT_ROOTS);
    expect(inclusionPath(3, 8, reader).map(base64Of)).toEqual([
      "uTJNN6XZ3Ov9B6XfRrmYT35M1CBRM2AvAlSt3nEdn0g=",
      "ezcX+wibo3bRolzBSPh2r/TjYxZlFFDco9v/roCZojU=",
      "LE4RoGgEOX1KVgnCXnv9a3O+H1xxFTCLt1L12X/vMeA=",
    ]);
    expect(inclusionPath(4, 8, reader).map(base64Of)).toEqual([
      "cQB6KjNgmI462NeZXkfhjCY7iy+M63DjADEK6oy/s+c=",
      "zrzqAtQgcnUYH4bNsittxZaKeUSueMxP807zsbKtds0=",
      "Z+RnhQP6WK1Pu+rtcu2oSiG+rRiLxhUPZja8QQvmTRw=",
    ]);
    expect(consistencyPath(5, 8, reader).map(base64Of)).toEqual([
      "skpKVC5zhwyGFCZOmEW0IajkpulrMlXBFHCbendj0rg=",
      "cQB6KjNgmI462NeZXkfhjCY7iy+M63DjADEK6oy/s+c=",
      "zrzqAtQgcnUYH4bNsittxZaKeUSueMxP807zsbKtds0=",
      "Z+RnhQP6WK1Pu+rtcu2oSiG+rRiLxhUPZja8QQvmTRw=",
    ]);
  });

  test("is the one the definition gives, by another implementation of SHA-256", () => {
    for (const [size, root] of ROOTS.entries()) expect(hexOf(root)).toBe(hexOf(definedRoot(ENTRIES.slice(0, size))));
    expect(hexOf(emptyRoot)).toBe(CLASSIC_ROOTS[0]);
  });

  test("grows at its frontier as it is defined, and names each subtree once", () => {
    const frontier = Frontier.empty();
    const done: string[] = [];
    for (const [i, leaf] of LEAVES.entries()) {
      expect(frontier.root()).toEqual(ROOTS[i]);
      expect(Frontier.of(i, READER).root()).toEqual(ROOTS[i]);
      const other = frontier.copy();
      frontier.append(leaf, (level, index, hash) => {
        expect(hash).toEqual(READER.subtree(level, index));
        done.push(`${level}/${index}`);
      });
      expect(other.size).toBe(i);
      expect(other.root()).toEqual(ROOTS[i]);
    }
    expect(done.length).toBe(35 + 17 + 8 + 4 + 2 + 1);
    expect(new Set(done).size).toBe(done.length);
  });

  test("is read from tile rows as from its leaves", () => {
    const tiles = subtreesFromTiles((level, first, count) => (level === 0 ? LEAVES.slice(first, first + count) : []));
    for (const [size, root] of ROOTS.entries()) expect(rootOf(size, tiles)).toEqual(root);
    expect(() => tiles.subtree(3, 8)).toThrow(RangeError);
    expect(() => tiles.subtree(8, 0)).toThrow(RangeError);
  });
});

const flipped = (hash: Uint8Array): Uint8Array => Uint8Array.of((hash[0] as number) ^ 1, ...hash.subarray(1));

/** Each way of spoiling a list of hashes a little. */
function spoiled(path: readonly Uint8Array[]): Uint8Array[][] {
  const ways: Uint8Array[][] = [
    [...path, LEAVES[0] as Uint8Array],
    [LEAVES[0] as Uint8Array, ...path],
  ];
  for (let i = 0; i < path.length; i++) {
    ways.push(path.map((hash, j) => (i === j ? flipped(hash) : hash)));
    ways.push(path.filter((_, j) => j !== i));
    ways.push(path.map((hash, j) => (i === j ? hash.subarray(0, 31) : hash)));
    if (i > 0) ways.push(path.map((hash, j) => path[j === i ? i - 1 : j === i - 1 ? i : j] ?? hash));
  }
  return ways;
}

describe("a proof of inclusion", () => {
  test("holds for every record of every size, and no other index, size, root or leaf fits it", () => {
    for (let size = 1; size < ROOTS.length; size++) {
      for (let index = 0; index < size; index++) {
        const path = inclusionPath(index, size, READER);
        const claim = { leaf: LEAVES[index]!, index, size, path, root: ROOTS[size]! };
        expect(verifyInclusion(claim)).toBe(true);
        for (const wrong of [index - 1, index + 1]) expect(verifyInclusion({ ...claim, index: wrong })).toBe(false);
        expect(verifyInclusion({ ...claim, root: ROOTS[size - 1]! })).toBe(false);
        expect(verifyInclusion({ ...claim, size: size - 1, root: ROOTS[size - 1]! })).toBe(false);
        if (size + 1 < ROOTS.length)
          expect(verifyInclusion({ ...claim, size: size + 1, root: ROOTS[size + 1]! })).toBe(false);
        expect(verifyInclusion({ ...claim, leaf: flipped(claim.leaf) })).toBe(false);
      }
    }
  });

  test("is refused with any hash altered, dropped, added or out of order", () => {
    for (let size = 1; size < ROOTS.length; size++) {
      for (let index = 0; index < size; index++) {
        const claim = { leaf: LEAVES[index]!, index, size, root: ROOTS[size]! };
        for (const path of spoiled(inclusionPath(index, size, READER))) {
          expect(verifyInclusion({ ...claim, path })).toBe(false);
        }
      }
    }
  });

  test("is not given for a record that is not there", () => {
    for (const [index, size] of [
      [0, 0],
      [5, 5],
      [-1, 5],
      [0.5, 5],
      [0, Number.NaN],
    ] as const) {
      expect(() => inclusionPath(index, size, READER)).toThrow(RangeError);
      expect(verifyInclusion({ leaf: LEAVES[0]!, index, size, path: [], root: LEAVES[0]! })).toBe(false);
    }
  });
});

describe("a proof of consistency", () => {
  test("holds between every two sizes, and for no others", () => {
    for (let second = 0; second < ROOTS.length; second++) {
      for (let first = 0; first <= second; first++) {
        const path = consistencyPath(first, second, READER);
        const claim = { first, firstRoot: ROOTS[first]!, second, secondRoot: ROOTS[second]!, path };
        expect(verifyConsistency(claim)).toBe(true);
        if (first > 0) {
          expect(verifyConsistency({ ...claim, firstRoot: flipped(claim.firstRoot) })).toBe(false);
          expect(verifyConsistency({ ...claim, secondRoot: flipped(claim.secondRoot) })).toBe(false);
          expect(verifyConsistency({ ...claim, first: first - 1, firstRoot: ROOTS[first - 1]! })).toBe(
            first - 1 === 0 && path.length === 0,
          );
        }
        if (first + 1 <= second && first > 0) {
          const next = { ...claim, first: first + 1, firstRoot: ROOTS[first + 1]! };
          expect(verifyConsistency(next)).toBe(false);
        }
      }
    }
  });

  test("is refused with any hash altered, dropped, added or out of order", () => {
    for (let second = 1; second < ROOTS.length; second++) {
      for (let first = 0; first <= second; first++) {
        const claim = { first, firstRoot: ROOTS[first]!, second, secondRoot: ROOTS[second]! };
        for (const path of spoiled(consistencyPath(first, second, READER))) {
          expect(verifyConsistency({ ...claim, path })).toBe(false);
        }
      }
    }
  });

  test("never vouches for another history", () => {
    const other = readerOf(LEAVES.map((leaf, i) => (i === 2 ? flipped(leaf) : leaf)));
    for (let second = 4; second < 40; second++) {
      for (let first = 3; first < second; first++) {
        const path = consistencyPath(first, second, other);
        const secondRoot = rootOf(second, other);
        expect(verifyConsistency({ first, firstRoot: ROOTS[first]!, second, secondRoot, path })).toBe(false);
      }
    }
  });

  test("holds in trees of any size", () => {
    const subtrees = new Map<string, Uint8Array>();
    // A tree of equal leaves: every subtree of a level has one hash, so that sizes beyond 2^32 cost nothing.
    const same: SubtreeReader = {
      subtree(level) {
        const key = String(level);
        const hash =
          subtrees.get(key) ??
          (level === 0 ? LEAVES[0]! : nodeHash(same.subtree(level - 1, 0), same.subtree(level - 1, 0)));
        subtrees.set(key, hash);
        return hash;
      },
    };
    const size = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(size, size, (a, b) => {
        const [first, second] = a < b ? [a, b] : [b, a];
        const [firstRoot, secondRoot] = [rootOf(first, same), rootOf(second, same)];
        const path = consistencyPath(first, second, same);
        expect(verifyConsistency({ first, firstRoot, second, secondRoot, path })).toBe(true);
        const included = inclusionPath(first - 1, second, same);
        expect(
          verifyInclusion({ leaf: LEAVES[0]!, index: first - 1, size: second, path: included, root: secondRoot }),
        ).toBe(true);
        expect(Frontier.of(first, same).root()).toEqual(firstRoot);
      }),
      { numRuns: 200 },
    );
  });
});
