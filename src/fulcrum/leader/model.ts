import type { InputHints } from "./blob-hints.ts";
import type { AttemptFailure } from "./effects.ts";
import type { HeapElement, IndexedHeap } from "./heap.ts";
import type { Needs, Offer } from "./needs.ts";
import type { PlacementReason } from "./reasons.ts";

/** A deadline. What it is for tells its owner; the owner tells whether it still holds. */
export interface Alarm extends HeapElement {
  at: number;
  readonly order: number;
  readonly ring: Ring;
}

export type Ring =
  | { readonly kind: "lease-ends"; readonly lease: Lease }
  | { readonly kind: "overdue"; readonly lease: Lease }
  | { readonly kind: "silent"; readonly rnode: Rnode }
  | { readonly kind: "probe"; readonly rnode: Rnode }
  | { readonly kind: "client-gone"; readonly client: string; readonly until: number }
  | { readonly kind: "adopted" }
  | { readonly kind: "reserve-ends" }
  | { readonly kind: "retry" };

export interface Rnode extends Offer {
  readonly name: string;
  /** Position in the leader's list; blob hints know an rnode by it. */
  readonly number: number;
  boot: string;
  connection: number;
  slots: number;
  labels: Readonly<Record<string, string>>;
  images: readonly string[] | "any";
  isConnected: boolean;
  /** Not heard for `suspectMs`. */
  isSilent: boolean;
  isDraining: boolean;
  lastHeardMs: number;
  /** Sequence of the last heartbeat heard in this connection. */
  heard: number;
  /** By id; also cancelled ones, whose slot is taken until the rnode says otherwise. */
  readonly leases: Map<string, Lease>;
  silentAlarm: Alarm | undefined;
  /** Infrastructure failures since the last result. */
  failures: number;
  lastFailureMs: number;
  lastFailure: string;
  /** Refused an assignment: gets none until then. */
  pausedUntilMs: number;
  /** How often it was quarantined without a result in between. */
  quarantines: number;
  /** 0 while not in quarantine; else when the next probe may be placed. */
  probeAtMs: number;
  /** Actual by expected duration, smoothed; 1 is as expected. */
  slowness: number;
}

export interface Lease {
  readonly id: string;
  readonly fence: number;
  readonly rnode: Rnode;
  readonly chore: Chore;
  readonly isHedge: boolean;
  /** Last heartbeat heard before it was granted: by its sending the rnode knows the lease's end. */
  readonly heard: number;
  sentAtMs: number;
  endsAtMs: number;
  isAccepted: boolean;
  /** Told to stop: its result does not count any more. */
  isCancelled: boolean;
  startedAtMs: number | undefined;
  /** The build whose share it counts for. */
  charged: Invocation | undefined;
  /** Why it was placed there; unknown where an earlier leader placed it. */
  reason: PlacementReason | undefined;
  endAlarm: Alarm | undefined;
  overdueAlarm: Alarm | undefined;
}

export interface Invocation {
  readonly id: string;
  readonly order: number;
  weight: number;
  running: number;
  /** Executions that have not ended. */
  waiting: number;
  readonly lanes: Map<string, Lane>;
}

/** The queued chores of one build with the same needs and the same class. */
export interface Lane extends HeapElement {
  readonly key: string;
  readonly pool: Pool;
  readonly classIndex: number;
  readonly invocation: Invocation;
  readonly chores: IndexedHeap<Chore>;
}

/** All lanes with the same needs, by class. */
export interface Pool {
  readonly needs: Needs;
  /** Also those that are out of the order for the moment. */
  laneCount: number;
  readonly lanes: readonly IndexedHeap<Lane>[];
}

/** A client's request; several may wait for one chore. */
export interface Execution {
  readonly id: string;
  client: string;
  readonly invocation: Invocation;
  readonly classIndex: number;
  readonly submittedAtMs: number;
  readonly chore: Chore;
  readonly rankMs: number;
}

/** What is queued and run: one action, for everybody who wants it. */
export interface Chore extends HeapElement {
  readonly number: number;
  /** Equal for what may be merged; its own where nothing may. */
  readonly key: string;
  readonly action: string;
  needs: Needs;
  /** When it was first asked for; kept when it is queued again. */
  queuedAtMs: number;
  rankMs: number;
  /** What the client expects. */
  expectedMs: number | undefined;
  historyKey: string;
  inputs: InputHints;
  inputBytes: number;
  /** May be begun on a second rnode while it runs on a first. */
  mayRunTwice: boolean;
  readonly executions: Execution[];
  /** Those whose result would count. */
  readonly leases: Lease[];
  readonly failures: AttemptFailure[];
  /** Outcomes that came under a lease that had ended. */
  readonly late: { rnode: string; outcome: string }[];
  /** Not to be begun again before that where it failed. */
  retryAtMs: number;
  passes: number;
  /** How often it was ended for somebody who waits. */
  yields: number;
  /** Not to be begun earlier while rnodes are awaited: one of them may still run it. */
  notBeforeMs: number;
  lane: Lane | undefined;
  isEnded: boolean;
}

/** A finished chore, for comparing with what comes late. */
export interface Finished {
  readonly action: string;
  readonly outcome: string | undefined;
}
