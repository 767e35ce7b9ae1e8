import type { WorkspacePath } from "../base/index.ts";
import type { RunContext } from "./chore-run.ts";
import { type Refreshed, SourceDigests } from "./source-digests.ts";

/** Digests the checkout's files among a chore's inputs again, because they were not what they had been. */
export async function digestAgain(
  context: Pick<RunContext, "plan" | "state" | "rooms">,
  chore: number,
): Promise<Refreshed> {
  const { plan, state, rooms } = context;
  const sources: { path: number; name: WorkspacePath; tree: boolean }[] = [];
  for (const entry of plan.inputsOf(chore)) {
    const path = entry >>> 1;
    if ((plan.columns.producer[path] as number) >= 0 || plan.isProperty(path)) continue;
    sources.push({ path, name: plan.path(path), tree: (entry & 1) === 1 });
  }
  return new SourceDigests(rooms.checkout, state, rooms.bulk, plan).refresh(sources);
}

/** Whoever among `isConcerned` used the old bytes of what changed is not settled. */
export function unsettleUsers(
  { plan, state }: Pick<RunContext, "plan" | "state">,
  changed: ReadonlySet<number>,
  isConcerned: (chore: number) => boolean,
): void {
  for (const path of changed)
    plan.consumers.each(path, (chore) => {
      if (!isConcerned(chore)) return;
      state.unsettle(chore);
      state.setSeq(chore, 0);
    });
}
