import type { Digest } from "../../base/index.ts";
import type { RecordedOutput } from "../../cache/index.ts";
import type { ExecutionPurpose, ExecutionRequest, ExecutionResult, SignedTravail } from "../../executor/index.ts";
import type { farm } from "../../protocol/index.ts";

/** A result that an rnode claims to prove. */
export interface ClaimedResult {
  readonly request: ExecutionRequest;
  readonly purpose: ExecutionPurpose;
  readonly travail: farm.Travail;
  /** It had been executed before: then the names it was signed under are whoever's asked first. */
  readonly cached: boolean;
  readonly outputs: readonly RecordedOutput[];
  readonly exitCode: number;
  readonly stdout: Digest;
  readonly stderr: Digest;
  /** What the recipe wrote to BEGAT_UP. */
  readonly properties: string | undefined;
}

/** What was proven about an execution. */
export type ProvenFacts = Pick<
  ExecutionResult,
  "verdict" | "detail" | "isolation" | "startedAtMs" | "finishedAtMs" | "durationMs"
> & {
  readonly rnode: string;
  /** The rnode says that the result may be used again. */
  readonly isCacheable: boolean;
  readonly travail: SignedTravail;
};

export type TravailVerdict =
  | { readonly ok: true; readonly facts: ProvenFacts }
  /** `again`: executed anew for this ledger, it may well be proven; its key has only not spoken for this ledger yet. */
  | { readonly ok: false; readonly because: string; readonly again: boolean };

/**
 * Whether a result is what an endorsed rnode signed about this very action (docs/formats.md, "Travails on the wire"). Who
 * wires the rooms offers it: this one knows neither ledger nor records.
 */
export type TravailCheck = (claimed: ClaimedResult) => Promise<TravailVerdict>;
