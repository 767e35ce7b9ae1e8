import type { Digest, IsolationLevel, Sha256 } from "../base/index.ts";

/** An output as a travail names it. A tree's digest is that of its REAPI Tree message. */
export interface RecordedOutput {
  readonly path: string;
  readonly kind: "file" | "tree" | "symlink";
  /** Of a symlink: the digest of its target's text. */
  readonly digest: Digest;
  readonly executable: boolean;
  /** Of a symlink only. */
  readonly target?: string;
}

/** What the action cache says about one execution: a pointer into the ledger, never a truth of its own. */
export interface IndexedExecution {
  /** Place in the ledger, 0-based. */
  readonly seq: number;
  readonly action: Sha256;
  /** `dictum(args)`: what durations and history are kept under. */
  readonly chore: string;
  readonly level: IsolationLevel;
  /** Key id of who signed it. */
  readonly key: Sha256;
  readonly outputs: readonly RecordedOutput[];
  readonly properties: Readonly<Record<string, string>>;
  readonly durationMs: number;
  /** Wall time, milliseconds since 1970. */
  readonly finishedAtMs: number;
}

/**
 * The action cache and the history, derived from the ledger and deletable at any time. It can be behind (then work is
 * done again) or wrong (then what it points at does not verify); it never answers by itself.
 */
export interface ActionIndex {
  /** Identity (leaf hash of genesis) and size of the ledger it was derived from; `undefined` when empty. */
  position(): { readonly ledger: Sha256; readonly size: number } | undefined;
  /** Adds executions and moves the position, in one transaction. */
  add(executions: readonly IndexedExecution[], position: { readonly ledger: Sha256; readonly size: number }): void;
  /** Executions of exactly this action, newest first; none that is quarantined. */
  find(action: Sha256): IndexedExecution[];
  /** `find` leaves this execution out from now on: another one of the same action gave another result. */
  quarantine(seq: number): void;
  /** The newest execution of this action that is quarantined. */
  quarantined(action: Sha256): number | undefined;
  /** Executions of this chore, newest first, at most `limit`: for reasons ("input changed") and history. */
  history(chore: string, limit: number): IndexedExecution[];
  /** Executions that produced this blob or tree, newest first. */
  producers(hash: Sha256): IndexedExecution[];
  /** Executions that produced something at this workspace path, newest first, at most `limit`. */
  producersOfPath(path: string, limit: number): IndexedExecution[];
  /** How long the newest execution of each chore took, milliseconds; those never seen are left out. */
  durationsMs(chores: readonly string[]): Map<string, number>;
  /** Forgets everything, for a ledger of another identity or a rebuild. */
  clear(): void;
}
