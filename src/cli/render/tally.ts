import type { BuildEvent, FailureReport } from "../../scheduler/index.ts";

/** What has happened so far, counted from events; every renderer reads the same numbers. */
export interface Tally {
  planned: number;
  /** Chores whose end is known, as the scheduler last said; the only count of those settled in bulk. */
  decided: number;
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
    decided: 0,
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
      tally.decided = event.decided;
      tally.remainingMs = event.remainingMs;
      return;
    case "chore-finished":
      tally.executed++;
      return;
    case "chore-cached":
      tally.cached++;
      return;
    case "chore-failed":
      tally.failures.push(event.failure);
      return;
    case "chore-skipped":
      tally.skipped++;
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
  const ended = tally.executed + tally.cached + tally.failures.length + tally.skipped;
  const done = Math.max(ended, tally.decided);
  const planned = Math.max(tally.planned, done);
  return `[${String(done).padStart(String(planned).length)}/${planned}]`;
}
