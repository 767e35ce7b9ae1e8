import { type Digest, digestOf, type Sha256 } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";

/**
 * Blobs that came with an assignment, before those of the store. Each is known by its own digest, so nobody has to be believed.
 * They are in memory as long as the lease is worked on: most are of one execution alone and nothing is written for them.
 */
export class BroughtBlobs {
  readonly sizeBytes: number;
  readonly #store: Pick<BlobStore, "read">;
  readonly #brought = new Map<Sha256, Buffer>();

  constructor(blobs: readonly Uint8Array[], store: Pick<BlobStore, "read">) {
    let sizeBytes = 0;
    for (const bytes of blobs) {
      sizeBytes += bytes.length;
      this.#brought.set(digestOf(bytes).hash, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    }
    this.#store = store;
    this.sizeBytes = sizeBytes;
  }

  /** The bytes where they came with the assignment. */
  get({ hash, sizeBytes }: Digest): Buffer | undefined {
    const bytes = this.#brought.get(hash);
    return bytes?.length === sizeBytes ? bytes : undefined;
  }

  /** @throws {BlobStoreError} `BLOB_MISSING`: neither. */
  read(digest: Digest): Buffer {
    return this.get(digest) ?? this.#store.read(digest);
  }
}
