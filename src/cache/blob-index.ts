import type { Sha256 } from "../base/index.ts";

export interface BlobUse {
  readonly hash: Sha256;
  /** `undefined` where the user did not see it. */
  readonly sizeBytes: number | undefined;
}

/** Sizes and last uses of blobs: what the collector orders by. Derived and deletable; the files are the truth. */
export interface BlobIndex {
  /** Marks blobs as used at this moment (but never before this process's own lease began). */
  recordUses(uses: readonly BlobUse[]): void;
  /** Last use of each blob known, wall milliseconds since 1970. */
  lastUsesMs(): Map<Sha256, number>;
  /** Drops what is known of blobs that are gone. */
  forget(hashes: readonly Sha256[]): void;
}
