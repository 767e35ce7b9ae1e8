import { invariant, type Sha256, sha256 } from "../../base/index.ts";
import { type Entry, LedgerError } from "../ledger.ts";
import type { LedgerDatabase } from "../ledger-database.ts";
import type { LedgerRecord } from "../record.ts";
import { type EncodedRecord, leafHash, parseRecord } from "../record-codec.ts";
import { noteLeaf } from "../record-leaf.ts";

interface Row {
  readonly seq: number;
  readonly bytes: Buffer;
  readonly leaf: Buffer;
}

export interface RecordRow {
  readonly seq: number;
  readonly bytes: Buffer;
  readonly leaf: Sha256;
}

/** Rows fetched at a time: the connection stays free for writing between them. */
const CHUNK = 256;

/** Records and manifests in the ledger's file: reading them, and the rows that an append adds. */
export class RecordStore {
  readonly #path: string;
  readonly #origin: string;
  readonly #statements: ReturnType<typeof prepare>;
  /** Manifests this process has put in or seen; most chores share most of theirs. */
  readonly #kept = new Set<Sha256>();

  constructor(database: LedgerDatabase, path: string, origin: string) {
    this.#path = path;
    this.#origin = origin;
    this.#statements = prepare(database);
  }

  size(): number {
    return (this.#statements.size.get() as number | null) ?? 0;
  }

  /** Rows `from` to `to`, or fewer: from the first of them on. Empty past the end. */
  chunk(from: number, to: number): RecordRow[] {
    const end = Math.min(to, from + CHUNK);
    return this.#packed(from, end) ?? this.#rowByRow(from, end);
  }

  /** All in one row: a row costs ten times what its bytes do. `undefined` where one is not as rows are made. */
  #packed(from: number, to: number): RecordRow[] | undefined {
    const packed = this.#statements.packed.get({ from, to }) as [number, number, string, Buffer, Buffer];
    const [count, isSound, lengths, bytes, leaves] = packed;
    if (count === 0) return [];
    if (isSound !== 1 || !Buffer.isBuffer(bytes) || leaves.length !== 32 * count) return undefined;
    const rows: RecordRow[] = [];
    let at = 0;
    for (const length of lengths.split(",")) {
      const i = rows.length;
      const end = at + Number(length);
      const leaf = leaves.toString("hex", 32 * i, 32 * (i + 1)) as Sha256;
      rows.push({ seq: from + i, bytes: bytes.subarray(at, end), leaf });
      at = end;
    }
    return rows.length === count && at === bytes.length ? rows : undefined;
  }

