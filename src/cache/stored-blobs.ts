import type { Sha256 } from "../base/index.ts";
import { type FileTree, STAT_NUMBERS } from "../ports/index.ts";
import { isNotFound } from "./blob-files.ts";
import { blobHash, type CacheLayout } from "./cache-layout.ts";

export interface StoredBlob {
  readonly hash: Sha256;
  readonly sizeBytes: number;
  /** When its file was last made, moved or changed: the kernel's word, which no recipe can set. */
  readonly changedMs: number;
}

/** The blobs that are in the store, by looking: the index only knows what was once used. Unsorted. */
export function storedBlobs(fs: FileTree, layout: CacheLayout): StoredBlob[] {
  const blobs: StoredBlob[] = [];
  const numbers = new Float64Array(STAT_NUMBERS);
  for (const directory of names(fs, layout.cas)) {
    if (!/^[0-9a-f]{2}$/.test(directory)) continue;
    for (const name of names(fs, `${layout.cas}/${directory}`)) {
      const hash = blobHash(directory, name);
      if (hash === undefined || !fs.statInto(layout.blob(hash), numbers, 0)) continue;
      blobs.push({ hash, sizeBytes: numbers[0] as number, changedMs: numbers[2] as number });
    }
  }
  return blobs;
}

/** Names in a directory; none where there is no directory. */
export function names(fs: FileTree, directory: string): string[] {
  try {
    return fs.readDirectory(directory).map((entry) => entry.name);
  } catch (cause) {
    if (isNotFound(cause)) return [];
    throw cause;
  }
}
