import { invariant } from "../../base/index.ts";
import type { CancelReason, LeaderEffect } from "./effects.ts";
import type { Chore, Invocation, Lease, Rnode } from "./model.ts";
import type { Choice } from "./placement.ts";
import { leaderOf } from "./queue.ts";
import type { LeaderState } from "./state.ts";
import type { Turn } from "./turn.ts";

/** Binds a chore to a slot. Fence and lease are used once and never again, whatever becomes of the message. */
export function grant(turn: Turn, { chore, rnode, reason }: Choice, isHedge: boolean): void {
  const { state, now } = turn;
  const fence = state.nextFence();
  const lease = newLease(state, `L${fence}`, fence, rnode, chore, now, isHedge);
  lease.reason = reason;
  state.queue.remove(chore);
  chore.passes = 0;
  state.blobs.holdInputs(rnode.number, chore.inputs);
  charge(state, lease);
  armOverdue(state, lease, now);
  turn.effects.push({ ...assignment(lease), reason });
  turn.reasons.push({ about: "placed", action: chore.action, rnode: rnode.name, reason });
}

/** A lease that a leader before this one gave and its rnode still has. */
export function adopt(turn: Turn, id: string, fence: number, rnode: Rnode, chore: Chore): void {
  const { state, now } = turn;
  const lease = newLease(state, id, fence, rnode, chore, now, chore.leases.length > 0);
  lease.isAccepted = true;
  state.queue.remove(chore);
  charge(state, lease);
}

function newLease(
  state: LeaderState,
  id: string,
  fence: number,
  rnode: Rnode,
  chore: Chore,
  now: number,
  isHedge: boolean,
): Lease {
  const lease: Lease = {
    id,
    fence,
    rnode,
    chore,
    isHedge,
    heard: rnode.heard,
    sentAtMs: now,
    endsAtMs: now + state.config.leaseMs,
    isAccepted: false,
    isCancelled: false,
    startedAtMs: undefined,
    charged: undefined,
    reason: undefined,
    endAlarm: undefined,
    overdueAlarm: undefined,
  };
  lease.endAlarm = state.setAlarm(lease.endsAtMs, { kind: "lease-ends", lease });
  rnode.leases.set(id, lease);
  state.leases.set(id, lease);
  chore.leases.push(lease);
  return lease;
}

type Assignment = Omit<Extract<LeaderEffect, { type: "assign" }>, "reason">;

function assignment(lease: Lease): Assignment {
  const { rnode, chore } = lease;
  return {
    type: "assign",
    rnode: rnode.name,
    boot: rnode.boot,
    lease: lease.id,
    fence: lease.fence,
    key: chore.key,
    action: chore.action,
    execution: leaderOf(chore.executions)?.id ?? "",
    heard: lease.heard,
    hedge: lease.isHedge,
    probe: rnode.probeAtMs > 0,
  };
}

/** The same lease once more, with the same end: an rnode that has it already takes no notice. */
export function sendAgain(turn: Turn, lease: Lease): void {
  invariant(lease.reason !== undefined, "an adopted lease was accepted before");
  lease.sentAtMs = turn.now;
  turn.effects.push({ ...assignment(lease), reason: lease.reason });
}

/** Counts the time from `sinceMs` against what the chore is known to take. */
export function armOverdue(state: LeaderState, lease: Lease, sinceMs: number): void {
  const { chore } = lease;
  if (!chore.mayRunTwice || lease.isHedge) return;
  const p95Ms = state.durations.p95Ms(chore.historyKey, chore.expectedMs);
  if (p95Ms === undefined) return;
  if (lease.overdueAlarm !== undefined) state.alarms.remove(lease.overdueAlarm);
  const { hedgeFactor, hedgeLeastMs } = state.config;
  const dueMs = sinceMs + Math.max(p95Ms * hedgeFactor, p95Ms + hedgeLeastMs);
  lease.overdueAlarm = state.setAlarm(dueMs, { kind: "overdue", lease });
}

function charge(state: LeaderState, lease: Lease): void {
  const invocation = leaderOf(lease.chore.executions)?.invocation;
  lease.charged = invocation;
  if (invocation !== undefined) changeRunning(state, invocation, 1);
}

function uncharge(state: LeaderState, lease: Lease): void {
  const { charged } = lease;
  lease.charged = undefined;
  if (charged !== undefined) changeRunning(state, charged, -1);
}

function changeRunning(state: LeaderState, invocation: Invocation, by: number): void {
  invocation.running += by;
  state.queue.shareChanged(invocation);
  state.forgetInvocation(invocation);
}

/** Its result will not count, and the chore knows it no more. */
function detach(state: LeaderState, lease: Lease): void {
  const { leases } = lease.chore;
  const at = leases.indexOf(lease);
  if (at >= 0) leases.splice(at, 1);
  uncharge(state, lease);
  if (lease.overdueAlarm !== undefined) state.alarms.remove(lease.overdueAlarm);
}

/** Gives the slot back: the rnode has ended it, or must have. */
export function close(turn: Turn, lease: Lease, as: "counted" | "compared" | "lost"): void {
  const { state } = turn;
  detach(state, lease);
  if (lease.endAlarm !== undefined) state.alarms.remove(lease.endAlarm);
  lease.rnode.leases.delete(lease.id);
  state.leases.delete(lease.id);
  state.closed.set(lease.id, as);
}

/** Tells the rnode to stop. The slot is taken until it has, or until the lease's end, when it must have. */
export function cancel(turn: Turn, lease: Lease, reason: CancelReason): void {
  detach(turn.state, lease);
  lease.isCancelled = true;
  lease.sentAtMs = turn.now;
  turn.effects.push({ type: "cancel", rnode: lease.rnode.name, lease: lease.id, reason });
}
