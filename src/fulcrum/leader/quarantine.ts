import { answerAll } from "./endings.ts";
import type { Rnode } from "./model.ts";
import { meets } from "./needs.ts";
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
  rnode.lastFailure = text;
  if (rnode.probeAtMs > now) return;
  if (rnode.probeAtMs === 0 && rnode.failures < quarantineAfter && !isCertain) return;
  rnode.probeAtMs = now + Math.min(quarantineMostMs, quarantineMs * 2 ** rnode.quarantines);
  rnode.quarantines++;
  state.setAlarm(rnode.probeAtMs, { kind: "probe", rnode });
  turn.effects.push({ type: "quarantine", rnode: rnode.name, untilMs: rnode.probeAtMs, text });
  if (rnode.quarantines >= HOPELESS) giveUp(turn);
}

/** Quarantines in a row after which an rnode is hoped for no more: it failed two probes. */
const HOPELESS = 3;

/** Ends what only such rnodes could run: probes come ever more rarely, and an error now is worth more than silence. */
function giveUp(turn: Turn): void {
  const { state } = turn;
  for (const pool of [...state.queue.pools()]) {
    const able = [...state.rnodes.values()].filter((rnode) => rnode.isConnected && meets(rnode, pool.needs));
    if (able.length === 0 || !able.every(({ quarantines }) => quarantines >= HOPELESS)) continue;
    const failures = able.map(({ name, lastFailure }) => ({ rnode: name, text: lastFailure }));
    const tried = failures.map((failure) => `${failure.rnode}: ${failure.text}`).join("; ");
    const text = `given up: every rnode that could run it failed again and again: ${tried}`;
    for (const chore of state.queue.choresOf(pool)) {
      if (chore.leases.length === 0) answerAll(turn, chore, { kind: "failed", failures, text });
    }
  }
}

/** A result that counts: whatever it was, it is over. */
export function rnodeSucceeded(turn: Turn, rnode: Rnode): void {
  rnode.failures = 0;
  rnode.quarantines = 0;
  if (rnode.probeAtMs === 0) return;
  rnode.probeAtMs = 0;
  turn.effects.push({ type: "release", rnode: rnode.name });
}
