import { invariant, type Sha256, sha256 } from "../base/index.ts";
import type { Clock, FileTree } from "../ports/index.ts";
import { type KeyRole, loadSigner, type Signer } from "./keys.ts";
import { type Appended, type Entry, type Ledger, LedgerError } from "./ledger.ts";
import { asLedgerError, isBusy, type LedgerDatabase } from "./ledger-database.ts";
import { putListAway, takeListBack } from "./long-lists.ts";
import { writePin } from "./pin.ts";
import type { LedgerRecord } from "./record.ts";
import { encodeRecord, leafHash, parseRecord, RecordError } from "./record-codec.ts";

/** How long appends are gathered before they are synced together. */
export interface GroupWindow {
  readonly ms: number;
  readonly records: number;
}

export interface SqliteLedgerParts {
  readonly database: LedgerDatabase;
  readonly path: string;
  readonly stateHome: string;
  readonly identity: Sha256;
  readonly origin: string;
  readonly files: FileTree;
  readonly clock: Clock;
  readonly window: GroupWindow;
}

interface Group {
  readonly entries: readonly Entry[];
  readonly resolve: (appended: readonly Appended[]) => void;
  readonly reject: (error: unknown) => void;
}

interface Row {
  readonly seq: number;
  readonly bytes: Buffer;
  readonly leaf: Buffer;
}

/** Rows fetched at a time: the connection stays free for writing between them. */
const CHUNK = 512;

/** Another process may hold the write lock for as long as its disk takes; beyond this something is wrong. */
const BUSY_LIMIT_MS = 30_000;

/** The ledger in one SQLite file. Made by `openLedger`. */
export class SqliteLedger implements Ledger {
  readonly identity: Sha256;
  readonly origin: string;
  readonly path: string;
  readonly #parts: SqliteLedgerParts;
  readonly #database: LedgerDatabase;
  readonly #statements: ReturnType<typeof prepare>;
  /** Manifests this process has put in or seen; most chores share most of theirs. */
  readonly #kept = new Set<Sha256>();
  readonly #signers = new Map<KeyRole, Signer>();
  #pending: Group[] = [];
  #pendingRecords = 0;
  #window: AbortController | undefined;
  #committing: Promise<void> | undefined;
  #failure: unknown;
  #pinnable: { size: number; leaf: Sha256 } | undefined;

  constructor(parts: SqliteLedgerParts) {
    this.identity = parts.identity;
    this.origin = parts.origin;
    this.path = parts.path;
    this.#parts = parts;
    this.#database = parts.database;
    this.#statements = prepare(parts.database);
  }

  size(): number {
    return this.#reading(() => (this.#statements.size.get() as number | null) ?? 0);
  }

