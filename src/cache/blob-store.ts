import type { Digest, Sha256 } from "../base/index.ts";
import { BegatError } from "../base/index.ts";

export type BlobStoreErrorCode =
  | "BLOB_MISSING"
  | "BLOB_CORRUPT"
  | "BLOB_MISMATCH"
  | "BLOB_STORE_FULL"
  | "BLOB_STORE_UNUSABLE";

export class BlobStoreError extends BegatError<BlobStoreErrorCode> {}

/** A file to be written out of the store. */
export interface Materialisation {
  readonly digest: Digest;
  /** Absolute. Its directory exists. Whatever is there is replaced, at once or not at all. */
  readonly path: string;
  readonly executable: boolean;
}

/**
 * The pastiche: blobs by digest. What is in it is whole: a blob becomes visible by rename, after its bytes were
 * hashed. Everybody may lose a blob (eviction, corruption), so every reader handles `BLOB_MISSING`.
 */
export interface BlobStore {
  /** Whether it is there and of the right size. The empty blob always is. Bytes are not read. */
  has(digest: Digest): boolean;
  /**
   * The bytes, verified on the first use after start. A blob that does not match is quarantined and reported.
   *
   * @throws {BlobStoreError} `BLOB_MISSING`, `BLOB_CORRUPT`.
   */
  read(digest: Digest): Buffer;
  /** Keeps `bytes`; nothing is written when they are there. `known` spares hashing bytes the caller has just hashed. */
  write(bytes: Uint8Array, known?: Digest): Digest;
  /**
   * Keeps the file at `path` and answers its digest. `take` lets the store have the file itself: it is moved where
   * that is possible, and in any case gone afterwards. Nobody may still hold it open for writing.
   * Large files are hashed and copied off the main thread.
   *
   * @throws {BlobStoreError} `BLOB_STORE_FULL`; then nothing was kept and the file is still there.
   */
  ingest(path: string, options: { readonly take: boolean }): Promise<Digest>;
  /** Writes blobs out: reflink, else copy, verified on first use; mode 0644 or 0755 less the umask. */
  materialise(files: readonly Materialisation[]): Promise<void>;
  /** Where the verified blob's own file is, 0444, for a read-only bind mount. Never to be written, linked or moved. */
  pathOf(digest: Digest): Promise<string>;
  /** Marks blobs as used now; kept in memory until `flush`. */
  touch(hash: Sha256): void;
  /** Writes sizes and last uses to the index. */
  flush(): void;
  /** Blobs set aside since start because their bytes were wrong. */
  readonly quarantined: readonly QuarantinedBlob[];
}

export interface QuarantinedBlob {
  readonly digest: Digest;
  readonly found: Sha256;
  readonly movedTo: string;
}
