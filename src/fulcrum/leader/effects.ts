import type { PendingReason, PlacementReason } from "./reasons.ts";

/** What went wrong in one attempt. */
export interface AttemptFailure {
  readonly rnode: string;
  readonly text: string;
  /** The rnode is not made for it, whatever happens. */
  readonly isUnfit?: boolean;
}

/** How an execution ends for its client. */
export type Answer =
  | { readonly kind: "result"; readonly result: string; readonly rnode: string }
  | { readonly kind: "inputs-missing"; readonly digests: readonly string[] }
  /** REAPI: FAILED_PRECONDITION. */
  | {
      readonly kind: "refused";
      readonly property: string;
      readonly value: string;
      readonly known: readonly string[];
      readonly text: string;
    }
  /** Given up: REAPI UNAVAILABLE would be tried again for ever, so INTERNAL. */
  | { readonly kind: "failed"; readonly failures: readonly AttemptFailure[]; readonly text: string }
  | { readonly kind: "cancelled"; readonly because: "asked" | "client-lost" }
  /** Nothing is known of it: submit it again. Does not end an execution. */
  | { readonly kind: "unknown" };

export interface AssignEffect {
  readonly type: "assign";
  readonly rnode: string;
  readonly boot: string;
  readonly lease: string;
  readonly fence: number;
  readonly key: string;
  readonly action: string;
  /** An execution that wants it: context and inputs are taken from its request. */
  readonly execution: string;
  /** Last heartbeat heard: the lease ends `leaseMs` after *that* was sent, so that it ends for the rnode first. */
  readonly heard: number;
  readonly hedge: boolean;
  /** The one chore that decides whether an rnode leaves quarantine. */
  readonly probe: boolean;
  readonly reason: PlacementReason;
}

export interface CompareEffect {
  readonly type: "compare";
  readonly action: string;
  readonly rnode: string;
  /** The result that counts, and the one that came too late. */
  readonly counted: string;
  readonly late: string;
  /** `false` is a finding: the action is not reproducible, or somebody lies. */
  readonly isEqual: boolean;
}

export type CancelReason = "superseded" | "not-wanted" | "stale";

export type LeaderEffect =
  | AssignEffect
  | { readonly type: "cancel"; readonly rnode: string; readonly lease: string; readonly reason: CancelReason }
  | { readonly type: "renew"; readonly rnode: string; readonly sequence: number; readonly leases: readonly string[] }
  /** The rnode may forget the lease and its result. */
  | { readonly type: "acknowledge"; readonly rnode: string; readonly lease: string; readonly isCounted: boolean }
  /** Ends an execution, once; again only when a client asks for an execution that has ended. */
  | { readonly type: "answer"; readonly execution: string; readonly client: string; readonly answer: Answer }
  | {
      readonly type: "stage";
      readonly execution: string;
      readonly client: string;
      readonly stage: "queued" | "executing";
    }
  | CompareEffect
  | { readonly type: "quarantine"; readonly rnode: string; readonly untilMs: number; readonly text: string }
  | { readonly type: "release"; readonly rnode: string }
  /** Call with a timer event then; replaces an earlier one. */
  | { readonly type: "timer"; readonly at: number };

/** What a decision rests on, for status, `why` and tests. */
export type DecisionReason =
  | { readonly about: "queued"; readonly execution: string; readonly reason: PendingReason }
  | { readonly about: "merged"; readonly execution: string; readonly into: string; readonly action: string }
  | { readonly about: "placed"; readonly action: string; readonly rnode: string; readonly reason: PlacementReason }
  | {
      readonly about: "queued-again";
      readonly action: string;
      readonly executions: readonly string[];
      readonly rnode: string;
      readonly text: string;
    };
