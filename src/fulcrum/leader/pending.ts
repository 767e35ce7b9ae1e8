import { PRIORITY_CLASSES } from "./events.ts";
import type { Chore, Rnode } from "./model.ts";
import { hasImage, hasLabel, meets, type Needs } from "./needs.ts";
import { freeSlots } from "./placement.ts";
import type { PendingReason } from "./reasons.ts";
import type { LeaderState } from "./state.ts";
import { keptRnodes } from "./yielding.ts";

/**
 * Why an execution is queued; `undefined` when it is not. Found when asked for, since with each event it would change
 * for everything that is queued: O(rnodes + kinds of needs).
 */
export function pendingReason(state: LeaderState, execution: string, now: number): PendingReason | undefined {
  const chore = state.executions.get(execution)?.chore;
  if (chore?.lane === undefined) return undefined;
  if (state.isAdopting(now)) {
    return { kind: "leader-restarted", rnodes: [...state.awaited], untilMs: state.adoptUntilMs };
  }
  if (chore.notBeforeMs > now && state.awaited.size > 0) {
    return { kind: "leader-restarted", rnodes: [...state.awaited], untilMs: chore.notBeforeMs };
  }
  return because(state, chore, now);
}

const namesOf = (rnodes: readonly Rnode[]): string[] => rnodes.map(({ name }) => name);

function because(state: LeaderState, chore: Chore, now: number): PendingReason {
  const connected = [...state.rnodes.values()].filter(({ isConnected }) => isConnected);
  if (connected.length === 0) return { kind: "no-rnode" };
  const able = connected.filter((rnode) => meets(rnode, chore.needs));
  if (able.length === 0) return unmet(chore.needs, connected);
  const heard = able.filter(({ isSilent }) => !isSilent);
  if (heard.length === 0) return { kind: "unreachable", rnodes: namesOf(able) };
  const staying = heard.filter(({ isDraining }) => !isDraining);
  if (staying.length === 0) return { kind: "draining", rnodes: namesOf(heard) };
  const trusted = staying.filter(({ probeAtMs }) => probeAtMs === 0);
  if (trusted.length === 0) {
    const untilMs = Math.min(...staying.map(({ probeAtMs }) => probeAtMs));
    return { kind: "quarantined", rnodes: namesOf(staying), untilMs };
  }
  const paused = trusted.filter(({ pausedUntilMs }) => pausedUntilMs > now);
  if (paused.length === trusted.length) {
    const untilMs = Math.min(...paused.map(({ pausedUntilMs }) => pausedUntilMs));
    return { kind: "refused-there", rnodes: namesOf(paused), untilMs };
  }
  const free = trusted.filter((rnode) => freeSlots(rnode) > 0);
  // Whoever is free and may have it has got it by now.
  if (free.length > 0 && chore.failures.length > 0)
    return { kind: "tried-there", rnodes: namesOf(free), untilMs: chore.retryAtMs };
  const kept = (chore.lane?.classIndex ?? 0) > 0 ? keptRnodes(state, now) : undefined;
  const keptSlots = free.reduce((sum, rnode) => sum + (kept?.has(rnode) ? freeSlots(rnode) : 0), 0);
  if (keptSlots > 0) return becauseOfOthers(chore) ?? { kind: "kept", slots: keptSlots };
  const slots = trusted.reduce((sum, rnode) => sum + rnode.slots, 0);
  return becauseOfOthers(chore) ?? { kind: "no-slot", rnodes: trusted.length, slots };
}

function unmet(needs: Needs, connected: readonly Rnode[]): PendingReason {
  const { image } = needs;
  const label = needs.labels.find(([name, value]) => !connected.some((rnode) => hasLabel(rnode, name, value)));
  if (label !== undefined) return { kind: "no-label", name: label[0], value: label[1] };
  if (image !== undefined && !connected.some((rnode) => hasImage(rnode, image))) return { kind: "no-image", image };
  const labels = needs.labels.map(([name, value]) => `${name}=${value}`);
  return { kind: "no-rnode-has-all", labels: image === undefined ? labels : [...labels, `image ${image}`] };
}

/** Who goes first once a slot falls free; `undefined` when this one is the next. */
function becauseOfOthers({ lane, rankMs }: Chore): PendingReason | undefined {
  if (lane === undefined) return undefined;
  const before = lane.pool.lanes.findIndex((lanes, index) => index < lane.classIndex && lanes.size > 0);
  const ahead = PRIORITY_CLASSES[before];
  if (ahead !== undefined) return { kind: "behind-class", class: ahead };
  if (lane.pool.lanes[lane.classIndex]?.peek() !== lane) {
    return { kind: "fair-share", invocation: lane.invocation.id, running: lane.invocation.running };
  }
  const first = lane.chores.peek();
  return first === undefined || first.rankMs <= rankMs
    ? undefined
    : { kind: "behind-rank", firstRankMs: first.rankMs, rankMs };
}
