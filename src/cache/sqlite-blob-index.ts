import type { Sha256 } from "../base/index.ts";
import type { Clock } from "../ports/index.ts";
import type { BlobIndex, BlobUse } from "./blob-index.ts";
import { type IndexDatabase, packHash, unpackHash } from "./index-database.ts";

const USE =
  "INSERT INTO blobs VALUES (?, ?, ?) ON CONFLICT (hash) DO UPDATE SET " +
  "size = coalesce(excluded.size, size), last_used_ms = max(excluded.last_used_ms, last_used_ms)";

/** Sizes and last uses of blobs in `index.db`. */
export class SqliteBlobIndex implements BlobIndex {
  readonly #db: IndexDatabase;
  readonly #clock: Clock;
  readonly #notBeforeMs: () => number;
  readonly #onNotice: (text: string) => void;
  #complained = false;

  /** @param notBeforeMs When this process's own lease began: a clock set back must not take uses out of it. */
  constructor(db: IndexDatabase, clock: Clock, notBeforeMs: () => number, onNotice: (text: string) => void) {
    this.#db = db;
    this.#clock = clock;
    this.#notBeforeMs = notBeforeMs;
    this.#onNotice = onNotice;
  }

  recordUses(uses: readonly BlobUse[]): void {
    const atMs = Math.max(this.#clock.nowMs(), this.#notBeforeMs());
    try {
      this.#db.write(() => {
        const use = this.#db.statement(USE);
        for (const { hash, sizeBytes } of uses) use.run(packHash(hash), sizeBytes ?? null, atMs);
      }, undefined);
    } catch (cause) {
      // What was used when is worth less than the build that used it.
      if (!this.#complained) this.#onNotice(`uses of blobs are not recorded: ${(cause as Error).message}`);
      this.#complained = true;
    }
  }

  lastUsesMs(): Map<Sha256, number> {
    return this.#db.read(() => {
      const rows = this.#db.statement("SELECT hash, last_used_ms FROM blobs").all() as {
        hash: Buffer;
        last_used_ms: number;
      }[];
      return new Map(rows.map((row) => [unpackHash(row.hash), row.last_used_ms]));
    }, new Map());
  }

  forget(hashes: readonly Sha256[]): void {
    this.#db.write(() => {
      const forget = this.#db.statement("DELETE FROM blobs WHERE hash = ?");
      for (const hash of hashes) forget.run(packHash(hash));
    }, undefined);
  }
}
