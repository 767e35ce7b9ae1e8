import { sha256 } from "../base/index.ts";
import { type FileTree, STAT_NUMBERS } from "../ports/index.ts";

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

const absolute = (root: string, path: string): string => (path.startsWith("/") ? path : `${root}/${path}`);

function hashOf(fs: FileTree, path: string, kind: ReadSignature["kind"]): string {
  if (kind === "file") return sha256(fs.readFile(path));
  return sha256(
    fs
      .readDirectory(path)
      .map(({ name, kind: entry }) => `${name}\0${entry ?? "?"}`)
      .join("\0\0"),
  );
}

/**
 * Reads `path` as it is now.
 *
 * @param fileClockMs A moment on the file system's own clock, before this call.
 */
export function signRead(
  fs: FileTree,
  root: string,
  path: string,
  kind: ReadSignature["kind"],
  fileClockMs: number,
): ReadSignature {
  const numbers = new Float64Array(STAT_NUMBERS);
  const full = absolute(root, path);
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
export function checkReads(
  fs: FileTree,
  root: string,
  reads: readonly ReadSignature[],
  fileClockMs: () => number,
): Freshness {
  const numbers = new Float64Array(STAT_NUMBERS);
  let refreshed: ReadSignature[] | undefined;
  for (let i = 0; i < reads.length; i++) {
    const read = reads[i] as ReadSignature;
    const there = fs.statInto(absolute(root, read.path), numbers, 0);
    const { signature } = read;
    if (!there && signature === null) continue;
    if (there && signature !== null && signature.length > 0 && signature.every((n, k) => n === numbers[k])) continue;
    const now = there ? signRead(fs, root, read.path, read.kind, fileClockMs()) : undefined;
    if (now === undefined || now.hash !== read.hash) return { fresh: false, refreshed: undefined, stale: read.path };
    refreshed ??= [...reads];
    refreshed[i] = now;
  }
  return { fresh: true, refreshed, stale: undefined };
}