  /**
   * The key of this machine that genesis vouches for.
   *
   * @throws {KeyError} when it is missing, exposed or broken.
   * @throws {LedgerError} `LEDGER_FOREIGN` when it is another key than genesis names.
   */
  signer(role: KeyRole = "rnode"): Signer {
    let signer = this.#signers.get(role);
    if (signer === undefined) {
      signer = loadSigner(this.#parts.files, this.#parts.stateHome, role);
      const genesis = this.record(0);
      const entry = genesis?.kind === "genesis" ? genesis.keys.find((key) => key.id === signer?.key) : undefined;
      if (entry?.role !== role) {
        throw new LedgerError("LEDGER_FOREIGN", `ledger ${this.path} does not know the ${role} key ${signer.key}`, {
          hint: `a ledger and its keys belong together: restore both ${this.path} and the keys beside it, or move both away`,
        });
      }
      signer = { ...signer, entry };
      this.#signers.set(role, signer);
    }
    return signer;
  }

  append(entries: readonly Entry[]): Promise<readonly Appended[]> {
    if (this.#failure !== undefined) return Promise.reject(this.#closed());
    if (entries.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      this.#pending.push({ entries: entries.map(putListAway), resolve, reject });
      this.#pendingRecords += entries.length;
      if (this.#pendingRecords >= this.#parts.window.records) void this.#commit();
      else if (this.#window === undefined && this.#committing === undefined) this.#openWindow();
    });
  }

  async flush(): Promise<void> {
    while (this.#pending.length > 0 || this.#committing !== undefined) await this.#commit();
  }

  *read(from: number, to: number): IterableIterator<{ seq: number; bytes: Buffer; leaf: Sha256 }> {
    for (let next = Math.max(0, from); next < to; ) {
      const rows = this.#reading(() => this.#statements.range.all(next, Math.min(to, next + CHUNK)) as Row[]);
      for (const row of rows) {
        this.#checkTypes(row);
        yield { seq: row.seq, bytes: row.bytes, leaf: row.leaf.toString("hex") as Sha256 };
      }
      if (rows.length === 0) return;
      next = (rows[rows.length - 1] as Row).seq + 1;
    }
  }

  record(seq: number): LedgerRecord | undefined {
    const row = this.#reading(() => this.#statements.one.get(seq) as Row | undefined);
    if (row === undefined) return undefined;
    const record = this.#parsed(row);
    return takeListBack(record, (hash) => this.manifest(hash));
  }

  manifest(hash: Sha256): Buffer | undefined {
    const bytes = this.#reading(() => this.#statements.manifest.get(Buffer.from(hash, "hex")) as Buffer | undefined);
    if (bytes === undefined) return undefined;
    if (!Buffer.isBuffer(bytes)) throw new LedgerError("LEDGER_TAMPERED", `manifest ${hash} is not made of bytes`);
    const found = sha256(bytes);
    if (found === hash) return bytes;
    throw new LedgerError("LEDGER_TAMPERED", `manifest ${hash} has digest ${found}`);
  }

  /** What SQLite itself finds wrong with the file; empty when nothing. Reads all of it. */
  checkStorage(): readonly string[] {
    const lines = this.#reading(() => this.#database.pragma("integrity_check(20)", { simple: false }));
    const found = (lines as { integrity_check: string }[]).map((line) => line.integrity_check);
    return found.length === 1 && found[0] === "ok" ? [] : found;
  }

  close(): void {
    if (!this.#database.open) return;
    this.#window?.abort();
    this.#window = undefined;
    this.#fail(new LedgerError("LEDGER_CLOSED", `ledger ${this.path} was closed`));
    this.#pin();
    this.#database.close();
  }

  #openWindow(): void {
    const window = new AbortController();
    this.#window = window;
    this.#parts.clock.sleep(this.#parts.window.ms, window.signal).then(
      () => {
        if (this.#window === window) void this.#commit();
      },
      () => undefined,
    );
  }

  /** Makes what is pending durable; several callers share one attempt. */
  #commit(): Promise<void> {
    if (this.#committing !== undefined) return this.#committing;
    this.#window?.abort();
    this.#window = undefined;
    if (this.#tryCommit()) return Promise.resolve();
    this.#committing = this.#commitWhenFree().finally(() => {
      this.#committing = undefined;
      if (this.#pending.length > 0) this.#openWindow();
    });
    return this.#committing;
  }

  /** SQLite's own waiting would stop the whole build; this lets it go on. */
  async #commitWhenFree(): Promise<void> {
    const { clock } = this.#parts;
    const startMs = clock.monotonicMs();
    for (let waitMs = 1; !this.#tryCommit(); waitMs = Math.min(waitMs * 2, 16)) {
      if (clock.monotonicMs() - startMs > BUSY_LIMIT_MS) {
        this.#fail(
          new LedgerError("LEDGER_BUSY", `ledger ${this.path} is held by another process since ${BUSY_LIMIT_MS} ms`),
        );
        return;
      }
      await clock.sleep(waitMs);
    }
  }

  /** One transaction for all that is pending. `false` when another process is writing; everything else is settled. */
  #tryCommit(): boolean {
    const { begin, commit } = this.#statements;
    if (this.#pending.length === 0 || this.#failure !== undefined) return true;
    try {
      begin.run();
    } catch (error) {
      if (isBusy(error)) return false;
      this.#fail(asLedgerError(error, this.path));
      return true;
    }
    const groups = this.#pending;
    const results: { readonly group: Group; readonly appended: readonly Appended[] }[] = [];
    let pin = false;
    try {
      let { size, leaf } = this.#head();
      for (const group of groups) {
        const encoded = this.#encodeGroup(group, size, leaf);
        if (encoded === undefined) continue;
        const appended: Appended[] = [];
        for (const record of encoded) {
          this.#statements.insert.run(size, record.bytes, Buffer.from(record.leaf, "hex"));
          appended.push({ seq: size, leaf: record.leaf });
          leaf = record.leaf;
          size++;
        }
        for (const entry of group.entries) {
          this.#keep(entry);
          pin ||= entry.body.kind === "build.end" || entry.body.kind === "ingest";
        }
        results.push({ group, appended });
      }
      commit.run();
      this.#pinnable = { size, leaf };
    } catch (error) {
      this.#kept.clear();
      if (this.#database.inTransaction) this.#rollBack();
      this.#fail(asLedgerError(error, this.path));
      return true;
    }
    this.#pending = [];
    this.#pendingRecords = 0;
    for (const { group, appended } of results) group.resolve(appended);
    if (pin) this.#pin();
    return true;
  }

  #rollBack(): void {
    try {
      this.#statements.rollback.run();
    } catch {
      // SQLite rolls back by itself after the graver errors; the first error is the one to report.
    }
  }

  /** Bytes of a group's records, or `undefined` after refusing it alone: the others are not at fault. */
  #encodeGroup(group: Group, size: number, leaf: Sha256): readonly { bytes: Buffer; leaf: Sha256 }[] | undefined {
    const atMs = this.#parts.clock.nowMs();
    let prev = leaf;
    try {
      return group.entries.map(({ body }, i) => {
        const encoded = encodeRecord(body, { log: this.origin, seq: size + i, prev, atMs });
        prev = encoded.leaf;
        return encoded;
      });
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      group.reject(error);
      return undefined;
    }
  }

  #keep(entry: Entry): void {
    for (const { hash, bytes } of entry.manifests) {
      if (this.#kept.has(hash)) continue;
      invariant(sha256(bytes) === hash, () => `manifest ${hash} was handed over with other bytes`);
      this.#statements.keep.run(Buffer.from(hash, "hex"), bytes);
      this.#kept.add(hash);
    }
  }

  /** The end of the chain as it stands under the write lock. */
  #head(): { size: number; leaf: Sha256 } {
    const row = this.#statements.head.get() as Row | undefined;
    invariant(row !== undefined, "a ledger without genesis was opened");
    const leaf = leafHash(row.bytes);
    if (leaf !== row.leaf.toString("hex")) {
      throw new LedgerError("LEDGER_TAMPERED", `record ${row.seq} has leaf hash ${leaf}, not the one kept beside it`);
    }
    return { size: row.seq + 1, leaf };
  }

