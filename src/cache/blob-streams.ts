import type { Digest } from "../base/index.ts";
import type { FileSource } from "../ports/index.ts";

/** A blob on its way in. What was written is invisible until `finish`. */
export interface BlobSink {
  /** Written so far. */
  readonly sizeBytes: number;
  /** @throws {BlobStoreError} `BLOB_STORE_FULL`; only `abandon` makes sense then. */
  write(bytes: Uint8Array): void;
  /**
   * Makes it the blob of `digest`. The sink is over in any case.
   *
   * @throws {BlobStoreError} `BLOB_MISMATCH` when the bytes written have another digest; nothing is kept then.
   */
  finish(digest: Digest): void;
  /** Forgets it. Nothing happens after `finish`. */
  abandon(): void;
}

/** Blobs too large to hold in memory, piece by piece: what a server passes on. */
export interface BlobStreams {
  begin(): BlobSink;
  /**
   * The blob for reading, verified before its first byte is given out. `close` must come at the end.
   *
   * @throws {BlobStoreError} `BLOB_MISSING`, `BLOB_CORRUPT`.
   */
  open(digest: Digest): Promise<FileSource>;
}
