import { emptyChore } from "./client-turns.ts";
import { answerAll, attemptFailed, complete, queueAgain, unfit } from "./endings.ts";
import type { HelloEvent, LeaderEvent, ResultEvent } from "./events.ts";
import { adopt, armOverdue, cancel, close, sendAgain } from "./leases.ts";
import type { Lease, Rnode } from "./model.ts";
import { rnodeFailed, rnodeSucceeded } from "./quarantine.ts";
import type { Turn } from "./turn.ts";

type EventOf<T extends LeaderEvent["type"]> = Extract<LeaderEvent, { type: T }>;

/** An rnode connects: for the first time, again, or to a leader that was restarted. */
export function hello(turn: Turn, event: HelloEvent): void {
  const { state } = turn;
  const known = state.rnodes.get(event.rnode);
  if (known !== undefined && event.connection <= known.connection) return;
  const rnode = known ?? newRnode(turn, event);
  const isOtherBoot = rnode.boot !== event.boot;
  rnode.boot = event.boot;
  rnode.connection = event.connection;
  rnode.slots = event.slots;
  rnode.labels = event.labels;
  rnode.images = event.images;
  rnode.isConnected = true;
  rnode.isDraining = false;
  rnode.heard = 0;
  heardFrom(turn, rnode);
  const held = new Set(event.held.map(({ lease }) => lease));
  for (const lease of [...rnode.leases.values()]) {
    if (held.has(lease.id)) continue;
    // An assignment on its way when the connection broke was never begun; one that was accepted died with its rnode.
    close(turn, lease, "lost");
    if (lease.isCancelled) continue;
    if (isOtherBoot && lease.isAccepted) lost(turn, lease, "the rnode was restarted and no longer has it");
    else queueAgain(turn, lease.chore, rnode, "the rnode does not have it");
  }
  for (const one of event.held) {
    if (holds(turn, rnode, one.lease)) continue;
    const isOfEarlierLeader = one.fence < state.config.epoch * 2 ** 32;
    if (!isOfEarlierLeader || state.closed.get(one.lease) !== undefined || state.finished.get(one.key) !== undefined) {
      turn.effects.push({ type: "cancel", rnode: rnode.name, lease: one.lease, reason: "stale" });
      continue;
    }
    const chore = state.chores.get(one.key) ?? emptyChore(turn, one.key, one.action);
    if (chore.leases.length > 0 && !chore.mayRunTwice) {
      turn.effects.push({ type: "cancel", rnode: rnode.name, lease: one.lease, reason: "stale" });
    } else adopt(turn, one.lease, one.fence, rnode, chore);
  }
  state.awaited.delete(rnode.name);
}

function newRnode({ state, now }: Turn, event: HelloEvent): Rnode {
  const rnode: Rnode = {
    name: event.rnode,
    number: state.rnodes.size,
    boot: event.boot,
    connection: event.connection,
    slots: event.slots,
    labels: event.labels,
    images: event.images,
    isConnected: true,
    isSilent: false,
    isDraining: false,
    lastHeardMs: now,
    heard: 0,
    leases: new Map(),
    silentAlarm: undefined,
    failures: 0,
    lastFailureMs: -1,
    pausedUntilMs: 0,
    lastFailure: "",
    quarantines: 0,
    probeAtMs: 0,
    slowness: 1,
  };
  state.rnodes.set(rnode.name, rnode);
  return rnode;
}

/** Renews a lease that the rnode says it has. @returns whether the leader knows it too. */
function holds(turn: Turn, rnode: Rnode, id: string): boolean {
  const { state, now } = turn;
  const lease = state.leases.get(id);
  if (lease === undefined || lease.rnode !== rnode) {
    if (state.closed.get(id) !== "counted") return false;
    turn.effects.push({ type: "acknowledge", rnode: rnode.name, lease: id, isCounted: true });
    return true;
  }
  lease.isAccepted = true;
  if (!lease.isCancelled) lease.endsAtMs = now + state.config.leaseMs;
  else if (now - lease.sentAtMs > state.config.resendMs) cancel(turn, lease, "stale");
  return true;
}

/** Any word from an rnode: what was queued a second time because of its silence need not be begun. */
function heardFrom(turn: Turn, rnode: Rnode): void {
  const { state, now } = turn;
  rnode.lastHeardMs = now;
  rnode.silentAlarm ??= state.setAlarm(now + state.config.suspectMs, { kind: "silent", rnode });
  if (!rnode.isSilent) return;
  rnode.isSilent = false;
  for (const { chore, isCancelled } of rnode.leases.values()) if (!isCancelled) state.queue.remove(chore);
}

/** The rnode a message is from, unless the message is of a connection or a process that is gone. */
function sender(turn: Turn, { rnode: name, boot }: { rnode: string; boot: string }): Rnode | undefined {
  const rnode = turn.state.rnodes.get(name);
  if (rnode === undefined || !rnode.isConnected || rnode.boot !== boot) return undefined;
  heardFrom(turn, rnode);
  return rnode;
}

