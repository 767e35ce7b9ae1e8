import type { IsolationLevel, Sha256 } from "../../base/index.ts";
import type { IndexedExecution } from "../../cache/index.ts";
import { type DescribedAction, isOwnFile, pruneAction } from "../../executor/index.ts";
import { usedBy } from "../../provenance/index.ts";
import type { Decision } from "../events.ts";
import { readActionIfPossible } from "../explain-decision.ts";
import type { Plan } from "../plan.ts";
import type { Records } from "../rooms.ts";
import type { CheckoutState } from "../state.ts";

/** Why a result is used again. */
export type Reuse = Extract<Decision, { reason: "cached" | "unused input changed" }>;

/** Earlier executions of a chore that are looked at: beyond, executing is the cheaper answer. */
const MOST_CANDIDATES = 16;

/** Whether executions of this chore say which inputs they used. */
export const tracksUse = (plan: Plan, chore: number): boolean =>
  (plan.depfile(chore) !== undefined || plan.has(chore, "traced")) &&
  plan.columns.fixpoint[chore] === 0 &&
  !plan.has(chore, "nocache");

/**
 * An earlier result of the chore that stands for this action too, since both differ in nothing but the contents of inputs
 * that the earlier execution did not use. The one the checkout rests on comes first, then the oldest.
 */
export function prunedResult(
  plan: Plan,
  chore: number,
  state: CheckoutState,
  described: DescribedAction,
  { index, ledger, trust }: Records,
  minimum: IsolationLevel,
): { readonly execution: IndexedExecution; readonly decision: Reuse } | undefined {
  const standing = (state.seqs[chore] as number) - 1;
  const candidates = index.history(plan.label(chore), MOST_CANDIDATES).reverse();
  const first = candidates.findIndex(({ seq }) => seq === standing);
  if (first > 0) candidates.unshift(...candidates.splice(first, 1));
  const blobs = new Map<Sha256, Uint8Array>(described.manifests.map(({ hash, bytes }) => [hash, bytes]));
  const asked = described.request.actionDigest.hash;
  for (const candidate of candidates) {
    const record = ledger.record(candidate.seq);
    const used = record && usedBy(record, ledger);
    if (record?.kind !== "exec" || used === undefined) continue;
    if (pruneAction(asked, used, (hash) => blobs.get(hash)) !== record.used?.key) continue;
    const verdict = trust(candidate, record.action, minimum);
    if (!verdict.trusted) continue;
    const { execution } = verdict;
    const change = firstChange(record.action, described, (hash) => ledger.manifest(hash));
    if (change === undefined) continue;
    return { execution, decision: { reason: "unused input changed", ...change, seq: execution.seq } };
  }
  return undefined;
}

/** The first input whose content is another one now. */
function firstChange(
  before: Sha256,
  { listing }: DescribedAction,
  manifest: (hash: Sha256) => Uint8Array | undefined,
): { readonly input: string; readonly from: string; readonly to: string } | undefined {
  const earlier = new Map(readActionIfPossible(before, manifest)?.inputs.map(({ path, digest }) => [path, digest]));
  for (const { path, digest } of listing.inputs) {
    const from = earlier.get(path);
    if (from !== undefined && from !== digest && !isOwnFile(path)) return { input: path, from, to: digest };
  }
  return undefined;
}
