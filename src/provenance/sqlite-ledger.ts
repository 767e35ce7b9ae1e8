import type { Sha256 } from "../base/index.ts";
import type { Clock, FileTree } from "../ports/index.ts";
import { isControlKind } from "./control/control-record.ts";
import { heldLogSigners, heldSigner } from "./control/held-keys.ts";
import type { KeyHistory } from "./control/key-history.ts";
import { readKeyHistory } from "./control/read-history.ts";
import { type KeyRole, loadSigner, type Signer } from "./keys.ts";
import { CheckpointStore } from "./ledger/checkpoint-store.ts";
import { ManifestWalk } from "./ledger/manifest-walk.ts";
import { RecordStore } from "./ledger/record-store.ts";
import type { SignedCheckpoint } from "./ledger/signed-checkpoint.ts";
import { TreeStore } from "./ledger/tree-store.ts";
import { type Appended, type Entry, isSealing, type Ledger, LedgerError } from "./ledger.ts";
import { asLedgerError, isBusy, type LedgerDatabase } from "./ledger-database.ts";
import { putListAway, takeListBack } from "./long-lists.ts";
import type { NoteSignature } from "./note/note.ts";
import { writePin, writeSecondPin } from "./pin.ts";
import type { LedgerRecord } from "./record.ts";
import { type EncodedRecord, encodeRecord, RecordError } from "./record-codec.ts";
import { leafOf, noteLeaf } from "./record-leaf.ts";

/** How long appends are gathered before they are synced together. */
export interface GroupWindow {
  readonly ms: number;
  readonly records: number;
}

export interface SqliteLedgerParts {
  readonly database: LedgerDatabase;
  readonly path: string;
  readonly stateHome: string;
  /** Where a second pin is kept; absent: nowhere. */
  readonly cacheHome?: string | undefined;
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

/** Another process may hold the write lock for as long as its disk takes; beyond this something is wrong. */
const BUSY_LIMIT_MS = 30_000;

/** The ledger in one SQLite file. Made by `openLedger`. */
export class SqliteLedger implements Ledger {
  readonly identity: Sha256;
  readonly origin: string;
  readonly path: string;
  readonly #parts: SqliteLedgerParts;
  readonly #database: LedgerDatabase;
  readonly #begin: () => void;
  readonly #commitNow: () => void;
  readonly #rollback: () => void;
  readonly #records: RecordStore;
  readonly #tree: TreeStore;
  readonly #checkpoints: CheckpointStore;
  readonly #signers = new Map<KeyRole, Signer>();
  #pending: Group[] = [];
  #pendingRecords = 0;
  #window: AbortController | undefined;
  #committing: Promise<void> | undefined;
  #failure: unknown;
  /** Something was appended here that the pin does not know yet. */
  #unpinned = false;
  /** A checkpoint is due and another process was writing. */
  #unsealed = false;
  #sealProblem: unknown;
  /** Whether what this connection reads is known to be on the disk. */
  #synced = false;

  constructor(parts: SqliteLedgerParts) {
    const { identity, origin, path, database, files, clock, stateHome } = parts;
    this.identity = identity;
    this.origin = origin;
    this.path = path;
    this.#parts = parts;
    this.#database = database;
    const [begin, commit, rollback] = ["BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"].map((sql) => database.prepare(sql));
    this.#begin = () => void begin?.run();
    this.#commitNow = () => void commit?.run();
    this.#rollback = () => void rollback?.run();
    this.#records = new RecordStore(database, path, origin);
    this.#tree = new TreeStore(database, path);
    const signers = () => this.#logSigners();
    const places = { database, tree: this.#tree, files, clock, stateHome, path, identity, origin };
    const history = () => readKeyHistory(this);
    this.#checkpoints = new CheckpointStore({ ...places, signers, history });
  }

  size(): number {
    return this.#reading(() => this.#records.size());
  }

  /**
   * The newest key of this machine that the ledger vouches for.
   *
   * @throws {KeyError} when it is missing, exposed or broken.
   * @throws {LedgerError} `LEDGER_FOREIGN` when it is another key than the ledger knows, or one that does not count any more.
   */
  signer(role: KeyRole = "rnode"): Signer {
    let signer = this.#signers.get(role);
    if (signer === undefined) {
      const { files, stateHome } = this.#parts;
      const history = readKeyHistory(this);
      signer = heldSigner(files, stateHome, history, role, this.size()) ?? this.#refuseKey(history, role);
      this.#signers.set(role, signer);
    }
    return signer;
  }

  /** Of the log: one key, or two while one replaces the other. */
  #logSigners(): readonly Signer[] {
    const { files, stateHome } = this.#parts;
    const signers = heldLogSigners(files, stateHome, readKeyHistory(this), this.size());
    return signers.length > 0 ? signers : [this.signer("log")];
  }