export function heartbeat(turn: Turn, event: EventOf<"heartbeat">): void {
  const { state, now } = turn;
  const rnode = sender(turn, event);
  if (rnode === undefined) return;
  rnode.heard = Math.max(rnode.heard, event.sequence);
  const renewed: string[] = [];
  for (const id of event.held) {
    if (!holds(turn, rnode, id)) {
      turn.effects.push({ type: "cancel", rnode: rnode.name, lease: id, reason: "stale" });
    } else if (state.leases.get(id)?.isCancelled === false) renewed.push(id);
  }
  const held = new Set(event.held);
  for (const lease of [...rnode.leases.values()]) {
    if (held.has(lease.id) || now - lease.sentAtMs <= state.config.resendMs) continue;
    if (lease.isCancelled) close(turn, lease, "lost");
    else if (!lease.isAccepted) sendAgain(turn, lease);
    else {
      close(turn, lease, "lost");
      lost(turn, lease, "the rnode no longer has it");
    }
  }
  turn.effects.push({ type: "renew", rnode: rnode.name, sequence: event.sequence, leases: renewed });
}

function leaseOf(turn: Turn, event: { rnode: string; lease: string; fence: number }): Lease | undefined {
  const lease = turn.state.leases.get(event.lease);
  return lease?.fence === event.fence && lease.rnode.name === event.rnode ? lease : undefined;
}

export function accepted(turn: Turn, event: EventOf<"accepted">): void {
  if (sender(turn, event) === undefined) return;
  const lease = leaseOf(turn, event);
  if (lease !== undefined) lease.isAccepted = true;
}

export function running(turn: Turn, event: EventOf<"running">): void {
  if (sender(turn, event) === undefined) return;
  const lease = leaseOf(turn, event);
  if (lease === undefined || lease.isCancelled || lease.startedAtMs !== undefined) return;
  lease.isAccepted = true;
  lease.startedAtMs = turn.now;
  armOverdue(turn.state, lease, turn.now);
  for (const { id, client } of lease.chore.executions) {
    turn.effects.push({ type: "stage", execution: id, client, stage: "executing" });
  }
}

export function refused(turn: Turn, event: EventOf<"refused">): void {
  const rnode = sender(turn, event);
  const lease = leaseOf(turn, event);
  if (rnode === undefined || lease === undefined) return;
  close(turn, lease, "lost");
  if (lease.isCancelled) return;
  if (rnode.isDraining) {
    queueAgain(turn, lease.chore, rnode, event.text);
    return;
  }
  if (event.isUnfit) {
    unfit(turn, lease.chore, rnode, event.text);
    return;
  }
  // Nothing was begun, which says something of the rnode and nothing of the chore.
  const { state, now } = turn;
  rnode.pausedUntilMs = now + state.config.refusedMs;
  state.setAlarm(rnode.pausedUntilMs, { kind: "retry" });
  queueAgain(turn, lease.chore, rnode, event.text);
  rnodeFailed(turn, rnode, event.text);
}

export function result(turn: Turn, event: ResultEvent): void {
  const { state } = turn;
  const rnode = sender(turn, event);
  if (rnode === undefined) return;
  const { outcome } = event;
  const lease = leaseOf(turn, event);
  const isLive = lease !== undefined && !lease.isCancelled;
  const isCounted = (isLive && outcome.kind === "done") || state.closed.get(event.lease) === "counted";
  turn.effects.push({ type: "acknowledge", rnode: rnode.name, lease: event.lease, isCounted });
  if (outcome.kind === "done") state.blobs.hold(rnode.number, event.outputs);
  if (lease !== undefined) close(turn, lease, isCounted ? "counted" : "lost");
  if (!isLive) {
    if (outcome.kind === "done" && !isCounted) compareLate(turn, event, outcome.outcome);
    return;
  }
  switch (outcome.kind) {
    case "done":
      rnodeSucceeded(turn, rnode);
      complete(turn, lease, { ...event, outcome });
      break;
    case "infrastructure":
    case "untrusted":
      attemptFailed(turn, lease.chore, rnode, outcome.text);
      rnodeFailed(turn, rnode, outcome.text, outcome.kind === "untrusted");
      break;
    case "inputs-missing":
      // Blobs are the store's business: no other rnode would find them either.
      answerAll(turn, lease.chore, { kind: "inputs-missing", digests: outcome.digests });
      break;
    case "stopped":
      attemptFailed(turn, lease.chore, rnode, "the rnode stopped it");
      break;
  }
}

/** A result under a lease that has ended: never used, but two results of one action should be the same. */
function compareLate(turn: Turn, event: ResultEvent, late: string): void {
  const { state } = turn;
  if (state.closed.get(event.lease) === "compared") return;
  state.closed.set(event.lease, "compared");
  const finished = state.finished.get(event.key);
  if (finished?.outcome !== undefined) {
    const { action, outcome: counted } = finished;
    turn.effects.push({
      type: "compare",
      action,
      rnode: event.rnode,
      counted,
      late,
      isEqual: counted === late,
    });
  } else state.chores.get(event.key)?.late.push({ rnode: event.rnode, outcome: late });
}

/** A lease came to nothing because its rnode did. */
export function lost(turn: Turn, lease: Lease, text: string): void {
  attemptFailed(turn, lease.chore, lease.rnode, text);
  rnodeFailed(turn, lease.rnode, text);
}

export function draining(turn: Turn, event: EventOf<"draining">): void {
  const rnode = sender(turn, event);
  if (rnode !== undefined) rnode.isDraining = true;
}

/** What it holds stays its own: it may come back before the leases end. */
export function rnodeLost({ state }: Turn, event: EventOf<"rnode-lost">): void {
  const rnode = state.rnodes.get(event.rnode);
  if (rnode?.connection === event.connection) rnode.isConnected = false;
}

export function blobs({ state }: Turn, event: EventOf<"blobs">): void {
  const rnode = state.rnodes.get(event.rnode);
  if (rnode === undefined) return;
  state.blobs.hold(rnode.number, event.added);
  state.blobs.drop(rnode.number, event.dropped);
}
