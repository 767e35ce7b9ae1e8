import { answerAll, endExecution } from "./endings.ts";
import { PRIORITY_CLASSES, type RestoredEvent, type Submission } from "./events.ts";
import type { Chore, Execution } from "./model.ts";
import { needsOf, unknownProperty } from "./needs.ts";
import { leaderOf } from "./queue.ts";
import type { Turn } from "./turn.ts";

/** Keys of chores that nothing joins and that run on one rnode at a time, so that a restarted leader knows them. */
const ALONE = "alone ";

export function submit(turn: Turn, submission: Submission): void {
  const { state, now } = turn;
  const { execution: id, client } = submission;
  if (state.answers.has(id) || state.executions.has(id)) {
    wait(turn, id, client);
    return;
  }
  clientBack(turn, client);
  const needs = needsOf(submission.platform, state.config);
  const own = `${submission.doNotCache ? ALONE : "again "}${id}`;
  const shared = submission.doNotCache ? own : `${submission.scope}\n${submission.action}`;
  const known = state.chores.get(shared);
  const joined =
    known === undefined || (submission.skipCache && known.leases.length > 0 && known.key !== own) ? undefined : known;
  const submittedAtMs = submission.submittedAt ?? now;
  const expectedMs = state.durations.expectedMs(submission.historyKey, submission.expectedMs);
  const chore = joined ?? newChore(turn, known === undefined ? shared : own, submission, submittedAtMs);
  // One that was adopted from an rnode: who asks for it knows what it is.
  const isAdopted = chore.executions.length === 0;
  if (isAdopted) {
    chore.needs = needs;
    chore.queuedAtMs = submittedAtMs;
    chore.expectedMs = submission.expectedMs;
    chore.historyKey = submission.historyKey;
    chore.mayRunTwice = !submission.doNotCache;
    chore.inputs = state.blobs.need(submission.inputs);
    chore.inputBytes = submission.inputs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }
  const invocation = state.invocation(submission.invocation, submission.weight > 0 ? submission.weight : 1);
  invocation.waiting++;
  if (submission.class === "interactive") state.reserve.begun(chore.needs);
  const execution: Execution = {
    id,
    client,
    invocation,
    classIndex: PRIORITY_CLASSES.indexOf(submission.class),
    submittedAtMs,
    chore,
    rankMs: submission.rankMs ?? expectedMs,
  };
  state.executions.set(id, execution);
  addToClient(turn, execution);
  chore.executions.push(execution);
  const isRunning = chore.leases.length > 0;
  const first = leaderOf(chore.executions) as Execution;
  chore.queuedAtMs = Math.min(chore.queuedAtMs, submittedAtMs);
  chore.rankMs = first.rankMs;
  if (!isRunning || chore.lane !== undefined) state.queue.put(chore, first);
  turn.effects.push({ type: "stage", execution: id, client, stage: isRunning ? "executing" : "queued" });
  if (chore.executions.length > 1) {
    const into = (chore.executions[0] as Execution).id;
    turn.reasons.push({ about: "merged", execution: id, into, action: chore.action });
  }
}

function newChore(turn: Turn, key: string, submission: Submission, queuedAtMs: number): Chore {
  const chore = emptyChore(turn, key, submission.action);
  chore.queuedAtMs = queuedAtMs;
  return chore;
}

/** A chore of which nothing is known yet but what it is. */
export function emptyChore(turn: Turn, key: string, action: string): Chore {
  const { state, now } = turn;
  const chore: Chore = {
    number: state.nextNumber(),
    key,
    action,
    needs: needsOf([], state.config),
    queuedAtMs: now,
    rankMs: 0,
    expectedMs: undefined,
    historyKey: "",
    inputs: [],
    inputBytes: 0,
    mayRunTwice: !key.startsWith(ALONE),
    executions: [],
    leases: [],
    failures: [],
    late: [],
    retryAtMs: 0,
    passes: 0,
    yields: 0,
    notBeforeMs: 0,
    lane: undefined,
    isEnded: false,
    heapIndex: -1,
  };
  state.chores.set(key, chore);
  return chore;
}

