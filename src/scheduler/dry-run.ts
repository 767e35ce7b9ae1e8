import { codeOf } from "../base/index.ts";
import { ChoreActions } from "./chore-action.ts";
import { applyResult } from "./chore-results.ts";
import { ChoreStatuses, STATUS } from "./chore-status.ts";
import { decide } from "./decide.ts";
import type { Decision, EventListener } from "./events.ts";
import { type Levels, requiredLevel } from "./levels.ts";
import type { Prepared } from "./prepare.ts";
import type { BuildOptions, BuildRooms, Records } from "./rooms.ts";
import type { Selection } from "./targets.ts";

/**
 * Says what a build would do, as far as it can be known without doing it: a chore behind one that would be executed
 * may turn out unchanged, so it is only "maybe". Nothing is written, not even the state.
 */
export async function planDryRun(
  prepared: Prepared,
  selection: Selection,
  changedSources: ReadonlySet<number>,
  options: BuildOptions,
  rooms: BuildRooms,
  levels: Levels,
  listener: EventListener,
): Promise<{ executed: number; cached: number; settled: number; skipped: number }> {
  const { state, hosts } = prepared;
  const { plan } = prepared.loaded;
  const statuses = new ChoreStatuses(plan, selection);
  let opened: Promise<Records | undefined> | undefined;
  const records = (): Promise<Records | undefined> => {
    opened ??= rooms.records().catch((error: unknown) => {
      if (codeOf(error) === "LEDGER_ABSENT") return undefined;
      throw error;
    });
    return opened;
  };
  const actions = new ChoreActions(
    plan,
    state,
    rooms.checkout,
    hosts,
    (digest) => (rooms.blobs.has(digest) ? rooms.blobs.read(digest) : undefined),
    options.timeoutMs,
    prepared.loaded.facts.imageSpecs,
  );
  const changed = new Uint8Array(plan.pathCount);
  for (const path of changedSources) changed[path] = 1;
  /** Chores whose outputs cannot be known now, and whom they wait for. */
  const unknown = new Map<number, string>();
  const n = { executed: 0, cached: 0, settled: 0, skipped: 0 };
  for (const chore of plan.columns.order) {
    if (!statuses.isNeeded(chore)) continue;
    const name = { index: chore, label: plan.label(chore), outputs: plan.outputNames(chore) };
    const after = plan.dependenciesOf(chore).find((dependency) => unknown.has(dependency));
    const mustRun: Decision | undefined = options.force
      ? { reason: "forced" }
      : plan.has(chore, "volatile")
        ? { reason: "volatile" }
        : undefined;
    if (after !== undefined && mustRun === undefined) {
      unknown.set(chore, plan.label(after));
      n.skipped++;
      listener({ type: "chore-planned", chore: name, decision: { reason: "maybe", after: plan.label(after) } });
      continue;
    }
    const isDirty =
      !state.settled[chore] ||
      !state.hasLevel(chore, requiredLevel(plan, chore, levels)) ||
      Array.from(plan.everyInputOf(chore)).some((entry) => changed[entry >>> 1] === 1);
    if (after !== undefined) {
      n.executed++;
      unknown.set(chore, plan.label(chore));
      listener({ type: "chore-planned", chore: name, decision: mustRun as Decision });
      continue;
    }
    const verdict = await decide(
      { chore, isDirty, mustRun },
      plan,
      state,
      actions,
      requiredLevel(plan, chore, levels),
      records,
    );
    if (verdict.act === "settle") n.settled++;
    else if (verdict.act === "use") {
      n.cached++;
      if (verdict.decision.reason !== "cached")
        listener({ type: "chore-planned", chore: name, decision: verdict.decision });
      statuses.set(chore, STATUS.hit);
      for (const path of applyResult(
        plan,
        state,
        chore,
        verdict.execution.outputs,
        verdict.execution.properties,
        actions,
      ) ?? [])
        changed[path] = 1;
    } else {
      n.executed++;
      unknown.set(chore, plan.label(chore));
      listener({
        type: "chore-planned",
        chore: name,
        decision: verdict.act === "execute" ? verdict.decision : { reason: "new" },
      });
    }
  }
  return n;
}
