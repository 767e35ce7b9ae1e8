import { ringAlarms } from "./alarms.ts";
import { cancelExecution, clientBack, clientLost, refuseUnknown, restore, submit, wait } from "./client-turns.ts";
import { dispatch } from "./dispatch.ts";
import type { DecisionReason, LeaderEffect } from "./effects.ts";
import type { LeaderEvent } from "./events.ts";
import { pendingReason } from "./pending.ts";
import { accepted, blobs, draining, heartbeat, hello, refused, result, rnodeLost, running } from "./rnode-turns.ts";
import type { LeaderState } from "./state.ts";
import type { Turn } from "./turn.ts";

export interface Decision {
  readonly state: LeaderState;
  readonly effects: readonly LeaderEffect[];
  readonly reasons: readonly DecisionReason[];
}

/**
 * What the leader does about one event. The same events at the same times give the same effects, in the same order;
 * nothing is asked of the outside.
 *
 * `state` is changed and handed back: a copy of 10,000 queued chores for each event would cost more than the decision.
 * The cost is O(log n) in the queued chores, and linear in rnodes, in kinds of needs and in the inputs of what is
 * placed.
 *
 * @param now Milliseconds on a clock that never runs backwards.
 */
export function decide(state: LeaderState, event: LeaderEvent, now: number): Decision {
  const turn: Turn = { state, now, effects: [], reasons: [] };
  take(turn, event);
  dispatch(turn);
  if (event.type === "submit") explainQueued(turn, event.submission.execution);
  const next = state.alarms.peek()?.at;
  if (next !== undefined && next < state.timerAtMs) {
    state.timerAtMs = next;
    turn.effects.push({ type: "timer", at: next });
  }
  return { state, effects: turn.effects, reasons: turn.reasons };
}

function explainQueued(turn: Turn, execution: string): void {
  const reason = pendingReason(turn.state, execution, turn.now);
  if (reason !== undefined) turn.reasons.push({ about: "queued", execution, reason });
}

function take(turn: Turn, event: LeaderEvent): void {
  switch (event.type) {
    case "submit":
      submit(turn, event.submission);
      if (event.submission.platform.length > 0) refuseUnknown(turn);
      break;
    case "wait":
      wait(turn, event.execution, event.client);
      break;
    case "cancel":
      cancelExecution(turn, event.execution);
      break;
    case "client-lost":
      clientLost(turn, event.client);
      break;
    case "client-back":
      clientBack(turn, event.client);
      break;
    case "hello":
      hello(turn, event);
      refuseUnknown(turn);
      break;
    case "heartbeat":
      heartbeat(turn, event);
      break;
    case "accepted":
      accepted(turn, event);
      break;
    case "running":
      running(turn, event);
      break;
    case "refused":
      refused(turn, event);
      break;
    case "result":
      result(turn, event);
      break;
    case "draining":
      draining(turn, event);
      break;
    case "rnode-lost":
      rnodeLost(turn, event);
      break;
    case "blobs":
      blobs(turn, event);
      break;
    case "history":
      for (const durationMs of event.durationsMs) turn.state.durations.record(event.historyKey, durationMs);
      break;
    case "timer":
      ringAlarms(turn);
      refuseUnknown(turn);
      break;
    case "restored":
      restore(turn, event);
      break;
  }
}
