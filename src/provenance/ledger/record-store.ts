import { invariant, type Sha256, sha256 } from "../../base/index.ts";
import { type Entry, LedgerError } from "../ledger.ts";
import type { LedgerDatabase } from "../ledger-database.ts";
import type { LedgerRecord } from "../record.ts";
import { type EncodedRecord, leafHash, parseRecord } from "../record-codec.ts";

interface Row {
  readonly seq: number;
  readonly bytes: Buffer;
  readonly leaf: Buffer;
}

/** Rows fetched at a time: the connection stays free for writing between them. */
const CHUNK = 512;

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
  chunk(from: number, to: number): { seq: number; bytes: Buffer; leaf: Sha256 }[] {
    const rows = this.#statements.range.all(from, Math.min(to, from + CHUNK)) as Row[];
    return rows.map((row) => {
      this.#checkTypes(row);
      return { seq: row.seq, bytes: row.bytes, leaf: row.leaf.toString("hex") as Sha256 };
    });
  }

  record(seq: number): LedgerRecord | undefined {
    const row = this.#statements.one.get(seq) as Row | undefined;
    if (row === undefined) return undefined;
    this.#checkLeaf(row);
    return parseRecord(row.bytes, { seq: row.seq, log: this.#origin });
  }

  manifest(hash: Sha256): Buffer | undefined {
    const bytes = this.#statements.manifest.get(Buffer.from(hash, "hex")) as Buffer | undefined;
    if (bytes === undefined) return undefined;
    if (!Buffer.isBuffer(bytes)) throw new LedgerError("LEDGER_TAMPERED", `manifest ${hash} is not made of bytes`);
    const found = sha256(bytes);
    if (found === hash) return bytes;
    throw new LedgerError("LEDGER_TAMPERED", `manifest ${hash} has digest ${found}`);
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
    insert: database.prepare("INSERT INTO record (seq, bytes, leaf) VALUES (?, ?, ?)"),
    manifest: database.prepare("SELECT bytes FROM manifest WHERE hash = ?").pluck(),
    keep: database.prepare("INSERT OR IGNORE INTO manifest (hash, bytes) VALUES (?, ?)"),
    control: database.prepare("INSERT INTO control (seq, kind) VALUES (?, ?)"),
    controls: database.prepare("SELECT seq FROM control ORDER BY seq").pluck(),
  };
}
