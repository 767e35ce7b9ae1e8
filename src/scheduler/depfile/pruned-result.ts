import type { IsolationLevel, Sha256 } from "../../base/index.ts";
import type { IndexedExecution } from "../../cache/index.ts";
import { type DescribedAction, isOwnFile, pruneAction } from "../../executor/index.ts";
import { type ActionListing, usedBy } from "../../provenance/index.ts";
import type { Decision } from "../events.ts";
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
  const blobs = new Map<Sha256, Uint8Array>(described.manifests.map(({ hash, bytes }) => [hash, bytes]));
  const asked = described.request.actionDigest.hash;
  // By the list of what was used, which hardly ever differs between executions of one chore.
  const keys = new Map<Sha256, Sha256 | undefined>();
  for (const seq of candidates(index, plan.label(chore), (state.seqs[chore] as number) - 1)) {
    const record = ledger.record(seq);
    if (record?.kind !== "exec" || record.used === undefined) continue;
    const { root, key } = record.used;
    if (!keys.has(root)) {
      const used = usedBy(record, ledger);
      keys.set(root, used && pruneAction(asked, used, (hash) => blobs.get(hash)));
    }
    if (keys.get(root) !== key) continue;
    const verdict = trust({ seq, record }, record.action, minimum);
    if (!verdict.trusted) continue;
    const { execution, listing } = verdict;
    const change = firstChange(listing, described);
    if (change === undefined) continue;
    return { execution, decision: { reason: "unused input changed", ...change, seq: execution.seq } };
  }
  return undefined;
}

/** Records of a chore's executions, as they are to be looked at; the index is asked only where the first is not enough. */
function* candidates(index: Records["index"], label: string, standing: number): Generator<number> {
  if (standing >= 0) yield standing;
  for (const { seq } of index.history(label, MOST_CANDIDATES).reverse()) if (seq !== standing) yield seq;
}

/** The first input whose content is another one now. */
function firstChange(
  before: Pick<ActionListing, "inputs">,
  { listing }: DescribedAction,
): { readonly input: string; readonly from: string; readonly to: string } | undefined {
  const earlier = new Map(before.inputs.map(({ path, digest }) => [path, digest]));
  for (const { path, digest } of listing.inputs) {
    const from = earlier.get(path);
    if (from !== undefined && from !== digest && !isOwnFile(path)) return { input: path, from, to: digest };
  }
  return undefined;
}
