import type { IsolationLevel, WorkspacePath } from "../base/index.ts";
import type { ActionIndex, BlobStore, BulkFiles, ProcessTable } from "../cache/index.ts";
import type { Executor } from "../executor/index.ts";
import type { SourceProvider } from "../hermetic/index.ts";
import type { Clock, Log, Random } from "../ports/index.ts";
import type { Ledger, Signer } from "../provenance/index.ts";
import type { Checkout } from "./checkout.ts";
import type { Trust } from "./trust.ts";

/** Identity of the host's own tools: what takes the image's place in the key of a chore without one. */
export interface HostIdentity {
  /** Value of the platform property. */
  readonly image: string;
  /** Absolute paths that it rests on; while none changes it need not be worked out again. */
  readonly watched: readonly string[];
}

/** The ledger and what is derived from it; opened only when a build has something to look up or to record. */
export interface Records {
  readonly ledger: Ledger;
  readonly index: ActionIndex;
  readonly signer: Signer;
  /** Name of this machine in records. */
  readonly rnode: string;
  readonly trust: Trust;
  /** Brings the index up to the ledger. */
  catchUp(): void;
}

/** Everything a build needs from elsewhere. */
export interface BuildRooms {
  readonly checkout: Checkout;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly processes: ProcessTable;
  readonly blobs: BlobStore;
  readonly bulk: BulkFiles;
  /** Probed, chosen, and never lowered in silence; remembered after the first call. */
  executor(): Promise<{ readonly executor: Executor; readonly level: IsolationLevel }>;
  records(): Promise<Records>;
  readonly sources: SourceProvider;
  hostIdentity(tools: readonly string[]): HostIdentity;
  /** Directory of a declared source's tree. */
  sourceDirectory(name: string): WorkspacePath;
  /** A file that changes when a source's tree is replaced or removed. */
  sourceMarker(name: string): WorkspacePath;
}

export interface BuildOptions {
  readonly version: string;
  readonly entries: readonly WorkspacePath[];
  readonly targets: readonly string[];
  /** Where the user stands, from the workspace root. */
  readonly directory: WorkspacePath;
  readonly overrides: Readonly<Record<string, readonly string[]>>;
  readonly jobs: number;
  readonly keepGoing: boolean;
  readonly dryRun: boolean;
  readonly force: boolean;
  readonly everyOutput: boolean;
  readonly minIsolation: IsolationLevel | undefined;
  /** The user chose an executor or level, so this build says nothing about the default. */
  readonly choseExecutor: boolean;
  /** For chores that name none, milliseconds; 0 for none. */
  readonly timeoutMs: number;
  /** Capacities by name, beside `cpu` (= jobs). */
  readonly resources: Readonly<Record<string, number>>;
  readonly verbose: boolean;
  /** Who asked: login name. */
  readonly who: string;
  env(name: string): string | undefined;
}
