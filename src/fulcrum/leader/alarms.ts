import { clientGone } from "./client-turns.ts";
import { queueAgain } from "./endings.ts";
import { close } from "./leases.ts";
import type { Lease, Ring, Rnode } from "./model.ts";
import { lost } from "./rnode-turns.ts";
import type { Turn } from "./turn.ts";

/** Rings whatever is due. An alarm whose owner has got more time in between is set again. */
export function ringAlarms(turn: Turn): void {
  const { state, now } = turn;
  state.timerAtMs = Number.POSITIVE_INFINITY;
  for (;;) {
    const alarm = state.alarms.peek();
    if (alarm === undefined || alarm.at > now) return;
    state.alarms.remove(alarm);
    ring(turn, alarm.ring);
  }
}

function ring(turn: Turn, due: Ring): void {
  switch (due.kind) {
    case "lease-ends":
      leaseEnds(turn, due.lease);
      break;
    case "overdue":
      due.lease.overdueAlarm = undefined;
      if (!due.lease.chore.isEnded) turn.state.overdue.add(due.lease.chore);
      break;
    case "silent":
      silent(turn, due.rnode);
      break;
    case "client-gone":
      clientGone(turn, due.client, due.until);
      break;
    case "adopted":
    case "reserve-ends":
    case "retry":
    case "probe":
      // Nothing to change: what waits for this hour is looked at after every event.
      break;
  }
}

/** By now the rnode has stopped it, heard or not. */
function leaseEnds(turn: Turn, lease: Lease): void {
  const { state, now } = turn;
  lease.endAlarm = undefined;
  if (lease.endsAtMs > now) {
    lease.endAlarm = state.setAlarm(lease.endsAtMs, { kind: "lease-ends", lease });
    return;
  }
  close(turn, lease, "lost");
  if (!lease.isCancelled) lost(turn, lease, `not heard for ${((now - lease.rnode.lastHeardMs) / 1000).toFixed(0)} s`);
}

/**
 * Three heartbeats are missing. The leases hold until their end, but what they are for is begun elsewhere too: waiting
 * for the end would cost the build the whole of it, and a second result is only compared.
 */
function silent(turn: Turn, rnode: Rnode): void {
  const { state, now } = turn;
  rnode.silentAlarm = undefined;
  const dueMs = rnode.lastHeardMs + state.config.suspectMs;
  if (dueMs > now) {
    rnode.silentAlarm = state.setAlarm(dueMs, { kind: "silent", rnode });
    return;
  }
  rnode.isSilent = true;
  for (const { chore, isCancelled } of [...rnode.leases.values()]) {
    if (!isCancelled) queueAgain(turn, chore, rnode, "the rnode is silent");
  }
}
