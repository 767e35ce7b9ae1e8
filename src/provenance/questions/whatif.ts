import type { Digest, Sha256 } from "../../base/index.ts";
import { type Answer, type Evidence, evidenceAt, type History } from "./evidence.ts";
import type { ArtifactQuery } from "./prov-show.ts";
import { provTree } from "./prov-tree.ts";

/**
 * The digest that an action would have with other inputs; `undefined` where the action cannot be written again exactly.
 * Offered by whoever wires the rooms, since this one does not know the protocol.
 *
 * @param swaps By path.
 */
export type ActionRewriter = (
  action: Sha256,
  swaps: ReadonlyMap<string, Digest>,
  manifest: (hash: Sha256) => Buffer | undefined,
) => Sha256 | undefined;

export interface WhatIfStep {
  readonly evidence: Evidence;
  /** `unchanged`: the same action. `known`: another action, whose result the ledger has. `execute`: another action, never
   * executed. `open`: its inputs depend on results that are not known. */
  readonly state: "unchanged" | "known" | "execute" | "open";
  /** Inputs that would be others. */
  readonly inputs: readonly string[];
  /** The digest of the other action, where it can be told. */
  readonly action: Sha256 | undefined;
  /** The execution the ledger has of it. */
  readonly by: Evidence | undefined;
  /** Its outputs would be the same bytes all the same, so that nothing after it changes on its account. */
  readonly cutOff: boolean;
}

export interface WhatIfAnswer {
  /** The executions behind the artifact, in the order they happened. */
  readonly steps: readonly WhatIfStep[];
  /** What the artifact would be, as far as the ledger knows; `undefined`: something would have to be executed. */
  readonly result: Sha256 | undefined;
}

/** What would become of an artifact if a file among all it was made from were another one. Nothing is executed. */
export function whatIf(
  history: History,
  query: ArtifactQuery,
  swap: { readonly from: Sha256; readonly to: Digest },
  rewrite: ActionRewriter,
): Answer<WhatIfAnswer> {
  const tree = provTree(history, query);
  if (!tree.found) return tree;
  const behind = new Map<number, Evidence>();
  const waiting = [tree.answer];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (node.origin.kind !== "execution") continue;
    behind.set(node.origin.making.evidence.seq, node.origin.making.evidence);
    waiting.push(...node.inputs);
  }
  /** What stands for a digest; `undefined`: not known. */
  const instead = new Map<Sha256, Digest | undefined>([[swap.from, swap.to]]);
  const steps = [...behind.values()]
    .sort((a, b) => a.seq - b.seq)
    .map((evidence) => {
      const step = replan(history, evidence, instead, rewrite);
      if (step.state !== "unchanged") settle(step, instead);
      return step;
    });
  const { digest } = tree.answer;
  return { found: true, answer: { steps, result: instead.has(digest) ? instead.get(digest)?.hash : digest } };
}

function replan(
  history: History,
  evidence: Evidence,
  instead: ReadonlyMap<Sha256, Digest | undefined>,
  rewrite: ActionRewriter,
): WhatIfStep {
  const { ledger } = history;
  const swaps = new Map<string, Digest | undefined>();
  for (const { path, digest } of evidence.listing?.inputs ?? []) {
    if (instead.has(digest)) swaps.set(path, instead.get(digest));
  }
  const inputs = [...swaps.keys()];
  const step = (state: WhatIfStep["state"], action?: Sha256, by?: Evidence): WhatIfStep => {
    return { evidence, state, inputs, action, by, cutOff: by !== undefined && sameOutputs(evidence, by) };
  };
  if (swaps.size === 0) return step("unchanged", evidence.record.action);
  const known = new Map<string, Digest>();
  for (const [path, digest] of swaps) if (digest !== undefined) known.set(path, digest);
  if (known.size < swaps.size) return step("open");
  const action = rewrite(evidence.record.action, known, (hash) => ledger.manifest(hash));
  if (action === undefined) return step("open");
  for (const seq of history.index.executionsOfAction(action)) {
    const found = evidenceAt(history, seq);
    if (found?.record.kind === "exec" && found.record.action === action && found.signature === "holds") {
      return step("known", action, found);
    }
  }
  return step("execute", action);
}

const sameOutputs = (one: Evidence, other: Evidence): boolean => {
  const of = ({ record }: Evidence) => record.out.map(({ p, d }) => `${p} ${d}`).join("\n");
  return of(one) === of(other);
};

/** Notes what the outputs of a step would be. */
function settle({ evidence, by }: WhatIfStep, instead: Map<Sha256, Digest | undefined>): void {
  for (const { p, d } of evidence.record.out) {
    const now = by?.record.out.find((output) => output.p === p);
    if (now?.d !== d) instead.set(d, now && { hash: now.d, sizeBytes: now.n });
  }
}