  #refuseKey(history: KeyHistory, role: KeyRole): never {
    const { key } = loadSigner(this.#parts.files, this.#parts.stateHome, role);
    const valid = history.validAt(key, this.size(), role);
    const because = valid.ok || valid.reason === "not-endorsed" ? "" : `: ${valid.because}`;
    const message = `ledger ${this.path} does not know the ${role} key ${key}${because}`;
    const hint =
      because === ""
        ? `a ledger and its keys belong together: restore both ${this.path} and the keys beside it, or move both away`
        : `the root key endorses another one: begat ledger endorse --new ${role}`;
    throw new LedgerError("LEDGER_FOREIGN", message, { hint });
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
      const rows = this.#reading(() => this.#records.chunk(next, to));
      yield* rows;
      const last = rows[rows.length - 1];
      if (last === undefined) return;
      next = last.seq + 1;
    }
  }

  record(seq: number): LedgerRecord | undefined {
    const record = this.#reading(() => this.#records.record(seq));
    if (record === undefined) return undefined;
    const whole = takeListBack(record, (hash) => this.manifest(hash));
    const leaf = leafOf(record);
    // What stands elsewhere stands there under its hash.
    if (leaf !== undefined) noteLeaf(whole, leaf);
    return whole;
  }

  manifest(hash: Sha256): Buffer | undefined {
    return this.#reading(() => this.#records.manifest(hash));
  }

  manifestWalk(): (hash: Sha256) => Buffer | undefined {
    const walk = new ManifestWalk(this.#database, (hash) => this.#records.manifest(hash));
    return (hash) => this.#reading(() => walk.manifest(hash));
  }

  hasManifests(hashes: readonly Sha256[]): boolean {
    return this.#reading(() => this.#records.hasManifests(hashes));
  }

  controlSeqs(): readonly number[] {
    return this.#reading(() => this.#records.controls());
  }

  root(size?: number): Sha256 {
    return this.#reading(() => this.#tree.root(this.#within(size)));
  }

  inclusion(seq: number, size: number): Uint8Array[] {
    return this.#reading(() => this.#tree.inclusion(seq, this.#within(size)));
  }

  consistency(first: number, second: number): Uint8Array[] {
    return this.#reading(() => this.#tree.consistency(first, this.#within(second)));
  }

  async checkpoint(): Promise<SignedCheckpoint> {
    if (this.#failure !== undefined) throw this.#closed();
    await this.flush();
    const { clock } = this.#parts;
    const startMs = clock.monotonicMs();
    for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 16)) {
      if (this.#failure !== undefined) throw this.#closed();
      const checkpoint = this.#sign();
      if (checkpoint !== undefined) {
        this.#sealProblem = undefined;
        this.#unsealed = false;
        this.#remember(checkpoint);
        return checkpoint;
      }
      if (clock.monotonicMs() - startMs > BUSY_LIMIT_MS) throw this.#held();
      await clock.sleep(waitMs);
    }
  }

  checkpoints(): readonly SignedCheckpoint[] {
    return this.#reading(() => this.#checkpoints.all());
  }

  cosign(size: number, lines: readonly NoteSignature[]): void {
    this.#reading(() => this.#checkpoints.cosign(size, lines));
  }

  /** Why the last size that should have been signed was not; `undefined` when nothing is wrong. */
  sealProblem(): unknown {
    return this.#sealProblem;
  }

  /** What SQLite itself finds wrong with the file; empty when nothing. Reads all of it. */
  checkStorage(): readonly string[] {
    const lines = this.#reading(() => this.#database.pragma("integrity_check(20)", { simple: false }));
    const found = (lines as { integrity_check: string }[]).map((line) => line.integrity_check);
    return found.length === 1 && found[0] === "ok" ? [] : found;
  }

  /** The subtrees that are kept, for whoever makes the tree anew and compares. */
  keptSubtrees(): IterableIterator<{ readonly level: number; readonly n: number; readonly hash: unknown }> {
    return this.#tree.kept();
  }

  /** `count` hashes of tile level `level` (0: leaf hashes, 1: roots of full 256 records...), from hash `first` on. */
  tileHashes(level: number, first: number, count: number): Uint8Array[] {
    return this.#reading(() => this.#tree.hashes(level, first, count));
  }

  close(): void {
    if (!this.#database.open) return;
    this.#window?.abort();
    this.#window = undefined;
    this.#fail(new LedgerError("LEDGER_CLOSED", `ledger ${this.path} was closed`));
    this.rest();
    this.#database.close();
  }

  /** Seals and pins what no checkpoint counts yet: nothing more will be appended for a while. */
  rest(): void {
    if (this.#unsealed) this.#seal();
    if (this.#unpinned) this.#pinUnsigned();
  }

  /** Brings the whole ledger into its file, as closing it does: whoever copies that has all of it. */
  tidy(): void {
    try {
      this.#database.pragma("wal_checkpoint(TRUNCATE)");
    } catch (error) {
      // Another process reads or writes; its own end does the same.
      if (!isBusy(error)) throw asLedgerError(error, this.path);
    }
  }

  /** A number that is another one after each commit of another connection. */
  foreignCommits(): number {
    return this.#reading(() => this.#database.pragma("data_version", { simple: true }) as number);
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
        this.#fail(this.#held());
        return;
      }
      await clock.sleep(waitMs);
    }
  }

  /** One transaction for all that is pending. `false` when another process is writing; everything else is settled. */
  #tryCommit(): boolean {
    if (this.#pending.length === 0 || this.#failure !== undefined) return true;
    try {
      this.#begin();
    } catch (error) {
      if (isBusy(error)) return false;
      this.#fail(asLedgerError(error, this.path));
      return true;
    }
    const results: { readonly group: Group; readonly appended: readonly Appended[] }[] = [];
    let seal = this.#unsealed;
    try {
      const head = this.#records.head();
      let { size, leaf } = head;
      for (const group of this.#pending) {
        const encoded = this.#encodeGroup(group, size, leaf);
        if (encoded === undefined) continue;
        const appended: Appended[] = [];
        for (const [i, record] of encoded.entries()) {
          const { kind } = (group.entries[i] as Entry).body;
          this.#records.insert(size, record);
          if (isControlKind(kind)) this.#records.insertControl(size, kind);
          seal ||= isSealing(kind);
          appended.push({ seq: size, leaf: record.leaf });
          leaf = record.leaf;
          size++;
        }
        for (const { manifests } of group.entries) this.#records.keep(manifests);
        results.push({ group, appended });
      }
      this.#tree.complete(head.size, size);
      this.#commitNow();
      this.#synced = true;
      this.#unpinned ||= results.length > 0;
    } catch (error) {
      this.#records.forget();
      this.#undo();
      this.#fail(asLedgerError(error, this.path));
      return true;
    }
    this.#pending = [];
    this.#pendingRecords = 0;
    for (const { group, appended } of results) group.resolve(appended);
    if (seal) this.#seal();
    return true;
  }

  #undo(): void {
    if (!this.#database.inTransaction) return;
    try {
      this.#rollback();
    } catch {
      // SQLite rolls back by itself after the graver errors; the first error is the one to report.
    }
  }

  /** Bytes of a group's records, or `undefined` after refusing it alone: the others are not at fault. */
  #encodeGroup(group: Group, size: number, leaf: Sha256): readonly EncodedRecord[] | undefined {
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

  /** Signs the present size; `undefined` when another process is writing. @throws when it must not or cannot be signed. */
  #sign(): SignedCheckpoint | undefined {
    try {
      // A process that was killed may have left records that can be read and were never synced.
      if (!this.#synced) this.#database.pragma("wal_checkpoint(PASSIVE)");
      this.#begin();
    } catch (error) {
      if (isBusy(error)) return undefined;
      throw asLedgerError(error, this.path);
    }
    try {
      const checkpoint = this.#checkpoints.sign(this.#records.size());
      this.#commitNow();
      this.#synced = true;
      return checkpoint;
    } catch (error) {
      this.#undo();
      throw asLedgerError(error, this.path);
    }
  }

  /** A checkpoint that nobody waits for. Records are durable without it, so it fails no build; `sealProblem` tells. */
  #seal(): void {
    try {
      const checkpoint = this.#sign();
      this.#unsealed = checkpoint === undefined;
      if (checkpoint !== undefined) this.#remember(checkpoint);
    } catch (error) {
      this.#unsealed = false;
      this.#sealProblem = error;
      this.#pinUnsigned();
    }
  }

  #remember({ size, root, note }: { size: number; root: Sha256; note?: string }): void {
    const { files, stateHome, cacheHome } = this.#parts;
    const pin = { ledger: this.identity, log: this.origin, size, root, ...(note === undefined ? {} : { note }) };
    writePin(files, stateHome, pin);
    if (cacheHome !== undefined) writeSecondPin(files, cacheHome, pin);
    this.#unpinned = false;
  }

