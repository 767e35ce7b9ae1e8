import type { Digest, Sha256 } from "../../base/index.ts";
import type { BlobStore, Materialisation, QuarantinedBlob } from "../../cache/index.ts";

/** Of one blob that is kept, bytes: messages and small sources. */
const LARGEST_KEPT = 16 * 1024;
/** Of all of them. */
const MOST_BYTES = 4 * 1024 * 1024;

/**
 * A store whose small blobs are still in memory for a while after they came: an action is read when it is asked for, when it is
 * assigned and when its result is judged. Whether a blob is there, the store alone says.
 */
export class RecentBlobs implements BlobStore {
  readonly #store: BlobStore;
  /** Least recently used first. */
  readonly #kept = new Map<Sha256, Buffer>();
  #bytes = 0;

  constructor(store: BlobStore) {
    this.#store = store;
  }

  get quarantined(): readonly QuarantinedBlob[] {
    return this.#store.quarantined;
  }

  has(digest: Digest): boolean {
    return this.#store.has(digest);
  }

  read(digest: Digest): Buffer {
    const kept = this.#kept.get(digest.hash);
    if (kept?.length === digest.sizeBytes) {
      this.#kept.delete(digest.hash);
      this.#kept.set(digest.hash, kept);
      return kept;
    }
    const bytes = this.#store.read(digest);
    this.#keep(digest.hash, bytes);
    return bytes;
  }

  write(bytes: Uint8Array, known?: Digest): Digest {
    const digest = this.#store.write(bytes, known);
    // A copy: these bytes may be a few of a large message that would stay because of them.
    if (bytes.length <= LARGEST_KEPT) this.#keep(digest.hash, Buffer.from(bytes));
    return digest;
  }

  ingest(path: string, options: { readonly take: boolean }): Promise<Digest> {
    return this.#store.ingest(path, options);
  }

  materialise(files: readonly Materialisation[]): Promise<void> {
    return this.#store.materialise(files);
  }

  pathOf(digest: Digest): Promise<string> {
    return this.#store.pathOf(digest);
  }

  touch(hash: Sha256): void {
    this.#store.touch(hash);
  }

  flush(): void {
    this.#store.flush();
  }

  #keep(hash: Sha256, bytes: Buffer): void {
    if (bytes.length > LARGEST_KEPT || bytes.length === 0 || this.#kept.has(hash)) return;
    this.#kept.set(hash, bytes);
    this.#bytes += bytes.length;
    for (const [oldest, { length }] of this.#kept) {
      if (this.#bytes <= MOST_BYTES) break;
      this.#kept.delete(oldest);
      this.#bytes -= length;
    }
  }
}
