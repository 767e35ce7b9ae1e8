import type { Sha256 } from "../base/index.ts";
import { BegatError } from "../base/index.ts";
import type { LedgerRecord, RecordBody } from "./record.ts";

export type LedgerErrorCode =
  /** Bytes, hashes or links that do not agree. Exit code 3. */
  | "LEDGER_TAMPERED"
  /** The file is no SQLite database, or a damaged one. Exit code 3. */
  | "LEDGER_UNREADABLE"
  /** Shorter than, or another one than, what the pin remembers. Exit code 4. */
  | "LEDGER_ROLLED_BACK"
  /** A database, but not a ledger this begat can read; or a ledger of other keys. */
  | "LEDGER_FOREIGN"
  /** There is none, and it was not to be made. */
  | "LEDGER_ABSENT"
  | "LEDGER_NOT_WRITABLE"
  | "LEDGER_FULL_DISK"
  /** The disk answered with an error of its own. */
  | "LEDGER_IO"
  /** Another process held it for longer than anybody should. */
  | "LEDGER_BUSY"
  /** Closed, or given up after a failed append. */
  | "LEDGER_CLOSED";

export class LedgerError extends BegatError<LedgerErrorCode> {}

/** A blob that must outlive the cache so that a record can be verified: Action, Command, Directory, manifest. */
export interface ManifestBlob {
  readonly hash: Sha256;
  readonly bytes: Uint8Array;
}

/** Body of a record together with the manifests it names; they become durable with it or not at all. */
export interface Entry {
  readonly body: RecordBody;
  readonly manifests: readonly ManifestBlob[];
}

export interface Appended {
  readonly seq: number;
  readonly leaf: Sha256;
}

/**
 * The append-only, hash-chained ledger. Several processes may append; each append takes its place when it becomes
 * durable. Appends are grouped: one sync for all that came within a few milliseconds.
 */
export interface Ledger {
  /** Leaf hash of genesis. */
  readonly identity: Sha256;
  readonly origin: string;
  /** Records durable now, by whoever. */
  size(): number;
  /**
   * Adds entries, in order, next to each other. Resolves when they are durable.
   *
   * @throws {LedgerError} Nothing of the group was kept, and the ledger takes no more from this process.
   * @throws {RecordError} An entry is no record, or is too large; only this group is refused.
   */
  append(entries: readonly Entry[]): Promise<readonly Appended[]>;
  /** Does not wait for the group window: syncs what is pending now. */
  flush(): Promise<void>;
  /** Canonical bytes of records `from` (inclusive) to `to` (exclusive). */
  read(
    from: number,
    to: number,
  ): IterableIterator<{ readonly seq: number; readonly bytes: Buffer; readonly leaf: Sha256 }>;
  /** One record, parsed; `undefined` past the end. Its leaf hash is checked against its bytes. */
  record(seq: number): LedgerRecord | undefined;
  /** A manifest, its bytes checked against its hash; `undefined` when the ledger has none. */
  manifest(hash: Sha256): Buffer | undefined;
  close(): void;
}
