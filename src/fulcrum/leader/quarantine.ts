import type { Rnode } from "./model.ts";
import type { Turn } from "./turn.ts";

/**
 * Notes an infrastructure failure. After several in a row the rnode gets no work but a probe now and then: an rnode
 * that fails at once is always free, and would take and fail everything that is queued.
 *
 * @param isCertain The rnode was caught at something that no accident explains.
 */
export function rnodeFailed(turn: Turn, rnode: Rnode, text: string, isCertain = false): void {
  const { state, now } = turn;
  const { quarantineAfter, quarantineMs, quarantineMostMs } = state.config;
  // All leases of an rnode that is lost fail at once, and that is one failure.
  if (rnode.lastFailureMs === now && !isCertain) return;
  rnode.lastFailureMs = now;
  rnode.failures++;
  if (rnode.probeAtMs > now) return;
  if (rnode.probeAtMs === 0 && rnode.failures < quarantineAfter && !isCertain) return;
  rnode.probeAtMs = now + Math.min(quarantineMostMs, quarantineMs * 2 ** rnode.quarantines);
  rnode.quarantines++;
  state.setAlarm(rnode.probeAtMs, { kind: "probe", rnode });
  turn.effects.push({ type: "quarantine", rnode: rnode.name, untilMs: rnode.probeAtMs, text });
}

/** A result that counts: whatever it was, it is over. */
export function rnodeSucceeded(turn: Turn, rnode: Rnode): void {
  rnode.failures = 0;
  rnode.quarantines = 0;
  if (rnode.probeAtMs === 0) return;
  rnode.probeAtMs = 0;
  turn.effects.push({ type: "release", rnode: rnode.name });
}
