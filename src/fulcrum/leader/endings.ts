import type { Answer, CancelReason } from "./effects.ts";
import type { ResultEvent } from "./events.ts";
import { cancel } from "./leases.ts";
import type { Chore, Execution, Lease, Rnode } from "./model.ts";
import { meets } from "./needs.ts";
import { leaderOf } from "./queue.ts";
import type { Turn } from "./turn.ts";

/** Ends one execution for its client; the chore goes on for others, or stops with the last. */
export function endExecution(turn: Turn, execution: Execution, answer: Answer): void {
  const { chore } = execution;
  forget(turn, execution, answer);
  chore.executions.splice(chore.executions.indexOf(execution), 1);
  const next = leaderOf(chore.executions);
  if (next === undefined) endChore(turn, chore, "not-wanted");
  else if (chore.lane !== undefined) {
    chore.rankMs = next.rankMs;
    turn.state.queue.put(chore, next);
  }
}

function forget(turn: Turn, execution: Execution, answer: Answer): void {
  const { state, now } = turn;
  const { id, client, invocation } = execution;
  turn.effects.push({ type: "answer", execution: id, client, answer });
  state.keepAnswer(id, answer, now);
  state.executions.delete(id);
  const others = state.ofClient.get(client);
  others?.delete(execution);
  if (others?.size === 0) state.ofClient.delete(client);
  invocation.waiting--;
  if (execution.classIndex === 0) {
    const untilMs = now + state.config.reserveMs;
    if (state.reserve.ended(execution.chore.needs, untilMs)) state.setAlarm(untilMs, { kind: "reserve-ends" });
  }
  state.forgetInvocation(invocation);
}

/** Ends a chore for everybody who waits for it. */
export function answerAll(turn: Turn, chore: Chore, answer: Answer): void {
  for (const execution of chore.executions.splice(0)) forget(turn, execution, answer);
  endChore(turn, chore, answer.kind === "result" ? "superseded" : "not-wanted");
}

function endChore(turn: Turn, chore: Chore, reason: CancelReason): void {
  const { state } = turn;
  chore.isEnded = true;
  state.queue.remove(chore);
  state.overdue.delete(chore);
  if (state.chores.get(chore.key) === chore) state.chores.delete(chore.key);
  for (const lease of [...chore.leases]) cancel(turn, lease, reason);
  state.blobs.release(chore.inputs);
  chore.inputs = [];
}

/** The first valid result: it counts for everybody, and what came too late before it is compared with it. */
export function complete(turn: Turn, lease: Lease, event: ResultEvent & { outcome: { kind: "done" } }): void {
  const { state } = turn;
  const { chore, rnode } = lease;
  const { outcome } = event;
  const expectedMs = state.durations.p95Ms(chore.historyKey, chore.expectedMs);
  if (expectedMs !== undefined && expectedMs > 0) {
    const ratio = Math.min(10, Math.max(0.1, outcome.durationMs / expectedMs));
    rnode.slowness = 0.8 * rnode.slowness + 0.2 * ratio;
  }
  if (chore.historyKey !== "") state.durations.record(chore.historyKey, outcome.durationMs);
  state.finished.set(chore.key, { action: chore.action, outcome: outcome.outcome });
  for (const late of chore.late) {
    turn.effects.push({
      type: "compare",
      action: chore.action,
      rnode: late.rnode,
      counted: outcome.outcome,
      late: late.outcome,
      isEqual: late.outcome === outcome.outcome,
    });
  }
  answerAll(turn, chore, { kind: "result", result: outcome.result, rnode: rnode.name });
}

/** An attempt came to nothing through no fault of the action. Tries again, unless it was tried often enough. */
export function attemptFailed(turn: Turn, chore: Chore, rnode: Rnode, text: string): void {
  const { state, now } = turn;
  chore.failures.push({ rnode: rnode.name, text });
  const attempts = chore.failures.filter(({ isUnfit }) => !isUnfit).length;
  if (attempts < state.config.attempts || chore.leases.length > 0) {
    // What ails an rnode may pass within seconds; elsewhere it is begun at once.
    chore.retryAtMs = now + state.config.retryMs * 4 ** (attempts - 1);
    state.setAlarm(chore.retryAtMs, { kind: "retry" });
    queueAgain(turn, chore, rnode, text);
    return;
  }
  giveUp(turn, chore, `given up after ${attempts} attempts that never came to a result`);
}

/** The rnode will never run it. Others may; where there are none, waiting would be for nothing. */
export function unfit(turn: Turn, chore: Chore, rnode: Rnode, text: string): void {
  chore.failures.push({ rnode: rnode.name, text, isUnfit: true });
  const isLeft = [...turn.state.rnodes.values()].some(
    (other) => other.isConnected && meets(other, chore.needs) && !isUnfitFor(other, chore),
  );
  if (isLeft || chore.leases.length > 0) queueAgain(turn, chore, rnode, text);
  else giveUp(turn, chore, "no rnode can run it");
}

export const isUnfitFor = ({ name }: Rnode, { failures }: Chore): boolean =>
  failures.some((failure) => failure.isUnfit === true && failure.rnode === name);

function giveUp(turn: Turn, chore: Chore, text: string): void {
  const failures = [...chore.failures];
  const tried = failures.map((failure) => `${failure.rnode}: ${failure.text}`).join("; ");
  answerAll(turn, chore, { kind: "failed", failures, text: `${text}: ${tried}` });
}

/** Back into the queue, at the place it had: time and rank are those of the first asking. */
export function queueAgain(turn: Turn, chore: Chore, rnode: Rnode, text: string): void {
  if (chore.isEnded) return;
  if (chore.leases.some((lease) => !lease.rnode.isSilent)) return;
  if (chore.leases.length > 0 && !chore.mayRunTwice) return;
  const first = leaderOf(chore.executions);
  if (first === undefined) {
    // Adopted, and nobody has asked for it since: whoever does submits it anew.
    if (chore.leases.length === 0) endChore(turn, chore, "not-wanted");
    return;
  }
  if (chore.lane !== undefined) return;
  turn.state.overdue.delete(chore);
  turn.state.queue.put(chore, first);
  const executions = chore.executions.map(({ id }) => id);
  turn.reasons.push({ about: "queued-again", action: chore.action, executions, rnode: rnode.name, text });
  for (const { id, client } of chore.executions) {
    turn.effects.push({ type: "stage", execution: id, client, stage: "queued" });
  }
}
