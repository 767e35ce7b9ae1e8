import { type Digest, type Sha256, sha256 } from "../base/index.ts";
import type { Clock, FileTree } from "../ports/index.ts";
import { BlobFiles, type BlobFilesOptions, isNotFound } from "./blob-files.ts";
import type { QuarantinedBlob } from "./blob-store.ts";
import { type BulkFiles, LARGE_FILE_BYTES } from "./bulk-files.ts";
import { CacheLayout } from "./cache-layout.ts";
import type { CacheIndex } from "./open-index.ts";
import { storeFailure } from "./store-failure.ts";
import { names, type StoredBlob, storedBlobs } from "./stored-blobs.ts";

export interface CacheStatistics {
  readonly blobs: number;
  readonly blobBytes: number;
  /** Corrupt blobs set aside, until somebody removes them. */
  readonly quarantined: number;
  readonly quarantinedBytes: number;
  /** Files being written, or left by processes that died. */
  readonly temporaries: number;
  /** `index.db` with its log. */
  readonly indexBytes: number;
  /** Executions the index knows. */
  readonly executions: number;
  /** Live leases: builds that run now. */
  readonly leases: number;
}

/** What the cache holds, by looking at every file's size; reads no blob. */
export function cacheStatistics(fs: FileTree, cacheHome: string, index: CacheIndex): CacheStatistics {
  const layout = new CacheLayout(cacheHome);
  const size = (path: string) => fs.lstat(path)?.sizeBytes ?? 0;
  try {
    const blobs = storedBlobs(fs, layout);
    const aside = names(fs, layout.quarantine);
    return {
      blobs: blobs.length,
      blobBytes: blobs.reduce((sum, blob) => sum + blob.sizeBytes, 0),
      quarantined: aside.length,
      quarantinedBytes: aside.reduce((sum, name) => sum + size(`${layout.quarantine}/${name}`), 0),
      temporaries: names(fs, layout.tmp).length,
      indexBytes: ["", "-wal", "-shm"].reduce((sum, suffix) => sum + size(layout.index + suffix), 0),
      executions: index.actions.count(),
      leases: index.leases.protection().leases,
    };
  } catch (cause) {
    throw storeFailure(cause, "look through the cache", layout.home);
  }
}

export interface CacheVerificationOptions extends BlobFilesOptions {
  readonly bulk: BulkFiles;
  readonly clock: Clock;
  readonly index: CacheIndex;
  readonly onProgress?: (checkedBlobs: number, ofBlobs: number) => void;
  readonly signal?: AbortSignal;
}

export interface CacheVerification {
  readonly checked: number;
  readonly checkedBytes: number;
  /** Set aside: their bytes were not those of their name. */
  readonly corrupt: readonly QuarantinedBlob[];
  /** Whether SQLite found `index.db` in order; when not it was, or on next use will be, made anew. */
  readonly indexIsSound: boolean;
}

/** How many blobs are hashed before others get their turn. */
const BATCH = 64;

/** Hashes every blob again. What is wrong goes to the quarantine, so that it is made or fetched anew. */
export async function verifyCache(options: CacheVerificationOptions): Promise<CacheVerification> {
  const { fs, bulk, clock, signal, onProgress } = options;
  const files = new BlobFiles(options);
  const corrupt: QuarantinedBlob[] = [];
  let checked = 0;
  let checkedBytes = 0;
  try {
    const blobs = storedBlobs(fs, files.layout);
    for (const blob of blobs) {
      signal?.throwIfAborted();
      const found = await digestOfFile(fs, bulk, files.layout.blob(blob.hash), blob);
      if (++checked % BATCH === 0) {
        onProgress?.(checked, blobs.length);
        await clock.sleep(0, signal);
      }
      checkedBytes += blob.sizeBytes;
      if (found === undefined || found.hash === blob.hash) continue;
      const movedTo = files.setAside(blob.hash);
      corrupt.push({ digest: { hash: blob.hash, sizeBytes: found.sizeBytes }, found: found.hash, movedTo });
    }
    onProgress?.(checked, blobs.length);
    return { checked, checkedBytes, corrupt, indexIsSound: options.index.isSound() };
  } catch (cause) {
    throw storeFailure(cause, "verify the cache", files.layout.home);
  }
}

/** `undefined` for a blob that was collected meanwhile. */
async function digestOfFile(
  fs: FileTree,
  bulk: BulkFiles,
  path: string,
  blob: StoredBlob,
): Promise<Digest | undefined> {
  try {
    if (blob.sizeBytes >= LARGE_FILE_BYTES) return await bulk.hash(path);
    const bytes = fs.readFile(path);
    return { hash: sha256(bytes) as Sha256, sizeBytes: bytes.length };
  } catch (cause) {
    if (isNotFound(cause)) return undefined;
    throw cause;
  }
}
