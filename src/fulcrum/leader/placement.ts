import { isUnfitFor } from "./endings.ts";
import type { Chore, Pool, Rnode } from "./model.ts";
import { meets } from "./needs.ts";
import type { PlacementReason } from "./reasons.ts";
import type { LeaderState } from "./state.ts";

export function freeSlots(rnode: Rnode): number {
  if (!rnode.isConnected || rnode.isSilent || rnode.isDraining) return 0;
  return Math.max(0, rnode.slots - rnode.leases.size);
}

/** Slots that may be given away now: one at a time, and only when its hour has come, to an rnode in quarantine. */
export function openSlots(rnode: Rnode, now: number): number {
  if (rnode.pausedUntilMs > now) return 0;
  if (rnode.probeAtMs === 0) return freeSlots(rnode);
  return now >= rnode.probeAtMs && rnode.leases.size === 0 ? Math.min(1, freeSlots(rnode)) : 0;
}

/** Rnodes that could run something of the pool now. */
export function openRnodes(state: LeaderState, pool: Pool, now: number): Rnode[] {
  const open: Rnode[] = [];
  for (const rnode of state.rnodes.values()) {
    if (openSlots(rnode, now) > 0 && meets(rnode, pool.needs)) open.push(rnode);
  }
  return open;
}

/** Whether the chore should rather go elsewhere, or wait: it runs there, or failed there just now or while there are others. */
function isAvoided(state: LeaderState, chore: Chore, rnode: Rnode, now: number): boolean {
  if (chore.leases.some((lease) => lease.rnode === rnode)) return true;
  if (!chore.failures.some((failure) => failure.rnode === rnode.name)) return false;
  if (now < chore.retryAtMs || isUnfitFor(rnode, chore)) return true;
  for (const other of state.rnodes.values()) {
    if (
      other.isConnected &&
      !other.isSilent &&
      !other.isDraining &&
      other.probeAtMs === 0 &&
      meets(other, chore.needs) &&
      !chore.failures.some((failure) => failure.rnode === other.name)
    )
      return true;
  }
  return false;
}

export interface Choice {
  readonly chore: Chore;
  readonly rnode: Rnode;
  readonly reason: PlacementReason;
}

/**
 * Least missing input bytes, then most free slots, then fastest, then the order in which they first came.
 *
 * @param present Room for a figure for each rnode; what it holds before does not matter.
 */
export function choose(
  state: LeaderState,
  chore: Chore,
  open: readonly Rnode[],
  present: Float64Array,
  now: number,
): Choice | undefined {
  const isFresh = chore.failures.length === 0 && chore.leases.length === 0;
  const candidates = isFresh ? open : open.filter((rnode) => !isAvoided(state, chore, rnode, now));
  let best = candidates[0];
  if (best === undefined) return undefined;
  present.fill(0);
  state.blobs.addPresentBytes(chore.inputs, present);
  const presentAt = (rnode: Rnode): number => present[rnode.number] as number;
  let because: PlacementReason["because"] = candidates.length === 1 ? "only-one-free" : "first";
  for (let i = 1; i < candidates.length; i++) {
    const one = candidates[i] as Rnode;
    const moreBytes = presentAt(one) - presentAt(best);
    const moreSlots = freeSlots(one) - freeSlots(best);
    const slower = one.slowness - best.slowness;
    const decider =
      moreBytes !== 0
        ? "least-missing-bytes"
        : moreSlots !== 0
          ? "most-free-slots"
          : slower !== 0
            ? "fastest"
            : undefined;
    if (decider === undefined) continue;
    if (moreBytes !== 0 ? moreBytes > 0 : moreSlots !== 0 ? moreSlots > 0 : slower < 0) {
      best = one;
      because = decider;
    } else if (because === "first") because = decider;
  }
  return {
    chore,
    rnode: best,
    reason: {
      because,
      missingBytes: chore.inputBytes - presentAt(best),
      inputBytes: chore.inputBytes,
      candidates: candidates.length,
      waitedMs: now - chore.queuedAtMs,
      rankMs: chore.rankMs,
    },
  };
}