  /** A damaged row may hold anything, whatever the table was made for. */
  #checkTypes(row: Row): void {
    if (Buffer.isBuffer(row.bytes) && Buffer.isBuffer(row.leaf)) return;
    throw new LedgerError("LEDGER_TAMPERED", `record ${row.seq} of ledger ${this.path} is not made of bytes`);
  }

  #parsed(row: Row): LedgerRecord {
    this.#checkTypes(row);
    const leaf = leafHash(row.bytes);
    if (leaf !== row.leaf.toString("hex")) {
      throw new LedgerError("LEDGER_TAMPERED", `record ${row.seq} has leaf hash ${leaf}, not the one kept beside it`);
    }
    return parseRecord(row.bytes, { seq: row.seq, log: this.origin });
  }

  #pin(): void {
    if (this.#pinnable === undefined) return;
    const pin = { ledger: this.identity, log: this.origin, ...this.#pinnable };
    this.#pinnable = undefined;
    writePin(this.#parts.files, this.#parts.stateHome, pin);
  }

  /** Refuses what is pending and all that comes later. */
  #fail(error: unknown): void {
    this.#failure ??= error;
    const groups = this.#pending;
    this.#pending = [];
    this.#pendingRecords = 0;
    for (const group of groups) group.reject(error);
  }

  #closed(): unknown {
    const cause = this.#failure;
    if (cause instanceof LedgerError && cause.code === "LEDGER_CLOSED") return cause;
    return new LedgerError("LEDGER_CLOSED", `ledger ${this.path} takes no more records`, { cause });
  }

  #reading<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw asLedgerError(error, this.path);
    }
  }
}

function prepare(database: LedgerDatabase) {
  return {
    begin: database.prepare("BEGIN IMMEDIATE"),
    commit: database.prepare("COMMIT"),
    rollback: database.prepare("ROLLBACK"),
    size: database.prepare("SELECT max(seq) + 1 FROM record").pluck(),
    head: database.prepare("SELECT seq, bytes, leaf FROM record ORDER BY seq DESC LIMIT 1"),
    one: database.prepare("SELECT seq, bytes, leaf FROM record WHERE seq = ?"),
    range: database.prepare("SELECT seq, bytes, leaf FROM record WHERE seq >= ? AND seq < ? ORDER BY seq"),
    insert: database.prepare("INSERT INTO record (seq, bytes, leaf) VALUES (?, ?, ?)"),
    manifest: database.prepare("SELECT bytes FROM manifest WHERE hash = ?").pluck(),
    keep: database.prepare("INSERT OR IGNORE INTO manifest (hash, bytes) VALUES (?, ?)"),
  };
}
