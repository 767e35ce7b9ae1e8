import { codeOf, explain, type IsolationLevel } from "../base/index.ts";
import type { IndexedExecution } from "../cache/index.ts";
import type { DescribedAction } from "../executor/index.ts";
import { usedBy } from "../provenance/index.ts";
import type { ChoreActions } from "./chore-action.ts";
import { prunedResult, type Reuse, tracksUse } from "./depfile/pruned-result.ts";
import type { Decision } from "./events.ts";
import { explainDifference, readActionIfPossible } from "./explain-decision.ts";
import type { Plan } from "./plan.ts";
import type { Records } from "./rooms.ts";
import type { CheckoutState } from "./state.ts";

/** What is to be done with a chore, and why. */
export type Verdict =
  | { readonly act: "settle" }
  | {
      readonly act: "use";
      readonly execution: IndexedExecution;
      readonly described: DescribedAction;
      readonly decision: Reuse;
    }
  | { readonly act: "execute"; readonly decision: Decision; readonly described: DescribedAction }
  | { readonly act: "refuse"; readonly because: string };

export type Executable = Extract<Verdict, { act: "execute" }>;

export interface Question {
  readonly chore: number;
  /** Some input, or the declaration, may differ from what the last result rests on. */
  readonly isDirty: boolean;
  /** Decided beforehand: `forced`, `volatile`, `evicted`. */
  readonly mustRun: Decision | undefined;
}

/**
 * Decides about one chore whose inputs are all known. Looks at plan, state, index and ledger; changes nothing.
 *
 * @param records `undefined` where nothing was ever recorded.
 */
export async function decide(
  question: Question,
  plan: Plan,
  state: CheckoutState,
  actions: ChoreActions,
  minimum: IsolationLevel,
  records: () => Promise<Records | undefined>,
): Promise<Verdict> {
  const { chore, isDirty, mustRun } = question;
  if (!isDirty && mustRun === undefined) return { act: "settle" };
  let described: DescribedAction;
  try {
    described = await describe(chore, actions, records);
  } catch (error) {
    return { act: "refuse", because: explain(error) };
  }
  const action = described.request.actionDigest.hash;
  if (mustRun !== undefined) return { act: "execute", decision: mustRun, described };
  // Changed and changed back, or declared otherwise to the same effect.
  if (
    state.seqs[chore] !== 0 &&
    state.action(chore) === action &&
    plan.outputsOf(chore).every((entry) => state.knows(entry >>> 1))
  ) {
    return { act: "settle" };
  }
  const known = await records();
  if (known === undefined) return { act: "execute", decision: { reason: "new" }, described };
  const { index, ledger, trust } = known;
  let distrust: Decision | undefined;
  if (!plan.has(chore, "nocache")) {
    // The oldest first: a later result that is another one does not take its place.
    for (const candidate of index.find(action).reverse()) {
      const verdict = trust(candidate, action, minimum);
      if (verdict.trusted) {
        const { execution } = verdict;
        return { act: "use", execution, described, decision: { reason: "cached", seq: execution.seq } };
      }
      distrust = { reason: verdict.quarantined ? "quarantined" : "untrusted", because: verdict.because };
    }
  }
  if (distrust !== undefined) return { act: "execute", decision: distrust, described };
  const quarantined = index.quarantined(action);
  if (quarantined !== undefined) {
    const because = `record ${quarantined} came out otherwise when it was checked`;
    return { act: "execute", decision: { reason: "quarantined", because }, described };
  }
  if (tracksUse(plan, chore)) {
    const pruned = prunedResult(plan, chore, state, described, known, minimum);
    if (pruned !== undefined) return { act: "use", described, ...pruned };
  }
  const was =
    (state.seqs[chore] as number) > 0 ? (state.seqs[chore] as number) - 1 : index.history(plan.label(chore), 1)[0]?.seq;
  if (was === undefined) return { act: "execute", decision: { reason: "new" }, described };
  const record = ledger.record(was);
  const before =
    record?.kind === "exec" ? readActionIfPossible(record.action, (hash) => ledger.manifest(hash)) : undefined;
  const now = { ...described.listing, ...listingRest(described) };
  // What the earlier execution did not read is not why this one is needed.
  const used = record && usedBy(record, ledger);
  const decision = (used && explainDifference(before, now, was, (path) => used.has(path))) ??
    explainDifference(before, now, was) ?? { reason: "new" };
  return { act: "execute", decision, described };
}

/** A list of files that the store has let go stands in the ledger, which need not be open yet. */
async function describe(
  chore: number,
  actions: ChoreActions,
  records: () => Promise<Records | undefined>,
): Promise<DescribedAction> {
  try {
    return actions.describe(chore);
  } catch (error) {
    if (codeOf(error) !== "CHORE_TREE_LOST") throw error;
    await records();
    return actions.describe(chore);
  }
}

/** What `readAction` tells beyond the listing, from the request at hand. */
export function listingRest(described: DescribedAction) {
  const { request } = described;
  const modes = new Map(request.inputs.map(({ path, executable }) => [path as string, executable]));
  return {
    inputRoot: described.inputRoot,
    outputPaths: described.outputPaths,
    inputs: described.listing.inputs.map(({ path, digest }) => ({
      path,
      digest,
      executable: modes.get(path) ?? false,
    })),
    links: request.links,
    recipe: described.recipe,
  };
}
