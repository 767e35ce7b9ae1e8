import type { Sha256 } from "../../base/index.ts";
import type { Clock, FileTree } from "../../ports/index.ts";
import type { KeyHistory } from "../control/key-history.ts";
import { LedgerError } from "../ledger.ts";
import type { LedgerDatabase } from "../ledger-database.ts";
import { type NoteSignature, parseNote, signatureLine, withSignatures } from "../note/note.ts";
import { lastSignedPath, readLastSigned, type SignedHead, signingProblem, writeLastSigned } from "./last-signed.ts";
import { type LogSigner, type SignedCheckpoint, signCheckpoint } from "./signed-checkpoint.ts";
import type { TreeStore } from "./tree-store.ts";

export interface CheckpointStoreParts {
  readonly database: LedgerDatabase;
  readonly tree: TreeStore;
  readonly files: FileTree;
  readonly clock: Clock;
  readonly stateHome: string;
  readonly path: string;
  readonly identity: Sha256;
  readonly origin: string;
  /** The keys that sign now, first the one that counts. */
  readonly signers: () => readonly LogSigner[];
  /** Read when what was signed before is contradicted. */
  readonly history: () => KeyHistory;
}

interface Row {
  readonly size: number;
  readonly root: Buffer;
  readonly note: string;
}

/** The signed sizes of a ledger, and the one place where a log key is used. */
export class CheckpointStore {
  readonly #parts: CheckpointStoreParts;
  readonly #statements: ReturnType<typeof prepare>;
  /** Once a sync failed nobody knows what is on the disk: this process signs nothing more. */
  #broken: LedgerError | undefined;

  constructor(parts: CheckpointStoreParts) {
    this.#parts = parts;
    this.#statements = prepare(parts.database);
  }

  /** Every checkpoint ever signed here, oldest first. */
  all(): SignedCheckpoint[] {
    return (this.#statements.all.all() as Row[]).map((row) => this.#opened(row));
  }

  newest(): SignedCheckpoint | undefined {
    const row = this.#statements.newest.get() as Row | undefined;
    return row && this.#opened(row);
  }

  /** Keeps witnesses' lines on the checkpoint of `size`; they have been verified. Lines it has are not repeated. */
  cosign(size: number, lines: readonly NoteSignature[]): void {
    if (this.#statements.at.get(size) === undefined) {
      throw new LedgerError("LEDGER_FOREIGN", `ledger ${this.#parts.path} has no checkpoint of ${size} records`);
    }
    for (const line of lines) this.#statements.cosign.run(size, signatureLine(line));
  }

  /**
   * Signs the present size, inside a transaction that holds the write lock: what it is about was synced by whoever
   * committed it. The caller commits, and only then shows the checkpoint to anybody.
   *
   * @throws {LedgerError} and nothing was signed; the caller rolls back.
   */
  sign(size: number): SignedCheckpoint {
    if (this.#broken !== undefined) throw this.#broken;
    const { tree, files, stateHome, identity, origin, path, clock, signers } = this.#parts;
    const root = tree.root(size);
    const newest = this.newest();
    if (newest?.size === size) {
      if (newest.root === root) return newest;
      throw new LedgerError("LEDGER_TAMPERED", `ledger ${path} has another root than was signed at ${size} records`);
    }
    const next: SignedHead = { ledger: identity, size, root };
    const last = readLastSigned(files, stateHome);
    if (last.state === "malformed") {
      throw new LedgerError("LEDGER_IO", `nothing is signed: ${last.problem}`, {
        hint: `put ${lastSignedPath(stateHome)} back from a backup that is as new as the ledger`,
      });
    }
    const signed = [
      ...(last.state === "present" ? [last.head] : []),
      ...(newest === undefined ? [] : [{ ledger: identity, size: newest.size, root: newest.root }]),
    ];
    for (const head of signed) {
      const problem = signingProblem(head, next, (at) => tree.root(at));
      if (problem === undefined || (head.ledger === identity && this.#isGivenUp(head))) continue;
      throw new LedgerError("LEDGER_ROLLED_BACK", `nothing is signed: ledger ${path} is another history: ${problem}`);
    }
    const keys = signers();
    try {
      writeLastSigned(files, stateHome, next);
    } catch (cause) {
      this.#broken = new LedgerError("LEDGER_IO", `nothing is signed: cannot keep ${lastSignedPath(stateHome)}`, {
        cause,
      });
      throw this.#broken;
    }
    const checkpoint = signCheckpoint(origin, size, root, keys);
    const time = new Date(clock.nowMs()).toISOString();
    this.#statements.insert.run(size, Buffer.from(root, "hex"), checkpoint.note, time);
    return checkpoint;
  }

  /**
   * Whether a root key gave up what was signed. The key that signed it has fallen with it: no key ever signs two histories,
   * so those that sign now were endorsed after the decision.
   */
  #isGivenUp(head: SignedHead): boolean {
    const history = this.#parts.history();
    const restore = history.restores.findLast(({ lost }) => lost.size === head.size && lost.root === head.root);
    if (restore === undefined) return false;
    return this.#parts.signers().every(({ entry }) => (history.get(entry.id)?.since ?? 0) > restore.seq);
  }

  #opened(row: Row): SignedCheckpoint {
    const { path } = this.#parts;
    try {
      const lines = this.#statements.cosignatures.all(row.size) as string[];
      const more = lines.flatMap((line) => parseNote(`\n\n${line}`).signatures);
      const note = more.length === 0 ? row.note : withSignatures(row.note, more);
      return { size: row.size, root: row.root.toString("hex") as Sha256, note };
    } catch (cause) {
      throw new LedgerError("LEDGER_TAMPERED", `the checkpoint of ${row.size} records in ledger ${path} was changed`, {
        cause,
      });
    }
  }
}

function prepare(database: LedgerDatabase) {
  return {
    all: database.prepare("SELECT size, root, note FROM checkpoint ORDER BY size"),
    newest: database.prepare("SELECT size, root, note FROM checkpoint ORDER BY size DESC LIMIT 1"),
    at: database.prepare("SELECT size FROM checkpoint WHERE size = ?"),
    insert: database.prepare("INSERT INTO checkpoint (size, root, note, time) VALUES (?, ?, ?, ?)"),
    cosignatures: database.prepare("SELECT line FROM cosignature WHERE size = ? ORDER BY line").pluck(),
    cosign: database.prepare("INSERT OR IGNORE INTO cosignature (size, line) VALUES (?, ?)"),
  };
}
