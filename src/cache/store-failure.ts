import { BegatError, codeOf } from "../base/index.ts";
import { BlobStoreError } from "./blob-store.ts";

const OVERRIDE = "BEGAT_CACHE_HOME";

/**
 * A failure of the store's own files in the store's words: no room, or no use. Anything that is no failure of the file
 * system or the index passes through.
 *
 * @param doing What was tried, with its numbers: `store a blob of 1024 bytes`.
 */
export function storeFailure(cause: unknown, doing: string, home: string): unknown {
  if (!(cause instanceof BegatError) || cause instanceof BlobStoreError) return cause;
  switch (codeOf(cause)) {
    case "FILE_SYSTEM_FULL":
    case "INDEX_FULL":
      return new BlobStoreError("BLOB_STORE_FULL", `cannot ${doing}: no room left for the cache in ${home}`, {
        cause,
        hint: `\`begat cache gc --max-size\` frees room; ${OVERRIDE} names another directory`,
      });
    case "FILE_SYSTEM_READ_ONLY":
    case "FILE_ACCESS_DENIED":
    case "FILE_NOT_DIRECTORY":
    case "FILE_IS_DIRECTORY":
    case "FILE_NOT_FOUND":
    case "FILE_EXISTS":
    case "FILE_IO":
    case "INDEX_READ_ONLY":
    case "INDEX_UNUSABLE":
      return new BlobStoreError("BLOB_STORE_UNUSABLE", `cannot ${doing}: the cache in ${home} is not usable`, {
        cause,
        hint: `set ${OVERRIDE} to a directory that can be written`,
      });
    default:
      return cause;
  }
}
