import { sha256 } from "../base/index.ts";
import { type DirectoryEntry, type FileTree, STAT_NUMBERS } from "../ports/index.ts";
import { CHECKOUT, type Checkout } from "./checkout.ts";

/** Something an evaluation, or a host's identity, rests on, and how it looked. */
export interface ReadSignature {
  /** From the workspace root; absolute for what stands outside. */
  readonly path: string;
  readonly kind: "file" | "directory";
  /** `null`: there was nothing. */
  readonly signature: readonly number[] | null;
  /** Of a file's bytes, or of a directory's names and kinds; `null`: there was nothing. */
  readonly hash: string | null;
}

/**
 * A file whose ctime is this close to the moment it was read may change again without its ctime changing: the
 * kernel's file clock ticks every 4 to 10 ms. Generous, since the price is one more read.
 */
export const RACY_WINDOW_MS = 50;

/** Names and kinds; our own directory comes and goes without meaning anything. */
export function listingHash(entries: readonly DirectoryEntry[]): string {
  const lines = entries
    .filter(({ name }) => name !== CHECKOUT.directory)
    .map(({ name, kind }) => `${name}\0${kind ?? "?"}`);
  return sha256(lines.join("\0\0"));
}

function hashOf(fs: FileTree, path: string, kind: ReadSignature["kind"]): string {
  return kind === "file" ? sha256(fs.readFile(path)) : listingHash(fs.readDirectory(path));
}

/**
 * Reads `path` as it is now.
 */
export function signRead(checkout: Checkout, path: string, kind: ReadSignature["kind"]): ReadSignature {
  const numbers = new Float64Array(STAT_NUMBERS);
  const { fs } = checkout;
  const full = checkout.absolute(path);
  const fileClockMs = checkout.fileClockMs();
  if (!fs.statInto(full, numbers, 0)) return { path, kind, signature: null, hash: null };
  const hash = hashOf(fs, full, kind);
  const racy = (numbers[2] as number) > fileClockMs - RACY_WINDOW_MS;
  return { path, kind, signature: racy ? [] : [...numbers], hash };
}

export interface Freshness {
  readonly fresh: boolean;
  /** What was touched but is the same, signed anew; `undefined` when every signature matched. */
  readonly refreshed: readonly ReadSignature[] | undefined;
  /** The first that differs. */
  readonly stale: string | undefined;
}

/** Whether everything in `reads` still is what it was. Stats only, unless a signature differs. */
export function checkReads(checkout: Checkout, reads: readonly ReadSignature[]): Freshness {
  const numbers = new Float64Array(STAT_NUMBERS);
  let refreshed: ReadSignature[] | undefined;
  for (let i = 0; i < reads.length; i++) {
    const read = reads[i] as ReadSignature;
    const there = checkout.fs.statInto(checkout.absolute(read.path), numbers, 0);
    const { signature } = read;
    if (!there && signature === null) continue;
    if (there && signature !== null && signature.length > 0 && signature.every((n, k) => n === numbers[k])) continue;
    const now = there ? signRead(checkout, read.path, read.kind) : undefined;
    if (now === undefined || now.hash !== read.hash) return { fresh: false, refreshed: undefined, stale: read.path };
    refreshed ??= [...reads];
    refreshed[i] = now;
  }
  return { fresh: true, refreshed, stale: undefined };
}
