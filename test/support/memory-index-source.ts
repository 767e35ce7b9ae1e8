import type { Sha256 } from "../../src/base/index.ts";
import { manifestReferences } from "../../src/protocol/index.ts";
import { type IndexSource, openProvIndex, type ProvIndex } from "../../src/provenance/index.ts";
import { MemoryFileTree } from "./memory-file-tree.ts";
import type { MemoryLedger } from "./memory-ledger.ts";
import { SeededRandom } from "./seeded-random.ts";

/** A memory ledger, packed as a file would be. */
export class MemoryIndexSource implements IndexSource {
  readonly identity: Sha256;
  readonly size: number;
  readonly #ledger: MemoryLedger;
  readonly #chunk: number;

  constructor(ledger: MemoryLedger, chunk = 3) {
    this.#ledger = ledger;
    this.#chunk = chunk;
    this.identity = ledger.identity;
    this.size = ledger.size();
  }

  leaf(seq: number): Sha256 | undefined {
    return this.#ledger.rows[seq]?.leaf;
  }

  *records(from: number): Iterable<{ firstSeq: number; lengths: number[]; bytes: Buffer }> {
    for (let at = from; at < this.size; at += this.#chunk) {
      const rows = this.#ledger.rows.slice(at, Math.min(at + this.#chunk, this.size));
      const bytes = rows.map((row) => row.bytes);
      yield { firstSeq: at, lengths: bytes.map(({ length }) => length), bytes: Buffer.concat(bytes) };
    }
  }

  *manifests(place: number): Iterable<{ lastPlace: number; hashes: Buffer; lengths: number[]; bytes: Buffer }> {
    const all = [...this.#ledger.manifests];
    for (let at = place; at < all.length; at += this.#chunk) {
      const rows = all.slice(at, at + this.#chunk);
      yield {
        lastPlace: at + rows.length,
        hashes: Buffer.concat(rows.map(([hash]) => Buffer.from(hash.slice(0, 12), "hex"))),
        lengths: rows.map(([, bytes]) => bytes.length),
        bytes: Buffer.concat(rows.map(([, bytes]) => bytes)),
      };
    }
  }

  manifestAt(place: number): Buffer | undefined {
    const hash = [...this.#ledger.manifests.keys()][place - 1];
    return hash === undefined ? undefined : Buffer.from(hash, "hex");
  }

  manifest(hash: Sha256): Buffer | undefined {
    return this.#ledger.manifests.get(hash);
  }

  close(): void {}
}

/** The index of a memory ledger as it stands. */
export async function memoryProvIndex(ledger: MemoryLedger): Promise<ProvIndex> {
  const { index } = await openProvIndex({
    path: ":memory:",
    source: new MemoryIndexSource(ledger),
    references: manifestReferences,
    files: new MemoryFileTree(),
    random: new SeededRandom(1),
  });
  return index;
}
