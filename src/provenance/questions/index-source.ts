import type BetterSqlite from "better-sqlite3";
import type { Sha256 } from "../../base/index.ts";

/** Several records, one behind the other: unpacked here, they cost a tenth of what rows cost. Not yet checked. */
export interface PackedRecords {
  readonly firstSeq: number;
  readonly lengths: readonly number[];
  readonly bytes: Buffer;
}

/** Several manifests, one behind the other. */
export interface PackedManifests {
  /** Place of the last of them: one that is added later has a higher place. */
  readonly lastPlace: number;
  /** First 6 bytes of each hash. */
  readonly hashes: Buffer;
  readonly lengths: readonly number[];
  readonly bytes: Buffer;
}

/** A ledger read in bulk, for filling an index. */
export interface IndexSource {
  readonly identity: Sha256;
  /** Records; fixed when the source was opened. */
  readonly size: number;
  /** Leaf hash kept beside a record; `undefined` past the end. */
  leaf(seq: number): Sha256 | undefined;
  /** Records from `from` on, below `size`, in chunks. */
  records(from: number): Iterable<PackedRecords>;
  /** Manifests after `place` (0: all) and not after the last there is now, in order, in chunks; Actions may be left out. */
  manifests(place: number): Iterable<PackedManifests>;
  /** Hash of the manifest at a place. */
  manifestAt(place: number): Buffer | undefined;
  manifest(hash: Sha256): Buffer | undefined;
  close(): void;
}

/**
 * Rows packed together. More of them are slower: what is allocated anew each time no longer fits the caches. Of records of
 * 1.3 KB, 256 at a time took 2.5 us each, 64 took 1.6 us.
 */
const [RECORDS, MANIFESTS] = [64, 256];

/** Opens `ledger.db` a second time, to read: in bulk, and without the ledger's own connection in between. */
export async function ledgerFileSource(path: string, identity: Sha256, size: number): Promise<IndexSource> {
  const { default: Database } = await import("better-sqlite3");
  return new LedgerFileSource(new Database(path, { readonly: true, timeout: 5_000 }), identity, size);
}

class LedgerFileSource implements IndexSource {
  readonly identity: Sha256;
  readonly size: number;
  readonly #database: BetterSqlite.Database;

  constructor(database: BetterSqlite.Database, identity: Sha256, size: number) {
    this.#database = database;
    this.identity = identity;
    this.size = size;
    database.pragma("mmap_size = 17179869184");
  }

  leaf(seq: number): Sha256 | undefined {
    const leaf = this.#database.prepare("SELECT leaf FROM record WHERE seq = ?").pluck().get(seq);
    return Buffer.isBuffer(leaf) ? (leaf.toString("hex") as Sha256) : undefined;
  }

  *records(from: number): Iterable<PackedRecords> {
    const range = this.#database
      .prepare(
        `SELECT group_concat(length(b)), CAST(group_concat(b, '') AS BLOB)
         FROM (SELECT bytes AS b FROM record WHERE seq >= ? AND seq < ? ORDER BY seq)`,
      )
      .raw();
    for (let at = from; at < this.size; at += RECORDS) {
      const [lengths, bytes] = range.get(at, Math.min(at + RECORDS, this.size)) as [string | null, Buffer | null];
      if (lengths === null || bytes === null) return;
      yield { firstSeq: at, lengths: lengths.split(",").map(Number), bytes };
    }
  }

  *manifests(place: number): Iterable<PackedManifests> {
    // An Action names no file: a Digest comes first, 64 digits and then its size, where a Directory has a name and then a
    // Digest. Left out here, where that costs least.
    const range = this.#database
      .prepare(
        `SELECT max(r), CAST(group_concat(h, '') AS BLOB), group_concat(length(b)), CAST(group_concat(b, '') AS BLOB)
         FROM (SELECT rowid AS r, substr(hash, 1, 6) AS h, bytes AS b FROM manifest WHERE rowid > ? AND NOT
           (substr(bytes, 3, 2) = x'0a40' AND substr(bytes, 69, 1) = x'10' AND substr(bytes, 1, 1) = x'0a')
           ORDER BY rowid LIMIT ${MANIFESTS})`,
      )
      .raw();
    for (let after = place; ; ) {
      const row = range.get(after) as [number | null, Buffer, string, Buffer];
      if (row[0] === null) return;
      yield { lastPlace: row[0], hashes: row[1], lengths: row[2].split(",").map(Number), bytes: row[3] };
      after = row[0];
    }
  }

  manifestAt(place: number): Buffer | undefined {
    return this.#database.prepare("SELECT hash FROM manifest WHERE rowid = ?").pluck().get(place) as Buffer | undefined;
  }

  manifest(hash: Sha256): Buffer | undefined {
    const sql = "SELECT bytes FROM manifest WHERE hash = ?";
    return this.#database.prepare(sql).pluck().get(Buffer.from(hash, "hex")) as Buffer | undefined;
  }

  close(): void {
    this.#database.close();
  }
}
