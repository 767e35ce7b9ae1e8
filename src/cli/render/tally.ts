import type { BuildEvent, FailureReport } from "../../scheduler/index.ts";

/** What has happened so far, counted from events; every renderer reads the same numbers. */
export interface Tally {
  planned: number;
  /** Chores that had nothing to do: what the scheduler last said was decided, but for those that were told of one by one. */
  settled: number;
  executed: number;
  cached: number;
  skipped: number;
  /** Chores that came to an end, each once: one whose result was lost comes to a second one. */
  readonly ended: Ended;
  readonly failures: FailureReport[];
  errors: number;
  warnings: number;
  /** Of a dry run: chores that would run, and those of them that perhaps would. */
  wouldRun: number;
  perhaps: number;
  remainingMs: number | undefined;
}

/** A set of chores by number: a byte each, since there may be a million. */
class Ended {
  count = 0;
  #is = new Uint8Array(256);

  add(chore: number): void {
    if (chore >= this.#is.length) {
      const larger = new Uint8Array(2 ** Math.ceil(Math.log2(chore + 1)));
      larger.set(this.#is);
      this.#is = larger;
    }
    if (this.#is[chore] === 0) this.count++;
    this.#is[chore] = 1;
  }
}

export function newTally(): Tally {
  return {
    planned: 0,
    settled: 0,
    executed: 0,
    cached: 0,
    skipped: 0,
    ended: new Ended(),
    failures: [],
    errors: 0,
    warnings: 0,
    wouldRun: 0,
    perhaps: 0,
    remainingMs: undefined,
  };
}

export function count(tally: Tally, event: BuildEvent): void {
  switch (event.type) {
    case "build-started":
      tally.planned = event.planned;
      return;
    case "progress":
      tally.planned = event.planned;
      tally.settled = Math.max(0, event.decided - tally.ended.count);
      tally.remainingMs = event.remainingMs;
      return;
    case "chore-finished":
      tally.executed++;
      tally.ended.add(event.chore.index);
      return;
    case "chore-cached":
      tally.cached++;
      tally.ended.add(event.chore.index);
      return;
    case "chore-failed":
      tally.failures.push(event.failure);
      tally.ended.add(event.failure.chore.index);
      return;
    case "chore-skipped":
      tally.skipped++;
      tally.ended.add(event.chore.index);
      return;
    case "chore-planned":
      if (["cached", "settled", "unused input changed"].includes(event.decision.reason)) return;
      tally.wouldRun++;
      if (event.decision.reason === "maybe") tally.perhaps++;
      return;
    case "diagnostics":
      for (const diagnostic of event.diagnostics) {
        if (diagnostic.severity === "error") tally.errors++;
        else tally.warnings++;
      }
      return;
    case "notice":
      if (event.severity === "error") tally.errors++;
      if (event.severity === "warning") tally.warnings++;
      return;
  }
}

/** `[ 3/40]`: as wide for the first chore as for the last. */
export function position(tally: Tally): string {
  const done = tally.settled + tally.ended.count;
  const planned = Math.max(tally.planned, done);
  return `[${String(done).padStart(String(planned).length)}/${planned}]`;
}