function addToClient({ state }: Turn, execution: Execution): void {
  const others = state.ofClient.get(execution.client);
  if (others === undefined) state.ofClient.set(execution.client, new Set([execution]));
  else others.add(execution);
}

/**
 * Ends what asks for platform properties nobody knows: it would wait for ever, and for a misspelt word. Not while the
 * rnodes that might know them have yet to come.
 */
export function refuseUnknown(turn: Turn): void {
  const { state, now } = turn;
  if (state.rnodes.size === 0 || state.isAdopting(now)) return;
  for (const pool of [...state.queue.pools()]) {
    const unknown = unknownProperty(pool.needs, state.rnodes.values(), state.config);
    if (unknown === undefined) continue;
    const { property, value, known } = unknown;
    const text = `platform property ${property}=${value} means nothing here; known are ${known.join(", ")}`;
    for (const chore of state.queue.choresOf(pool))
      answerAll(turn, chore, { kind: "refused", property, value, known, text });
  }
}

/** A client asks for an execution by name: again, or from another connection. */
export function wait(turn: Turn, id: string, client: string): void {
  const { state } = turn;
  clientBack(turn, client);
  const kept = state.answers.get(id);
  const execution = state.executions.get(id);
  if (execution === undefined) {
    turn.effects.push({ type: "answer", execution: id, client, answer: kept?.answer ?? { kind: "unknown" } });
    return;
  }
  if (execution.client !== client) {
    state.ofClient.get(execution.client)?.delete(execution);
    execution.client = client;
    addToClient(turn, execution);
  }
  const isRunning = execution.chore.leases.length > 0;
  turn.effects.push({ type: "stage", execution: id, client, stage: isRunning ? "executing" : "queued" });
}

export function cancelExecution(turn: Turn, id: string): void {
  const execution = turn.state.executions.get(id);
  if (execution !== undefined) endExecution(turn, execution, { kind: "cancelled", because: "asked" });
}

export function clientLost(turn: Turn, client: string): void {
  const { state, now } = turn;
  if (!state.ofClient.has(client)) return;
  const until = now + state.config.clientGraceMs;
  state.lostClients.set(client, until);
  state.setAlarm(until, { kind: "client-gone", client, until });
}

export function clientBack({ state }: Turn, client: string): void {
  state.lostClients.delete(client);
}

/** The time in which a client could have come back is over. */
export function clientGone(turn: Turn, client: string, until: number): void {
  const { state } = turn;
  if (state.lostClients.get(client) !== until) return;
  state.lostClients.delete(client);
  for (const execution of [...(state.ofClient.get(client) ?? [])]) {
    endExecution(turn, execution, { kind: "cancelled", because: "client-lost" });
  }
}

/** A leader begins where another ended: what was queued is queued, and rnodes are waited for to tell what they hold. */
export function restore(turn: Turn, event: RestoredEvent): void {
  const { state, now } = turn;
  for (const name of event.rnodes) if (!state.rnodes.get(name)?.isConnected) state.awaited.add(name);
  if (state.awaited.size > 0) {
    state.adoptUntilMs = now + state.config.adoptMs;
    state.setAlarm(state.adoptUntilMs, { kind: "adopted" });
  }
  // Where running twice is wrong, whoever is not heard of must have stopped by itself before it is begun again.
  const notBeforeMs = now + state.config.leaseMs;
  if (state.awaited.size > 0) state.setAlarm(notBeforeMs, { kind: "adopted" });
  for (const submission of event.submissions) {
    submit(turn, submission);
    const chore = state.executions.get(submission.execution)?.chore;
    if (chore !== undefined && !chore.mayRunTwice) chore.notBeforeMs = notBeforeMs;
  }
  for (const client of new Set(event.submissions.map((submission) => submission.client))) clientLost(turn, client);
}
