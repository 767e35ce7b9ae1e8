import type { Digest } from "../../base/index.ts";
import type { farm, reapi } from "../../protocol/index.ts";
import type { CallContext } from "../wire/index.ts";

/** What an rnode was told to do. */
export interface AssignedWork {
  readonly action: Digest;
  /** Names it is to sign; `undefined` where an earlier leader assigned it, and what it said is not known any more. */
  readonly context: farm.TravailContext | undefined;
}

export type Belief =
  /** `isCacheable` as who vouches for the result says; `isRevoked` is asked again whenever the result is used again. */
  | { readonly holds: true; readonly isCacheable: boolean; readonly isRevoked: () => boolean }
  | { readonly holds: false; readonly because: string };

/** How far rnodes are believed. */
export interface RnodeTrust {
  /** The name that the caller's certificate gives it; `undefined` where callers prove nothing and may name themselves. */
  nameOf(context: CallContext): string | undefined;
  /** Whether this result of an execution counts: one that an rnode just brought, or with `rnode` `undefined` one that was kept. */
  belief(rnode: string | undefined, work: AssignedWork, result: reapi.ActionResult): Belief;
}

/** For tests, and a farm of one machine: whoever can connect is believed. */
export const BELIEVED: RnodeTrust = {
  nameOf: () => undefined,
  belief: () => ({ holds: true, isCacheable: true, isRevoked: () => false }),
};