  #pinUnsigned(): void {
    try {
      const size = this.#records.size();
      this.#remember({ size, root: this.#tree.root(size) });
    } catch (error) {
      this.#sealProblem ??= asLedgerError(error, this.path);
    }
  }

  /** Refuses what is pending and all that comes later. */
  #fail(error: unknown): void {
    this.#failure ??= error;
    const groups = this.#pending;
    this.#pending = [];
    this.#pendingRecords = 0;
    for (const group of groups) group.reject(error);
  }

  #held(): LedgerError {
    return new LedgerError("LEDGER_BUSY", `ledger ${this.path} is held by another process since ${BUSY_LIMIT_MS} ms`);
  }

  #closed(): unknown {
    const cause = this.#failure;
    if (cause instanceof LedgerError && cause.code === "LEDGER_CLOSED") return cause;
    return new LedgerError("LEDGER_CLOSED", `ledger ${this.path} takes no more records`, { cause });
  }

  #within(size: number | undefined): number {
    const present = this.#records.size();
    if (size === undefined) return present;
    if (Number.isSafeInteger(size) && size >= 0 && size <= present) return size;
    throw new RangeError(`ledger ${this.path} has ${present} records, not ${size}`);
  }

  #reading<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw asLedgerError(error, this.path);
    }
  }
}
