import { nodeHash, type SubtreeReader } from "./merkle.ts";

/** Static tiles of C2SP tlog-tiles: hashes and entries in files of 256, named so that a web server can give them out. */

export const TILE_HEIGHT = 8;
export const TILE_WIDTH = 256;

export interface Tile {
  /** 0 holds leaf hashes; every level covers 256 times as much. */
  readonly level: number;
  readonly index: number;
  /** Hashes in it: 256, or fewer in the last one of a level. */
  readonly width: number;
}

/** Number `n` as the specification spells it: 1234067 is `x001/x234/067`. */
function tileNumber(n: number): string {
  const groups = [String(n % 1000).padStart(3, "0")];
  for (let rest = Math.floor(n / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    groups.unshift(`x${String(rest % 1000).padStart(3, "0")}`);
  }
  return groups.join("/");
}

const partial = (width: number): string => (width === TILE_WIDTH ? "" : `.p/${width}`);

export function tilePath({ level, index, width }: Tile): string {
  return `tile/${level}/${tileNumber(index)}${partial(width)}`;
}

export function entriesPath(index: number, width: number): string {
  return `tile/entries/${tileNumber(index)}${partial(width)}`;
}

/** Tiles of a tree of `size` leaves that one of `from` leaves does not have, in the order of levels. */
export function tilesOf(size: number, from = 0): Tile[] {
  const tiles: Tile[] = [];
  for (let level = 0, count = size, before = from; count > 0; level++) {
    for (let index = Math.floor(before / TILE_WIDTH); index * TILE_WIDTH < count; index++) {
      const width = Math.min(TILE_WIDTH, count - index * TILE_WIDTH);
      const had = Math.min(TILE_WIDTH, before - index * TILE_WIDTH);
      if (width > had) tiles.push({ level, index, width });
    }
    count = Math.floor(count / TILE_WIDTH);
    before = Math.floor(before / TILE_WIDTH);
  }
  return tiles;
}

/** Longest entry a bundle can hold: its length has 16 bits. */
export const ENTRY_LIMIT_BYTES = 65_535;

/** An entry bundle: each entry after its length in two bytes, big end first. */
export function entryBundle(entries: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(entries.reduce((sum, entry) => sum + 2 + entry.length, 0));
  let at = 0;
  for (const entry of entries) {
    if (entry.length > ENTRY_LIMIT_BYTES) throw new RangeError(`an entry of ${entry.length} bytes fits no bundle`);
    bytes[at] = entry.length >> 8;
    bytes[at + 1] = entry.length & 0xff;
    bytes.set(entry, at + 2);
    at += 2 + entry.length;
  }
  return bytes;
}

/** The entries of a bundle; `undefined` when it is cut off. */
export function entriesOfBundle(bundle: Uint8Array): Uint8Array[] | undefined {
  const entries: Uint8Array[] = [];
  for (let at = 0; at < bundle.length; ) {
    const length = ((bundle[at] as number) << 8) | (bundle[at + 1] ?? 0);
    const end = at + 2 + length;
    if (at + 2 > bundle.length || end > bundle.length) return undefined;
    entries.push(bundle.subarray(at + 2, end));
    at = end;
  }
  return entries;
}

/** Gives `count` hashes of one tile level, from hash `first` on; `tileLevel` 0 are leaf hashes. */
export type TileRows = (tileLevel: number, first: number, count: number) => readonly Uint8Array[];

/** Subtrees of any level from the hashes at levels 0, 8, 16...: at most 128 of them are read for one. */
export function subtreesFromTiles(rows: TileRows): SubtreeReader {
  return {
    subtree(level, index) {
      const tileLevel = Math.floor(level / TILE_HEIGHT);
      const count = 2 ** (level % TILE_HEIGHT);
      const hashes = rows(tileLevel, index * count, count);
      if (hashes.length !== count) throw new RangeError(`subtree ${index} of level ${level} is not complete`);
      return foldHashes(hashes);
    },
  };
}

/** The root over hashes of one level; their number is a power of two. */
export function foldHashes(hashes: readonly Uint8Array[]): Uint8Array {
  let level = hashes;
  while (level.length > 1) {
    const above: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) {
      above.push(nodeHash(level[i] as Uint8Array, level[i + 1] as Uint8Array));
    }
    level = above;
  }
  return level[0] as Uint8Array;
}
