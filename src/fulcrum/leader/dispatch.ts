import { invariant } from "../../base/index.ts";
import { PRIORITY_CLASSES } from "./events.ts";
import { grant } from "./leases.ts";
import type { Lane, Pool, Rnode } from "./model.ts";
import { meets } from "./needs.ts";
import { type Choice, choose, openRnodes, openSlots } from "./placement.ts";
import { laneBefore } from "./queue.ts";
import type { LeaderState } from "./state.ts";
import type { Turn } from "./turn.ts";
import { keptRnodes, yieldBackground } from "./yielding.ts";

/** Gives work to free slots until there is none of either: nothing is bound to an rnode before it can begin there. */
export function dispatch(turn: Turn): void {
  const { state, now } = turn;
  if (state.isAdopting(now)) return;
  const suspended: Lane[] = [];
  const present = new Float64Array(state.rnodes.size);
  while (state.queue.size > 0 && hasOpenSlot(state, now)) {
    const next = nextLane(turn);
    if (next === undefined) break;
    const choice = bestOf(state, next.lane, next.open, present, now);
    if (choice === undefined) {
      state.queue.suspend(next.lane);
      suspended.push(next.lane);
      continue;
    }
    grant(turn, choice, false);
  }
  for (const lane of suspended) state.queue.resume(lane);
  yieldBackground(turn);
  if (state.overdue.size > 0) hedge(turn, present);
}

function hasOpenSlot(state: LeaderState, now: number): boolean {
  for (const rnode of state.rnodes.values()) if (openSlots(rnode, now) > 0) return true;
  return false;
}

/** The lane whose turn it is, among those that an open rnode can serve. */
function nextLane({ state, now }: Turn): { lane: Lane; open: Rnode[] } | undefined {
  const openOf = new Map<Pool, Rnode[]>();
  const kept = keptRnodes(state, now);
  for (let classIndex = 0; classIndex < PRIORITY_CLASSES.length; classIndex++) {
    let best: { lane: Lane; open: Rnode[] } | undefined;
    for (const pool of state.queue.pools()) {
      const lane = pool.lanes[classIndex]?.peek();
      if (lane === undefined || (best !== undefined && !laneBefore(lane, best.lane))) continue;
      let open = openOf.get(pool);
      if (open === undefined) {
        open = openRnodes(state, pool, now);
        openOf.set(pool, open);
      }
      if (kept !== undefined && classIndex > 0) open = open.filter((rnode) => !kept.has(rnode));
      if (open.length > 0) best = { lane, open };
    }
    if (best !== undefined) return best;
  }
  return undefined;
}

/**
 * The chore of the lane to place, and where. The first in order, unless one of nearly its rank has more of its inputs
 * where a slot is free: each slot that falls free would else get whatever is first, and bytes would be moved for it.
 */
function bestOf(
  state: LeaderState,
  lane: Lane,
  open: readonly Rnode[],
  present: Float64Array,
  now: number,
): Choice | undefined {
  const { window, mostPasses } = state.config;
  const rankBand = lane.classIndex === 0 ? state.config.interactiveRankBand : state.config.rankBand;
  const first = lane.chores.peek();
  invariant(first !== undefined, "a lane in the queue has no chore");
  const leastRank = first.rankMs * rankBand;
  const taken: NonNullable<typeof first>[] = [];
  let best: Choice | undefined;
  let bestShare = Number.POSITIVE_INFINITY;
  while (taken.length < window && bestShare > 0) {
    const chore = lane.chores.peek();
    if (chore === undefined || chore.rankMs < leastRank) break;
    lane.chores.pop();
    taken.push(chore);
    if (chore.notBeforeMs > now && state.awaited.size > 0) continue;
    const choice = choose(state, chore, open, present, now);
    if (choice === undefined) continue;
    const { missingBytes, inputBytes } = choice.reason;
    const share = inputBytes === 0 ? 0 : missingBytes / inputBytes;
    if (share < bestShare) {
      best = choice;
      bestShare = share;
    }
    if (chore.passes >= mostPasses) {
      best = choice;
      break;
    }
  }
  let isBefore = best !== undefined;
  for (const chore of taken) {
    if (chore === best?.chore) isBefore = false;
    else if (isBefore) chore.passes++;
    lane.chores.push(chore);
  }
  return best;
}

/** Begins overdue chores a second time, on slots that nobody else wants. */
function hedge(turn: Turn, present: Float64Array): void {
  const { state, now } = turn;
  const kept = keptRnodes(state, now);
  for (const chore of state.overdue) {
    if (chore.isEnded || chore.leases.length !== 1 || chore.lane !== undefined) {
      state.overdue.delete(chore);
      continue;
    }
    const open = [...state.rnodes.values()].filter(
      (rnode) =>
        rnode.probeAtMs === 0 && openSlots(rnode, now) > 0 && meets(rnode, chore.needs) && kept?.has(rnode) !== true,
    );
    const choice = choose(state, chore, open, present, now);
    if (choice === undefined) continue;
    state.overdue.delete(chore);
    grant(turn, choice, true);
  }
}
