import { isAtLeast } from "../base/index.ts";
import type { EvaluatedChore } from "../dictum-parser/index.ts";
import type { ExecutionPurpose, ExecutionRequest, ExecutionResult } from "../executor/index.ts";
import type { ExecBody } from "../provenance/index.ts";
import type { RunContext } from "./chore-run.ts";
import type { Decision } from "./events.ts";
import { requiredLevel } from "./levels.ts";
import type { Place } from "./place.ts";

/** Reasons that ask for an execution, and not for a result. */
const ASKS_FOR_A_RUN: ReadonlySet<Decision["reason"]> = new Set([
  "forced",
  "volatile",
  "challenge",
  "untrusted",
  "quarantined",
]);

export async function purposeOf(
  { recorder, options, rankMs }: Pick<RunContext, "options" | "recorder" | "rankMs">,
  chore: number,
  { dictum, label, attributes, tools }: EvaluatedChore,
  { reason }: Decision,
  attempt: number,
  expectedMs: number | undefined,
): Promise<ExecutionPurpose> {
  const { ledger } = await recorder.records();
  return {
    log: ledger.origin,
    build: recorder.build,
    chore: label,
    dictum,
    attempt,
    version: options.version,
    who: options.who,
    tools,
    mayBeCached: !attributes.nocache && !ASKS_FOR_A_RUN.has(reason),
    expectedMs,
    rankMs: rankMs(chore),
  };
}

/** How an execution elsewhere falls short of what one here would have had: isolation is never lowered in silence. */
export function tooWeak({ plan, levels }: RunContext, chore: number, { elsewhere, isolation }: ExecutionResult) {
  const required = requiredLevel(plan, chore, levels);
  if (elsewhere === undefined || isAtLeast(isolation.level, required)) return undefined;
  return `${elsewhere.rnode} ran it at level ${isolation.level}, and ${required} is asked for`;
}

/** Where a result of others was found. */
export const SHARED: { readonly place: Place } = { place: { on: "here", because: "others had executed it already" } };

/** A result that others share and that counts here; looked for where one of before will do. */
export async function sharedResult(
  context: RunContext,
  chore: number,
  { attributes, depfile }: Pick<EvaluatedChore, "attributes" | "depfile">,
  request: ExecutionRequest,
  purpose: ExecutionPurpose | undefined,
): Promise<ExecutionResult | undefined> {
  if (purpose?.mayBeCached !== true || attributes.interactive || attributes.traced || depfile !== undefined)
    return undefined;
  const shared = await context.rooms.sharedResults?.();
  const found = await shared?.find(request, purpose, context.signal);
  return found === undefined || tooWeak(context, chore, found) !== undefined ? undefined : found;
}

/** What shares a result of this machine once it is signed; `undefined` where it is not to be shared. */
export async function offering(
  { rooms }: Pick<RunContext, "rooms">,
  request: ExecutionRequest,
  result: ExecutionResult,
): Promise<((signed: ExecBody) => void) | undefined> {
  // What was not isolated at all is nobody else's to use.
  if (result.elsewhere !== undefined || result.isolation.level === "none") return undefined;
  const shared = await rooms.sharedResults?.();
  return shared?.offer && ((signed) => shared.offer?.(request, result, signed));
}
