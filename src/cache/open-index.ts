import type { Clock, FileTree } from "../ports/index.ts";
import type { BlobIndex } from "./blob-index.ts";
import { CacheLayout } from "./cache-layout.ts";
import type { LeaseTable } from "./lease-table.ts";
import type { ProcessTable } from "./process-table.ts";
import type { SqliteActionIndex } from "./sqlite-action-index.ts";
import { storeFailure } from "./store-failure.ts";

export interface OpenIndexOptions {
  readonly fs: FileTree;
  readonly clock: Clock;
  readonly processes: ProcessTable;
  /** Absolute; made when it is missing. */
  readonly cacheHome: string;
  /** Told, in a line for people, when the index was damaged and made anew or cannot be written. */
  readonly onNotice?: (text: string) => void;
}

/** `index.db` opened: the action cache, sizes and uses of blobs, leases. */
export interface CacheIndex {
  readonly actions: SqliteActionIndex;
  readonly blobs: BlobIndex;
  readonly leases: LeaseTable;
  /** Whether SQLite finds the file in order; reads all of it. */
  isSound(): boolean;
  close(): void;
}

/**
 * Opens the index, and makes it where there is none. SQLite is loaded here and nowhere else (8 ms), so a build that
 * needs no index never pays for it.
 *
 * @throws {BlobStoreError} `BLOB_STORE_UNUSABLE`, `BLOB_STORE_FULL`.
 * @throws {IndexError} for what else SQLite refuses.
 */
export async function openIndex(options: OpenIndexOptions): Promise<CacheIndex> {
  const { openSqliteIndex } = await import("./sqlite-index.ts");
  const layout = new CacheLayout(options.cacheHome);
  try {
    options.fs.makeDirectory(layout.home);
    return openSqliteIndex(layout.index, options);
  } catch (cause) {
    throw storeFailure(cause, "open the index", layout.home);
  }
}
