import type { BlobStore } from "../../cache/index.ts";
import type { Clock, FileStreams, FileTree, Log, Random } from "../../ports/index.ts";
import type { Revocations } from "../authority/index.ts";
import type { LeaderConfig } from "../leader/index.ts";
import type { ActionResults, InstanceNames } from "../services/index.ts";
import type { BoundService } from "../wire/index.ts";
import type { RnodeTrust } from "./rnode-trust.ts";

export interface LeaderPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly files: FileTree;
  readonly streams: FileStreams;
  readonly log: Log;
}

export interface LeaderOptions {
  readonly ports: LeaderPorts;
  /** Of the machine that leads, for status. */
  readonly name: string;
  /** A directory of the leader's own: journal, epoch, durations. Made where it is not there. */
  readonly directory: string;
  readonly instances: InstanceNames;
  readonly blobs: BlobStore;
  readonly results: ActionResults;
  readonly trust: RnodeTrust;
  /** The memberships that are over, of which rnodes are told; absent: nobody says. */
  readonly revocations?: Pick<Revocations, "documents">;
  /** Origin of the farm's ledger: what travails are for whose client names no ledger of its own. */
  readonly ledgerOrigin: string;
  readonly version: string;
  /**
   * What actions run in that ask for no `container-image`. Part of the scope of their results, so that another default
   * is never answered with a result of this one.
   */
  readonly defaultImage?: string | undefined;
  readonly config?: Partial<Omit<LeaderConfig, "epoch">>;
}

/** Figures since start, and of now. */
export interface LeaderFigures {
  readonly submitted: number;
  readonly cacheHits: number;
  readonly executed: number;
  readonly failed: number;
  /** Ended because nobody wanted them any more, or by an operator. */
  readonly cancelled: number;
  readonly untrusted: number;
  readonly queuedAgain: number;
  readonly queued: number;
  readonly executing: number;
  readonly rnodes: number;
  readonly slots: number;
  readonly busy: number;
}

/** Executes what clients ask for on the rnodes that are connected. */
export interface Leader {
  /** Execution, Lease, Status, Resources and Control, for `startServer`. */
  readonly services: readonly BoundService[];
  /** For the capabilities service. */
  readonly priorities: { readonly minPriority: number; readonly maxPriority: number };
  figures(): LeaderFigures;
  /** Ends all streams and writes down what is still open; the next start goes on with it. */
  stop(): Promise<void>;
}
