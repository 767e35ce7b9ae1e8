import type { BuildEvent, FailureReport } from "../../scheduler/index.ts";

/** What has happened so far, counted from events; every renderer reads the same numbers. */
export interface Tally {
  planned: number;
  /** Chores whose end is known: settled, cached, executed, failed, skipped. */
  done: number;
  executed: number;
  cached: number;
  skipped: number;
  readonly failures: FailureReport[];
  errors: number;
  warnings: number;
  /** Of a dry run: chores that would run, and those of them that perhaps would. */
  wouldRun: number;
  perhaps: number;
  remainingMs: number | undefined;
}

export function newTally(): Tally {
  return {
    planned: 0,
    done: 0,
    executed: 0,
    cached: 0,
    skipped: 0,
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
      // Chores settled in bulk have no event of their own; they are counted here.
      tally.done = Math.max(tally.done, event.decided);
      tally.remainingMs = event.remainingMs;
      return;
    case "chore-finished":
      tally.executed++;
      tally.done++;
      return;
    case "chore-cached":
      tally.cached++;
      tally.done++;
      return;
    case "chore-failed":
      tally.failures.push(event.failure);
      tally.done++;
      return;
    case "chore-skipped":
      tally.skipped++;
      tally.done++;
      return;
    case "chore-planned":
      if (event.decision.reason === "cached" || event.decision.reason === "settled") return;
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
  const planned = Math.max(tally.planned, tally.done);
  return `[${String(Math.min(tally.done, planned)).padStart(String(planned).length)}/${planned}]`;
}
