import { STAT_NUMBERS } from "../ports/index.ts";
import type { Plan } from "./plan.ts";
import { CheckoutState, emptyColumns } from "./state.ts";

/**
 * A state for a new plan that keeps what still holds: digests and signatures by path, actions and outcomes of chores
 * declared exactly as before.
 */
export function carryState(before: CheckoutState, was: Plan, plan: Plan, planId: string): CheckoutState {
  const columns = emptyColumns(plan.pathCount, plan.choreCount);
  const state = new CheckoutState(planId, plan.pathCount, plan.choreCount, columns);
  state.reads = before.reads;
  state.hosts = before.hosts;
  state.defaultLevels = before.defaultLevels;
  const pathBefore = new Map<string, number>();
  for (let path = 0; path < was.pathCount; path++) pathBefore.set(was.path(path), path);
  for (let path = 0; path < plan.pathCount; path++) {
    const old = pathBefore.get(plan.path(path));
    if (old === undefined) continue;
    // A path that turned from source to output, or back, means another thing.
    if ((was.columns.producer[old] as number) >= 0 !== (plan.columns.producer[path] as number) >= 0) continue;
    columns.signatures.set(before.signature(old), path * STAT_NUMBERS);
    columns.sizes[path] = before.sizes[old] as number;
    columns.hashes.set(before.hashes.subarray(old * 32, (old + 1) * 32), path * 32);
    columns.pathFlags[path] = before.pathFlags[old] as number;
    const members = before.members.get(old);
    if (members) state.setMembers(path, members);
    const text = before.texts.get(old);
    if (text !== undefined) state.setText(path, text);
  }
  const choreBefore = new Map<string, number>();
  for (let chore = 0; chore < was.choreCount; chore++) choreBefore.set(was.label(chore), chore);
  for (let chore = 0; chore < plan.choreCount; chore++) {
    const old = choreBefore.get(plan.label(chore));
    if (old === undefined) continue;
    columns.durationsMs[chore] = before.durationsMs[old] as number;
    const alike = [0, 1].every((i) => was.columns.declared[2 * old + i] === plan.columns.declared[2 * chore + i]);
    if (!alike) continue;
    columns.actions.set(before.columns.actions.subarray(old * 32, (old + 1) * 32), chore * 32);
    columns.seqs[chore] = before.seqs[old] as number;
    columns.settled[chore] = before.settled[old] as number;
    columns.levels[chore] = before.levels[old] as number;
  }
  return state;
}
