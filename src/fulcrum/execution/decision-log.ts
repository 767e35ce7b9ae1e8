import type { Clock } from "../../ports/index.ts";
import { type DecisionReason, type PlacementReason, pendingText, placementText } from "../leader/index.ts";

export interface DecisionNote {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly text: string;
}

/** Of one execution; what goes on for ever must not fill the memory. */
const MOST_NOTES = 100;

/** What was decided about each execution, and why, oldest first. Texts are made when somebody asks. */
export class DecisionLog {
  readonly #notes = new Map<string, { readonly atMs: number; readonly text: () => string }[]>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(execution: string): DecisionNote[] {
    return (this.#notes.get(execution) ?? []).map(({ atMs, text }) => ({ atMs, text: text() }));
  }

  note(execution: string, text: string): void {
    this.#add(execution, () => text);
  }

  placed(execution: string, rnode: string, reason: PlacementReason, isHedge: boolean): void {
    const what = isHedge ? `begun on rnode ${rnode} as well, since it takes long` : `placed on rnode ${rnode}`;
    this.#add(execution, () => `${what}: ${placementText(reason)}`);
  }

  /** @param now On the clock the decisions are made by. */
  explain(reason: DecisionReason, now: number): void {
    switch (reason.about) {
      case "queued":
        this.#add(reason.execution, () => `pending because ${pendingText(reason.reason, now)}`);
        break;
      case "merged":
        this.#add(reason.execution, () => `joined ${reason.into}, which is the same action`);
        break;
      case "queued-again":
        for (const execution of reason.executions) {
          this.#add(execution, () => `queued again, keeping its place, after rnode ${reason.rnode}: ${reason.text}`);
        }
        break;
      case "placed":
        break;
    }
  }

  forget(execution: string): void {
    this.#notes.delete(execution);
  }

  #add(execution: string, text: () => string): void {
    const notes = this.#notes.get(execution) ?? [];
    if (notes.length === 0) this.#notes.set(execution, notes);
    if (notes.length >= MOST_NOTES) notes.splice(1, 1);
    notes.push({ atMs: this.#clock.nowMs(), text });
  }
}
