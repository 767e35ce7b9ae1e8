import type { Clock } from "../../ports/index.ts";
import { type DecisionReason, decide, type LeaderEffect, type LeaderEvent, type LeaderState } from "../leader/index.ts";

export interface DecisionListener {
  perform(effect: LeaderEffect): void;
  explain(reason: DecisionReason): void;
}

/** Carries events to the decisions and effects away from them, one event after another, and keeps their timer. */
export class Decider {
  readonly state: LeaderState;
  readonly #clock: Clock;
  readonly #listener: DecisionListener;
  readonly #waiting: LeaderEvent[] = [];
  #isDeciding = false;
  #timer: { readonly atMs: number; readonly cancel: AbortController } | undefined;
  #isStopped = false;

  constructor(state: LeaderState, clock: Clock, listener: DecisionListener) {
    this.state = state;
    this.#clock = clock;
    this.#listener = listener;
  }

  /** The effects are performed when it returns, unless it is called from within one: then right after that. */
  tell(event: LeaderEvent): void {
    if (this.#isStopped) return;
    this.#waiting.push(event);
    if (this.#isDeciding) return;
    this.#isDeciding = true;
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) this.#decide(next);
    } finally {
      this.#isDeciding = false;
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel.abort();
  }

  #decide(event: LeaderEvent): void {
    const { effects, reasons } = decide(this.state, event, this.#clock.monotonicMs());
    // Reasons first: whoever hears of an effect may ask why.
    for (const reason of reasons) this.#listener.explain(reason);
    for (const effect of effects) {
      if (effect.type === "timer") this.#setTimer(effect.at);
      else this.#listener.perform(effect);
    }
  }

  #setTimer(atMs: number): void {
    this.#timer?.cancel.abort();
    const cancel = new AbortController();
    this.#timer = { atMs, cancel };
    this.#clock.sleep(Math.max(0, atMs - this.#clock.monotonicMs()), cancel.signal).then(
      () => {
        if (this.#timer?.cancel === cancel) this.#timer = undefined;
        this.tell({ type: "timer" });
      },
      () => {},
    );
  }
}
