import { sameBytes } from "./byte-text.ts";
import { sha256Bytes } from "./cryptography.ts";

/** The Merkle tree of RFC 6962 section 2.1 and its proofs (RFC 9162 sections 2.1.3 and 2.1.4). Hashes are 32 bytes. */

export type Hasher = (bytes: Uint8Array) => Uint8Array;

/** Gives hashes of the full subtree of 2^`level` leaves that begins at leaf `index` * 2^`level`. */
export interface SubtreeReader {
  subtree(level: number, index: number): Uint8Array;
}

/** SHA-256(0x00 || bytes). */
export function leafHashOf(bytes: Uint8Array, hash: Hasher = sha256Bytes): Uint8Array {
  const prefixed = new Uint8Array(bytes.length + 1);
  prefixed.set(bytes, 1);
  return hash(prefixed);
}

/** SHA-256(0x01 || left || right). */
export function nodeHash(left: Uint8Array, right: Uint8Array, hash: Hasher = sha256Bytes): Uint8Array {
  const prefixed = new Uint8Array(1 + left.length + right.length);
  prefixed[0] = 1;
  prefixed.set(left, 1);
  prefixed.set(right, 1 + left.length);
  return hash(prefixed);
}

/** Root of the tree without leaves: SHA-256 of nothing. */
export const emptyRoot: Uint8Array = sha256Bytes(new Uint8Array(0));

/** The largest power of two below `n`; `n` is at least 2. Sizes pass 2^32, so no bit operations. */
function splitOf(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** MTH(D[start:end]), where `start` is a multiple of the least power of two that is no less than `end - start`. */
function rangeRoot(start: number, end: number, reader: SubtreeReader): Uint8Array {
  const size = end - start;
  let level = 0;
  let width = 1;
  for (; width < size; width *= 2) level++;
  if (width === size) return reader.subtree(level, start / width);
  const middle = start + width / 2;
  return nodeHash(rangeRoot(start, middle, reader), rangeRoot(middle, end, reader));
}

/** Root of the first `size` leaves. */
export function rootOf(size: number, reader: SubtreeReader): Uint8Array {
  checkSize(size);
  return size === 0 ? emptyRoot : rangeRoot(0, size, reader);
}

/**
 * PATH(index, D[size]): what leads from a leaf to the root, leaf side first.
 *
 * @throws {RangeError} unless 0 <= index < size.
 */
export function inclusionPath(index: number, size: number, reader: SubtreeReader): Uint8Array[] {
  checkSize(size);
  if (!Number.isSafeInteger(index) || index < 0 || index >= size) {
    throw new RangeError(`there is no leaf ${index} in a tree of ${size}`);
  }
  const path: Uint8Array[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + splitOf(end - start);
    if (index < middle) {
      path.push(rangeRoot(middle, end, reader));
      end = middle;
    } else {
      path.push(rangeRoot(start, middle, reader));
      start = middle;
    }
  }
  return path.reverse();
}

/**
 * PROOF(first, D[second]): what shows that the tree of `first` leaves is the beginning of the tree of `second`. Empty where
 * they are equal, and where `first` is 0, which every tree begins with.
 *
 * @throws {RangeError} unless 0 <= first <= second.
 */
export function consistencyPath(first: number, second: number, reader: SubtreeReader): Uint8Array[] {
  checkSize(first);
  checkSize(second);
  if (first > second) throw new RangeError(`a tree of ${first} leaves is no beginning of one of ${second}`);
  if (first === 0 || first === second) return [];
  const path: Uint8Array[] = [];
  let start = 0;
  let end = second;
  let whole = true;
  while (first !== end) {
    const middle = start + splitOf(end - start);
    if (first <= middle) {
      path.push(rangeRoot(middle, end, reader));
      end = middle;
    } else {
      path.push(rangeRoot(start, middle, reader));
      start = middle;
      whole = false;
    }
  }
  if (!whole) path.push(rangeRoot(start, end, reader));
  return path.reverse();
}

export interface InclusionClaim {
  /** Leaf hash of record `index`. */
  readonly leaf: Uint8Array;
  readonly index: number;
  readonly size: number;
  readonly path: readonly Uint8Array[];
  readonly root: Uint8Array;
}

/** RFC 9162 section 2.1.3.2. Input of any kind is answered, never thrown at. */
export function verifyInclusion(claim: InclusionClaim, hash: Hasher = sha256Bytes): boolean {
  const { leaf, index, size, path, root } = claim;
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false;
  if (!areHashes([leaf, root, ...path])) return false;
  let fn = index;
  let sn = size - 1;
  let reached = leaf;
  for (const sibling of path) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      reached = nodeHash(sibling, reached, hash);
      while (fn % 2 === 0 && fn !== 0) {
        fn /= 2;
        sn = Math.floor(sn / 2);
      }
    } else {
      reached = nodeHash(reached, sibling, hash);
    }
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  return sn === 0 && sameBytes(reached, root);
}

export interface ConsistencyClaim {
  readonly first: number;
  readonly firstRoot: Uint8Array;
  readonly second: number;
  readonly secondRoot: Uint8Array;
  readonly path: readonly Uint8Array[];
}

/** RFC 9162 section 2.1.4.2; equal sizes and a first of 0 need an empty path. Input of any kind is answered. */
export function verifyConsistency(claim: ConsistencyClaim, hash: Hasher = sha256Bytes): boolean {
  const { first, firstRoot, second, secondRoot, path } = claim;
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(second) || first < 0 || first > second) return false;
  if (!areHashes([firstRoot, secondRoot, ...path])) return false;
  if (first === second) return path.length === 0 && sameBytes(firstRoot, secondRoot);
  if (first === 0) return path.length === 0 && sameBytes(firstRoot, emptyRoot);
  let fn = first - 1;
  let sn = second - 1;
  while (fn % 2 === 1) {
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  // `fn` is 0 exactly where `first` is a power of two: its root is then a node of the second tree.
  const steps = fn === 0 ? [firstRoot, ...path] : path;
  const [begin, ...rest] = steps;
  if (begin === undefined) return false;
  let old = begin;
  let reached = begin;
  for (const sibling of rest) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      old = nodeHash(sibling, old, hash);
      reached = nodeHash(sibling, reached, hash);
      while (fn % 2 === 0 && fn !== 0) {
        fn /= 2;
        sn = Math.floor(sn / 2);
      }
    } else {
      reached = nodeHash(reached, sibling, hash);
    }
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  return sn === 0 && sameBytes(old, firstRoot) && sameBytes(reached, secondRoot);
}

const areHashes = (hashes: readonly Uint8Array[]): boolean => hashes.every((hash) => hash.length === 32);

function checkSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`no tree has ${size} leaves`);
}
