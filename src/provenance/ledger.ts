import type { Sha256 } from "../base/index.ts";
import { BegatError } from "../base/index.ts";
import { isControlKind } from "./control/control-record.ts";
import type { SignedCheckpoint } from "./ledger/signed-checkpoint.ts";
import type { NoteSignature } from "./note/note.ts";
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

/** After these the ledger's size is signed; what a build did counts once it ended. */
export const isSealing = (kind: RecordBody["kind"]): boolean =>
  kind === "build.end" || kind === "ingest" || isControlKind(kind);

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
  /** `manifest`, at a fifth of the cost for whoever goes through the records in order. */
  manifestWalk(): (hash: Sha256) => Buffer | undefined;
  /**
   * Whether `manifest` would give each of these, asked for at a third of the cost. Unlike a walk it reads no manifest but
   * these, which counts where those between are long.
   */
  hasManifests(hashes: readonly Sha256[]): boolean;
  /** Seqs of the records of authority (`isControlKind`), in order; found without reading the others. */
  controlSeqs(): readonly number[];
  /**
   * Merkle root (RFC 6962) of the first `size` records; absent: of all that are durable now.
   *
   * @throws {RangeError} when there are fewer, here and in the two below.
   */
  root(size?: number): Sha256;
  /** What leads from record `seq` to the root of `size` records, leaf side first. */
  inclusion(seq: number, size: number): Uint8Array[];
  /** What shows that the tree of `second` records begins with that of `first`. */
  consistency(first: number, second: number): Uint8Array[];
  /**
   * A signed checkpoint of what is durable now, made if there is none. Never of a size that could be lost, never smaller
   * than one signed before, never a second root for a size.
   *
   * @throws {LedgerError} `LEDGER_ROLLED_BACK` when the ledger is not what was signed before, `LEDGER_IO` when it cannot be
   *   kept what is being signed. @throws {KeyError} without the log key. Nothing was signed.
   */
  checkpoint(): Promise<SignedCheckpoint>;
  /** Every size that was signed, oldest first. */
  checkpoints(): readonly SignedCheckpoint[];
  /** Adds lines of witnesses to the checkpoint of `size`; whoever calls has verified them. */
  cosign(size: number, lines: readonly NoteSignature[]): void;
  close(): void;
}
