import type { Sha256 } from "../base/index.ts";

const HASH_BYTES = 64;
const CHUNK = 4_096;

/**
 * The action of each travail that may be used again, by the place of its record: what hits may point at. As bytes, since
 * a million strings are what a collector of garbage would be busy with.
 */
export class TravailTable {
  readonly #chunks: (Buffer | undefined)[] = [];

  set(seq: number, action: Sha256): void {
    const i = Math.floor(seq / CHUNK);
    let chunk = this.#chunks[i];
    if (chunk === undefined) {
      chunk = Buffer.alloc(CHUNK * HASH_BYTES);
      this.#chunks[i] = chunk;
    }
    chunk.write(action, (seq % CHUNK) * HASH_BYTES, HASH_BYTES, "latin1");
  }

  /** Whether the record there is a travail of this action. */
  has(seq: number, action: Sha256): boolean {
    const at = (seq % CHUNK) * HASH_BYTES;
    return this.#chunks[Math.floor(seq / CHUNK)]?.toString("latin1", at, at + HASH_BYTES) === action;
  }
}
