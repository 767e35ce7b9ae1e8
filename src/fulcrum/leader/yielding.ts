import { queueAgain } from "./endings.ts";
import { PRIORITY_CLASSES } from "./events.ts";
import { cancel } from "./leases.ts";
import type { Lease, Rnode } from "./model.ts";
import { meets, type Needs } from "./needs.ts";
import { freeSlots, openSlots } from "./placement.ts";
import { leaderOf } from "./queue.ts";
import type { LeaderState } from "./state.ts";
import type { Turn } from "./turn.ts";

const INTERACTIVE = PRIORITY_CLASSES.indexOf("interactive");
const BACKGROUND = PRIORITY_CLASSES.indexOf("background");

/** Rnodes whose open slots are kept for what somebody waits for; `undefined` while nobody does. */
export function keptRnodes(state: LeaderState, now: number): ReadonlySet<Rnode> | undefined {
  const kinds = state.reserve.needs(now);
  if (kinds.length === 0) return undefined;
  const kept = new Set<Rnode>();
  for (const needs of kinds) {
    const able = ableTo(state, needs);
    const slots = able.reduce((sum, rnode) => sum + rnode.slots, 0);
    const open = able.reduce((sum, rnode) => sum + openSlots(rnode, now), 0);
    if (open <= Math.floor(slots * state.config.reservedShare)) for (const rnode of able) kept.add(rnode);
  }
  return kept;
}

/** Ends background chores for those that somebody waits for and no slot is free for; what is ended is queued again. */
export function yieldBackground(turn: Turn): void {
  const { state, now } = turn;
  if (state.reserve.needs(now).length === 0) return;
  for (const pool of state.queue.pools()) {
    let waiting = 0;
    for (const lane of pool.lanes[INTERACTIVE]?.values() ?? []) waiting += lane.chores.size;
    if (waiting === 0) continue;
    const able = ableTo(state, pool.needs);
    // Slots that are about to fall free count as free: each chore that waits ends one other and not one at each event.
    for (const rnode of able) {
      waiting -= freeSlots(rnode);
      for (const { isCancelled } of rnode.leases.values()) if (isCancelled) waiting--;
    }
    if (waiting <= 0) continue;
    const victims = able.flatMap((rnode) => [...rnode.leases.values()].filter((lease) => mayYield(state, lease)));
    // What was begun last loses least.
    victims.sort((a, b) => b.sentAtMs - a.sentAtMs || b.fence - a.fence);
    for (const lease of victims.slice(0, waiting)) {
      lease.chore.yields++;
      cancel(turn, lease, "not-wanted");
      queueAgain(turn, lease.chore, lease.rnode, "it gave way to interactive work");
    }
  }
}

/** Not where a second begin could meet the first one still running. */
function mayYield(state: LeaderState, { chore, isCancelled }: Lease): boolean {
  return (
    !isCancelled &&
    chore.mayRunTwice &&
    chore.leases.length === 1 &&
    chore.yields < state.config.mostYields &&
    leaderOf(chore.executions)?.classIndex === BACKGROUND
  );
}

function ableTo(state: LeaderState, needs: Needs): Rnode[] {
  return [...state.rnodes.values()].filter(
    (rnode) =>
      rnode.isConnected && !rnode.isSilent && !rnode.isDraining && rnode.probeAtMs === 0 && meets(rnode, needs),
  );
}
