import type { IsolationLevel, WorkspacePath } from "../base/index.ts";
import { STAT_NUMBERS } from "../ports/index.ts";
import type { Checkout } from "./checkout.ts";
import { checkReads } from "./freshness.ts";
import type { QuickProof } from "./glance.ts";
import { type Levels, levelTest } from "./levels.ts";
import { FLAG, type Plan } from "./plan.ts";
import type { LoadedPlan } from "./plan-file.ts";
import { planKey } from "./plan-file.ts";
import { type CheckoutState, memberSignature, PATH } from "./state.ts";
import { type Selection, selectTargets } from "./targets.ts";
import { signatureOf, type WarmBuild } from "./warm-build.ts";

export interface QuickRequest {
  readonly version: string;
  readonly entries: readonly string[];
  readonly overrides: Readonly<Record<string, readonly string[]>>;
  readonly targets: readonly string[];
  readonly directory: WorkspacePath;
  readonly everyOutput: boolean;
  /** Level asked for; without it, what the last build without a wish had. */
  readonly minIsolation: IsolationLevel | undefined;
  env(name: string): string | undefined;
}

/** `upToDate`: proven by stats alone. Else the first thing that was not as remembered, and what was loaded. */
export type QuickAnswer =
  | {
      readonly upToDate: true;
      readonly chores: number;
      readonly level: IsolationLevel;
      readonly warnings: LoadedPlan["facts"]["warnings"];
      readonly proof?: QuickProof;
    }
  | { readonly upToDate: false; readonly because: string };

/**
 * Asks whether there is nothing to do, by one stat for every file that matters and no digest. Reads the plan and the
 * state of the last build, nothing else: no ledger, no index, no parser. "No" is always safe; the build then looks
 * properly.
 *
 * @param warm Keeps what was read, for a build that begins with it unless somebody writes another meanwhile.
 */
export function quickCheck(checkout: Checkout, request: QuickRequest, warm?: WarmBuild): QuickAnswer {
  const no = (because: string): QuickAnswer => ({ upToDate: false, because });
  const saved = warm && signatureOf(checkout);
  const loaded = checkout.loadPlan();
  if (loaded === undefined) return no("there is no plan");
  const { plan, facts } = loaded;
  if (facts.key !== planKey(request.version, request.entries, request.overrides)) return no("another question");
  const state = checkout.loadState();
  if (state === undefined || state.planId !== loaded.id) return no("there is no state for this plan");
  warm?.begin({ loaded, state, hosts: new Map(Object.entries(state.hosts)), ingested: [] }, saved);
  for (const [name, value] of facts.env) if ((request.env(name) ?? null) !== value) return no(`$${name} changed`);
  const reads = checkReads(checkout, state.reads);
  if (!reads.fresh) return no(`${reads.stale} changed`);

  const selection = selectTargets(plan, facts.groups, request.targets, request.directory, request.everyOutput);
  warm?.choose(selection);
  const { inputOffsets, inputs, producer } = plan.columns;
  const wish = request.minIsolation;
  const levels = wish === undefined ? state.defaultLevels : { host: wish, image: wish };
  if (levels === undefined) return no("no isolation was measured");
  const undone = firstUnsettled(plan, state, selection, levels);
  if (undone !== undefined) return no(undone);
  const looked = new Uint8Array(plan.pathCount);
  const numbers = new Float64Array(STAT_NUMBERS);
  const prefix = checkout.root === "" ? "" : `${checkout.root}/`;
  const same = (path: number): boolean => {
    if (looked[path]) return true;
    looked[path] = 1;
    if (state.pathFlags[path] !== undefined && (state.pathFlags[path] as number) & (PATH.tree | PATH.symlink)) {
      return sameMembers(checkout, state, path, plan.path(path));
    }
    return checkout.fs.statInto(prefix + plan.path(path), numbers, 0) && state.hasSignature(path, numbers, 0);
  };
  for (let chore = 0; chore < plan.choreCount; chore++) {
    if (!selection.needed[chore]) continue;
    for (let i = inputOffsets[chore] as number; i < (inputOffsets[chore + 1] as number); i++) {
      const path = (inputs[i] as number) >>> 1;
      // What a chore makes, or what stands in a tree that a chore makes, comes from the store, not from the checkout.
      if ((producer[path] as number) >= 0 || (state.pathFlags[path] as number) === 0) continue;
      if (!same(path)) return no(plan.path(path));
    }
  }
  for (const entry of selection.wanted) if (!same(entry >>> 1)) return no(plan.path(entry >>> 1));
  if (reads.refreshed !== undefined) {
    state.reads = reads.refreshed;
    checkout.saveState(state);
  }
  return {
    upToDate: true,
    chores: selection.neededCount,
    level: state.weakestLevel(selection.needed, plan) ?? levels.host,
    warnings: facts.warnings,
    proof: { plan, state, selection, variables: facts.env.map(([name]) => name) },
  };
}

/** The first needed chore that has to be looked at whatever its inputs are, and why; `undefined` where all are settled. */
export function firstUnsettled(
  plan: Plan,
  state: CheckoutState,
  selection: Selection,
  levels: Levels,
): string | undefined {
  const { flags } = plan.columns;
  const isStrong = levelTest(plan, state, levels);
  for (let chore = 0; chore < plan.choreCount; chore++) {
    if (!selection.needed[chore]) continue;
    if (!state.settled[chore] || (flags[chore] as number) & FLAG.volatile) return plan.label(chore);
    if (!isStrong(chore)) return `${plan.label(chore)} ran at a lower level`;
  }
  return undefined;
}

/** A tree by its members, each directory's and file's own signature; a symlink output by its target. */
export function sameMembers(checkout: Checkout, state: CheckoutState, path: number, name: string): boolean {
  const target = state.texts.get(path);
  if (target !== undefined) {
    const found = checkout.fs.lstat(checkout.absolute(name));
    return found?.kind === "symlink" && checkout.fs.readLink(checkout.absolute(name)) === target;
  }
  const members = state.members.get(path);
  if (members === undefined) return false;
  const numbers = new Float64Array(STAT_NUMBERS);
  for (const member of members) {
    if (!memberSignature(checkout, member.path, member.flags, numbers)) return false;
    for (let i = 0; i < STAT_NUMBERS; i++) if (numbers[i] !== member.signature[i]) return false;
  }
  return true;
}
