import type { Digest, Sha256 } from "../../base/index.ts";

/**
 * Small file contents whose digests were verified, the most recently used of them: thirty headers that three hundred
 * compilations include are read and hashed once.
 */
export class VerifiedContents {
  readonly #limitBytes: number;
  readonly #byHash = new Map<Sha256, Buffer>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get(digest: Digest): Buffer | undefined {
    const bytes = this.#byHash.get(digest.hash);
    if (bytes === undefined || bytes.length !== digest.sizeBytes) return undefined;
    // Insertion order is age: what was used goes to the young end.
    this.#byHash.delete(digest.hash);
    this.#byHash.set(digest.hash, bytes);
    return bytes;
  }

  set(digest: Digest, bytes: Buffer): void {
    if (this.#byHash.has(digest.hash)) return;
    this.#byHash.set(digest.hash, bytes);
    this.#bytes += bytes.length;
    for (const [hash, oldest] of this.#byHash) {
      if (this.#bytes <= this.#limitBytes) return;
      this.#byHash.delete(hash);
      this.#bytes -= oldest.length;
    }
  }
}
