/** Who is served first: strictly in this order, whatever share a build has. */
export const PRIORITY_CLASSES = ["interactive", "ci", "background"] as const;
export type PriorityClass = (typeof PRIORITY_CLASSES)[number];

/** A blob by the text of its digest, e.g. `hash/size`; only ever compared. */
export interface SizedBlob {
  readonly digest: string;
  readonly sizeBytes: number;
}

/** One client's wish to have one action executed. The action cache was looked into before, where it may be. */
export interface Submission {
  /** Name of the operation, unique for ever: a client that asks again is told of the same execution by it. */
  readonly execution: string;
  readonly client: string;
  /** The build it belongs to: shares are counted by it. */
  readonly invocation: string;
  /** Share of the build among others of its class; above 0. */
  readonly weight: number;
  readonly class: PriorityClass;
  readonly action: string;
  /** What else the result depends on (instance, default image): equal actions merge only within one scope. */
  readonly scope: string;
  /** REAPI platform properties; `container-image` is the image, every other one a label. */
  readonly platform: readonly (readonly [name: string, value: string])[];
  readonly inputs: readonly SizedBlob[];
  /** What chores are compared with across builds for their durations: the same for a chore whose inputs changed. */
  readonly historyKey: string;
  /** From the client's own records. */
  readonly expectedMs: number | undefined;
  /** Upward rank: the longest way in milliseconds from this chore's start to its build's end. */
  readonly rankMs: number | undefined;
  /** Wants an execution begun after it asked: joins no chore that has been begun. */
  readonly skipCache: boolean;
  /** Joins nothing, is joined by nothing and is never begun twice at once. */
  readonly doNotCache: boolean;
  /** When it was first asked for, where that was before now: from the journal of a leader that was restarted. */
  readonly submittedAt?: number;
}

/** A lease that an rnode still has when it connects: running, or finished and not acknowledged. */
export interface HeldLease {
  readonly lease: string;
  readonly fence: number;
  readonly key: string;
  readonly action: string;
}

/** How an execution ended on an rnode. */
export type RnodeOutcome =
  /** It ran, whatever the exit code. `result` is for whoever answers the client; equal `outcome`s mean the same result. */
  | { readonly kind: "done"; readonly result: string; readonly outcome: string; readonly durationMs: number }
  /** The rnode could not run it; it says nothing about the action. */
  | { readonly kind: "infrastructure"; readonly text: string }
  /** Blobs that the store no longer has: the client must bring them again. */
  | { readonly kind: "inputs-missing"; readonly digests: readonly string[] }
  /** What came back does not hold: unsigned, by a wrong key, for another action, bytes that are not their digest's. */
  | { readonly kind: "untrusted"; readonly text: string }
  /** Stopped as it was told, or at its lease's end. */
  | { readonly kind: "stopped" };

interface FromRnode {
  readonly rnode: string;
  readonly boot: string;
}

interface OfLease extends FromRnode {
  readonly lease: string;
  readonly fence: number;
}

export interface HelloEvent extends FromRnode {
  readonly type: "hello";
  /** Number of the connection: a later one replaces it, and its loss is then no news. */
  readonly connection: number;
  readonly slots: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Images it has, or "any" where it fetches what it needs. */
  readonly images: readonly string[] | "any";
  readonly held: readonly HeldLease[];
}

export interface ResultEvent extends OfLease {
  readonly type: "result";
  readonly key: string;
  readonly action: string;
  readonly outcome: RnodeOutcome;
  /** Blobs the rnode has from now on. */
  readonly outputs: readonly SizedBlob[];
}

export interface RestoredEvent {
  readonly type: "restored";
  /** What was not answered, in the order it was submitted. */
  readonly submissions: readonly Submission[];
  /** Rnodes that may hold leases of the leader that was. */
  readonly rnodes: readonly string[];
}

export type LeaderEvent =
  | { readonly type: "submit"; readonly submission: Submission }
  | { readonly type: "wait"; readonly execution: string; readonly client: string }
  | { readonly type: "cancel"; readonly execution: string }
  | { readonly type: "client-lost"; readonly client: string }
  | { readonly type: "client-back"; readonly client: string }
  | HelloEvent
  /** Renews what it lists. `sequence` grows by one with each. */
  | (FromRnode & { readonly type: "heartbeat"; readonly sequence: number; readonly held: readonly string[] })
  | (OfLease & { readonly type: "accepted" })
  | (OfLease & { readonly type: "running" })
  /** Not begun. `isUnfit`: the rnode is not made for it, which is no fault of the rnode. */
  | (OfLease & { readonly type: "refused"; readonly text: string; readonly isUnfit: boolean })
  | ResultEvent
  | (FromRnode & { readonly type: "draining" })
  | { readonly type: "rnode-lost"; readonly rnode: string; readonly connection: number }
  | {
      readonly type: "blobs";
      readonly rnode: string;
      readonly added: readonly SizedBlob[];
      readonly dropped: readonly string[];
    }
  /** Recorded durations, oldest first: from the ledger's index at start. */
  | { readonly type: "history"; readonly historyKey: string; readonly durationsMs: readonly number[] }
  | { readonly type: "timer" }
  | RestoredEvent;
