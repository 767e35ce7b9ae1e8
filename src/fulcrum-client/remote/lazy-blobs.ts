import { type Digest, EMPTY_DIGEST, type Sha256 } from "../../base/index.ts";
import { type BlobStore, BlobStoreError, type Materialisation, type QuarantinedBlob } from "../../cache/index.ts";
import type { RemoteBlobs } from "../blobs/index.ts";
import type { OfferedBlobs } from "./remote-result.ts";

/**
 * A store some of whose blobs are still at an endpoint: they count as there, and come when they are to be written out or
 * staged. Reading them at once is the one thing that cannot be done.
 */
export class LazyBlobs implements BlobStore, OfferedBlobs {
  readonly #own: BlobStore;
  readonly #remote: () => RemoteBlobs | undefined;
  readonly #elsewhere = new Set<Sha256>();
  /** Fetched so far. */
  fetched = { blobs: 0, bytes: 0 };

  constructor(own: BlobStore, remote: () => RemoteBlobs | undefined) {
    this.#own = own;
    this.#remote = remote;
  }

  offer(digests: readonly Digest[]): void {
    for (const digest of digests) if (!this.#own.has(digest)) this.#elsewhere.add(digest.hash);
  }

  get quarantined(): readonly QuarantinedBlob[] {
    return this.#own.quarantined;
  }

  has(digest: Digest): boolean {
    return this.#own.has(digest) || this.#elsewhere.has(digest.hash);
  }

  read(digest: Digest): Buffer {
    return this.#own.read(digest);
  }

  write(bytes: Uint8Array, known?: Digest): Digest {
    return this.#own.write(bytes, known);
  }

  ingest(path: string, options: { readonly take: boolean }): Promise<Digest> {
    return this.#own.ingest(path, options);
  }

  async materialise(files: readonly Materialisation[]): Promise<void> {
    await this.bring(files.map(({ digest }) => digest));
    return this.#own.materialise(files);
  }

  async pathOf(digest: Digest): Promise<string> {
    await this.bring([digest]);
    return this.#own.pathOf(digest);
  }

  touch(hash: Sha256): void {
    this.#own.touch(hash);
  }

  flush(): void {
    this.#own.flush();
  }

  /**
   * Has these in the own store. What the endpoint has lost meanwhile is not here any more either.
   *
   * @throws {BlobStoreError} `BLOB_MISSING` of the first that cannot be had.
   */
  async bring(digests: readonly Digest[], signal?: AbortSignal): Promise<void> {
    const wanted = digests.filter(
      (digest) => digest.hash !== EMPTY_DIGEST.hash && this.#elsewhere.has(digest.hash) && !this.#own.has(digest),
    );
    if (wanted.length === 0) return;
    const remote = this.#remote();
    try {
      if (remote !== undefined) {
        const moved = await remote.fetch(wanted, signal);
        this.fetched = { blobs: this.fetched.blobs + moved.blobs, bytes: this.fetched.bytes + moved.bytes };
      }
    } catch (cause) {
      signal?.throwIfAborted();
      const lost = wanted.filter((digest) => !this.#own.has(digest));
      for (const { hash } of lost) this.#elsewhere.delete(hash);
      const [first] = lost;
      throw new BlobStoreError("BLOB_MISSING", `blob ${first?.hash} could not be fetched from where it was made`, {
        cause,
      });
    }
    for (const { hash } of wanted) this.#elsewhere.delete(hash);
  }
}
