import type { Digest } from "../../base/index.ts";
import type { farm, reapi } from "../../protocol/index.ts";
import type { CallContext } from "../wire/index.ts";

/** What an rnode was told to do. */
export interface AssignedWork {
  readonly action: Digest;
  /** `undefined` where an earlier leader assigned it, and what it said is not known any more. */
  readonly context: farm.TravailContext | undefined;
}

/** How far rnodes are believed. */
export interface RnodeTrust {
  /** The name that the caller's certificate gives it; `undefined` where callers prove nothing and may name themselves. */
  nameOf(context: CallContext): string | undefined;
  /** Why this result of an execution does not count; `undefined` where it does. */
  refusal(rnode: string, work: AssignedWork, result: reapi.ActionResult, message: farm.Result): string | undefined;
}

/** For a farm of one machine: whoever can connect is believed. */
export const BELIEVED: RnodeTrust = { nameOf: () => undefined, refusal: () => undefined };
