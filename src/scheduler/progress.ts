import type { EventListener } from "./events.ts";

/** What a chore never seen is taken to need when nothing at all is known. */
const UNKNOWN_MS = 1_000;
/** Chores settled or used again between two reports: they are many and quick. */
const REPORT_EVERY = 1_000;

/** How far a build is, and by the recorded durations how long it still needs. */
export class Progress {
  readonly #planned: number;
  readonly #jobs: number;
  readonly #durationsMs: Float32Array;
  readonly #listener: EventListener;
  #open = new Uint8Array();
  #openCount = 0;
  #openMs = 0;
  #known = false;
  #running = 0;
  #unreported = 0;
  #started = new Set<number>();

  constructor(planned: number, jobs: number, durationsMs: Float32Array, listener: EventListener) {
    this.#planned = planned;
    this.#jobs = jobs;
    this.#durationsMs = durationsMs;
    this.#listener = listener;
  }

  /** Mean of the recorded durations of these. */
  typicalMs(chores: readonly number[]): number {
    let sum = 0;
    let count = 0;
    for (const chore of chores) {
      if (!this.#durationsMs[chore]) continue;
      sum += this.#durationsMs[chore] as number;
      count++;
    }
    return count === 0 ? UNKNOWN_MS : sum / count;
  }

  /** These chores are still open; all others are done. */
  expect(chores: readonly number[]): void {
    this.#open = new Uint8Array(this.#durationsMs.length);
    for (const chore of chores) {
      this.#open[chore] = 1;
      this.#openCount++;
      this.#openMs += this.#durationsMs[chore] as number;
      this.#known ||= (this.#durationsMs[chore] as number) > 0;
    }
    this.report();
  }

  started(chore: number): void {
    // Once more, for the next round of a fixpoint or to explain a failure: it is running already.
    if (this.#started.has(chore)) return;
    this.#running++;
    this.#started.add(chore);
    this.report();
  }

  done(chore: number): void {
    const ran = this.#started.delete(chore);
    if (ran) this.#running--;
    if (this.#open[chore]) {
      this.#open[chore] = 0;
      this.#openCount--;
      this.#openMs = Math.max(0, this.#openMs - (this.#durationsMs[chore] as number));
    }
    this.#unreported++;
    if (ran || this.#unreported >= REPORT_EVERY) this.report();
  }

  report(): void {
    this.#unreported = 0;
    this.#listener({
      type: "progress",
      decided: this.#planned - this.#openCount,
      planned: this.#planned,
      running: this.#running,
      remainingMs: this.#known && this.#openCount > 0 ? this.#openMs / this.#jobs : undefined,
    });
  }
}
