import { sha256 } from "../base/index.ts";

/** What a manifest is, told by its bytes alone, and what it names. */
export interface ManifestReferences {
  readonly kind: "directory" | "tree";
  /** First 48 bits of each digest: of files, of symlinks' targets and, in a directory, of child directories. */
  readonly names: readonly number[];
}

const HASH_DIGITS = 64;
/** Digits that make the 48 bits. */
const KEY_DIGITS = 12;

/**
 * References of a REAPI Directory or Tree message; `undefined` for bytes that are neither. Reads the wire format without
 * making messages, some 2 us each: for filling an index whose every answer is checked again. It is told apart strictly
 * (each node has a name and a digest of 64 digits), so an Action or a Command is never taken for one by chance.
 */
export function manifestReferences(bytes: Uint8Array): ManifestReferences | undefined {
  const names: number[] = [];
  if (readDirectory(bytes, 0, bytes.length, names, true)) return { kind: "directory", names };
  names.length = 0;
  return readTree(bytes, names) ? { kind: "tree", names } : undefined;
}

function readTree(bytes: Uint8Array, names: number[]): boolean {
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at++];
    if (tag !== 0x0a && tag !== 0x12) return false;
    const length = varint(bytes, at, bytes.length);
    if (length === undefined || length.end + length.value > bytes.length) return false;
    at = length.end + length.value;
    if (!readDirectory(bytes, length.end, at, names, false)) return false;
  }
  return bytes.length > 0;
}

function readDirectory(bytes: Uint8Array, from: number, to: number, names: number[], withChildren: boolean): boolean {
  let at = from;
  while (at < to) {
    const tag = bytes[at++] as number;
    if ((tag & 7) !== 2 || tag >= 0x80) return false;
    const length = varint(bytes, at, to);
    if (length === undefined || length.end + length.value > to) return false;
    const start = length.end;
    at = start + length.value;
    if (tag === 0x0a || tag === 0x12) {
      const key = nodeDigest(bytes, start, at);
      if (key === undefined) return false;
      if (tag === 0x0a || withChildren) names.push(key);
    } else if (tag === 0x1a) {
      const key = linkTarget(bytes, start, at);
      if (key === undefined) return false;
      names.push(key);
    } else if (tag !== 0x2a) return false;
  }
  return true;
}

/** FileNode and DirectoryNode: name 1, digest 2, and of files executable 4, properties 6. */
function nodeDigest(bytes: Uint8Array, from: number, to: number): number | undefined {
  let key: number | undefined;
  let named = false;
  let at = from;
  while (at < to) {
    const tag = bytes[at++] as number;
    const number = varint(bytes, at, to);
    if (number === undefined) return undefined;
    at = number.end;
    if (tag === 0x20) continue;
    const end = at + number.value;
    if (end > to) return undefined;
    if (tag === 0x0a && !named) named = true;
    else if (tag === 0x12 && key === undefined) {
      key = digestKey(bytes, at, end);
      if (key === undefined) return undefined;
    } else if (tag !== 0x32) return undefined;
    at = end;
  }
  return named ? key : undefined;
}

const NO_DIGIT = 0x80;
/** By byte; a look-up is a third of the time that comparing takes, and there are 64 of them for each file of a directory. */
const HEX_VALUE = new Uint8Array(256).fill(NO_DIGIT);
for (const [value, digit] of [..."0123456789abcdef"].entries()) HEX_VALUE[digit.charCodeAt(0)] = value;

/** Digest: hash 1 as text, size 2. */
function digestKey(bytes: Uint8Array, from: number, to: number): number | undefined {
  if (bytes[from] !== 0x0a || bytes[from + 1] !== HASH_DIGITS || from + 2 + HASH_DIGITS > to) return undefined;
  const end = from + 2 + HASH_DIGITS;
  if (end < to && bytes[end] !== 0x10) return undefined;
  let key = 0;
  let all = 0;
  for (let at = from + 2; at < from + 2 + KEY_DIGITS; at++) {
    const value = HEX_VALUE[bytes[at] as number] as number;
    all |= value;
    key = key * 16 + value;
  }
  for (let at = from + 2 + KEY_DIGITS; at < end; at++) all |= HEX_VALUE[bytes[at] as number] as number;
  if (all >= NO_DIGIT) return undefined;
  return key;
}

/** SymlinkNode: name 1, target 2. */
function linkTarget(bytes: Uint8Array, from: number, to: number): number | undefined {
  let at = from;
  while (at < to) {
    const tag = bytes[at++] as number;
    const length = varint(bytes, at, to);
    if ((tag !== 0x0a && tag !== 0x12) || length === undefined || length.end + length.value > to) return undefined;
    at = length.end + length.value;
    if (tag === 0x12) return Number.parseInt(sha256(bytes.subarray(length.end, at)).slice(0, KEY_DIGITS), 16);
  }
  return undefined;
}

function varint(bytes: Uint8Array, from: number, to: number): { value: number; end: number } | undefined {
  let value = 0;
  let scale = 1;
  for (let at = from; at < to && at < from + 7; at++) {
    const byte = bytes[at] as number;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, end: at + 1 };
    scale *= 128;
  }
  return undefined;
}