  #rowByRow(from: number, to: number): RecordRow[] {
    const rows = this.#statements.range.all(from, to) as Row[];
    return rows.map((row) => {
      this.#checkTypes(row);
      return { seq: row.seq, bytes: row.bytes, leaf: row.leaf.toString("hex") as Sha256 };
    });
  }

  record(seq: number): LedgerRecord | undefined {
    const row = this.#statements.one.get(seq) as Row | undefined;
    if (row === undefined) return undefined;
    const leaf = this.#checkLeaf(row);
    const record = parseRecord(row.bytes, { seq: row.seq, log: this.#origin });
    noteLeaf(record, leaf);
    return record;
  }

  manifest(hash: Sha256): Buffer | undefined {
    const bytes = this.#statements.manifest.get(Buffer.from(hash, "hex")) as Buffer | undefined;
    if (bytes === undefined) return undefined;
    if (!Buffer.isBuffer(bytes)) throw new LedgerError("LEDGER_TAMPERED", `manifest ${hash} is not made of bytes`);
    const found = sha256(bytes);
    if (found === hash) return bytes;
    throw new LedgerError("LEDGER_TAMPERED", `manifest ${hash} has digest ${found}`);
  }

  /** Whether all of these are there and of their hashes. */
  hasManifests(hashes: readonly Sha256[]): boolean {
    const { manifests } = this.#statements;
    for (let from = 0; from < hashes.length; from += CHUNK) {
      const some = hashes.slice(from, from + CHUNK);
      const packed = manifests.get({ n: some.length, hashes: Buffer.from(some.join(""), "hex") });
      const [count, isSound, lengths, bytes] = packed as [number, number, string, Buffer];
      if (count !== some.length || isSound !== 1 || !Buffer.isBuffer(bytes)) return false;
      let at = 0;
      for (const [i, length] of lengths.split(",").entries()) {
        const end = at + Number(length);
        if (sha256(bytes.subarray(at, end)) !== some[i]) return false;
        at = end;
      }
      if (at !== bytes.length) return false;
    }
    return true;
  }

  /** Seqs of the control records. */
  controls(): number[] {
    return this.#statements.controls.all() as number[];
  }

  /** The end of the chain as it stands under the write lock. */
  head(): { size: number; leaf: Sha256 } {
    const row = this.#statements.head.get() as Row | undefined;
    invariant(row !== undefined, "a ledger without genesis was opened");
    return { size: row.seq + 1, leaf: this.#checkLeaf(row) };
  }

  insert(seq: number, record: EncodedRecord): void {
    this.#statements.insert.run(seq, record.bytes, Buffer.from(record.leaf, "hex"));
  }

  insertControl(seq: number, kind: string): void {
    this.#statements.control.run(seq, kind);
  }

  keep(manifests: Entry["manifests"]): void {
    for (const { hash, bytes } of manifests) {
      if (this.#kept.has(hash)) continue;
      invariant(sha256(bytes) === hash, () => `manifest ${hash} was handed over with other bytes`);
      this.#statements.keep.run(Buffer.from(hash, "hex"), bytes);
      this.#kept.add(hash);
    }
  }

  /** After a transaction that was not committed: what it put in is not there. */
  forget(): void {
    this.#kept.clear();
  }

  /** A damaged row may hold anything, whatever the table was made for. */
  #checkTypes(row: Row): void {
    if (Buffer.isBuffer(row.bytes) && Buffer.isBuffer(row.leaf)) return;
    throw new LedgerError("LEDGER_TAMPERED", `record ${row.seq} of ledger ${this.#path} is not made of bytes`);
  }

  #checkLeaf(row: Row): Sha256 {
    this.#checkTypes(row);
    const leaf = leafHash(row.bytes);
    if (leaf === row.leaf.toString("hex")) return leaf;
    throw new LedgerError("LEDGER_TAMPERED", `record ${row.seq} has leaf hash ${leaf}, not the one kept beside it`);
  }
}

function prepare(database: LedgerDatabase) {
  return {
    size: database.prepare("SELECT max(seq) + 1 FROM record").pluck(),
    head: database.prepare("SELECT seq, bytes, leaf FROM record ORDER BY seq DESC LIMIT 1"),
    one: database.prepare("SELECT seq, bytes, leaf FROM record WHERE seq = ?"),
    range: database.prepare("SELECT seq, bytes, leaf FROM record WHERE seq >= ? AND seq < ? ORDER BY seq"),
    // Sound: blobs one behind the other, from the first that was asked for on, each leaf hash of its length.
    packed: database
      .prepare(
        `SELECT count(*), min(typeof(bytes) = 'blob' AND typeof(leaf) = 'blob' AND length(leaf) = 32) AND min(seq) = @from
           AND max(seq) = @from + count(*) - 1, group_concat(length(bytes)), CAST(group_concat(bytes, '') AS BLOB),
           CAST(group_concat(leaf, '') AS BLOB)
         FROM (SELECT seq, bytes, leaf FROM record WHERE seq >= @from AND seq < @to ORDER BY seq)`,
      )
      .raw(),
    insert: database.prepare("INSERT INTO record (seq, bytes, leaf) VALUES (?, ?, ?)"),
    manifest: database.prepare("SELECT bytes FROM manifest WHERE hash = ?").pluck(),
    // One behind the other, in the order of `hashes`; each hash may stand there more than once.
    manifests: database
      .prepare(
        `WITH RECURSIVE wanted (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM wanted WHERE i + 1 < @n)
         SELECT count(*), min(typeof(bytes) = 'blob'), group_concat(length(bytes)), CAST(group_concat(bytes, '') AS BLOB)
         FROM wanted CROSS JOIN manifest ON manifest.hash = substr(@hashes, 32 * i + 1, 32)`,
      )
      .raw(),
    keep: database.prepare("INSERT OR IGNORE INTO manifest (hash, bytes) VALUES (?, ?)"),
    control: database.prepare("INSERT INTO control (seq, kind) VALUES (?, ?)"),
    controls: database.prepare("SELECT seq FROM control ORDER BY seq").pluck(),
  };
}
