import type { Executable } from "./decide.ts";
import type { FarmDesk } from "./farm-desk.ts";
import type { Place } from "./place.ts";

/** Chores decided but not started; more would only hold their inputs' lists in memory. */
const DECIDED_AHEAD = 16;

/** A chore that is to be executed. */
export interface Decided {
  readonly chore: number;
  readonly verdict: Executable;
}

export interface Starter {
  /** Never rejects. */
  run(decided: Decided, place: Place): Promise<void>;
  /** It can run nowhere. */
  refuse(decided: Decided, because: string): void;
  /** Each time one that ran has come to its end. */
  ended(): void;
  isStopping(): boolean;
}

/** Decided chores in the order in which they are to start, each as soon as there is a place for it. */
export class StartLine {
  readonly #desk: FarmDesk;
  readonly #starter: Starter;
  readonly #waiting: Decided[] = [];
  #running = 0;

  constructor(desk: FarmDesk, starter: Starter) {
    this.#desk = desk;
    this.#starter = starter;
  }

  get running(): number {
    return this.#running;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Whether another chore is worth deciding. */
  get hasRoom(): boolean {
    return this.#waiting.length < DECIDED_AHEAD + this.#desk.places;
  }

  push(decided: Decided): void {
    this.#waiting.push(decided);
  }

  /** It was started before and came to nothing. */
  putBack(decided: Decided): void {
    this.#waiting.unshift(decided);
  }

  /** More than may run at once: inputs are staged and outputs taken beside others' recipes. */
  start(): void {
    for (let next = 0; next < this.#waiting.length && !this.#starter.isStopping(); ) {
      const decided = this.#waiting[next] as Decided;
      const deadEnd = this.#desk.deadEnd(decided.chore);
      const place =
        deadEnd === undefined ? this.#desk.place(decided.chore, decided.verdict.described.request) : undefined;
      if (place === undefined && deadEnd === undefined) {
        // Without a farm none of the others has a place either.
        if (this.#desk.places === 0) return;
        next++;
        continue;
      }
      this.#waiting.splice(next, 1);
      if (place === undefined) this.#starter.refuse(decided, deadEnd ?? "");
      else this.#begin(decided, place);
    }
  }

  #begin(decided: Decided, place: Place): void {
    this.#running++;
    this.#desk.started(place);
    void this.#starter.run(decided, place).then(() => {
      this.#running--;
      this.#desk.ended(place);
      this.#starter.ended();
    });
  }
}
