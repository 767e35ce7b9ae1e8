import type { IsolationLevel, Sha256 } from "../base/index.ts";
import type { IndexedExecution } from "../cache/index.ts";
import type { ActionListing, Candidate } from "../provenance/index.ts";

/** What a claimed hit is worth, once its record was read and verified. */
export type TrustVerdict =
  | {
      readonly trusted: true;
      readonly execution: IndexedExecution;
      /** The action that was executed, as it was read for checking. */
      readonly listing: Pick<ActionListing, "inputs">;
    }
  /** `quarantined`: somebody decided so; else it does not prove what it claims. */
  | { readonly trusted: false; readonly quarantined?: boolean; readonly because: string };

/** Reads the travail an index entry points at and checks everything a hit needs (design: the ledger is the truth). */
export type Trust = (candidate: Candidate, action: Sha256, minimum: IsolationLevel) => TrustVerdict;
