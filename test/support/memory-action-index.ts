import type { Sha256 } from "../../src/base/index.ts";
import type { ActionIndex, IndexedExecution } from "../../src/cache/index.ts";

type Position = { readonly ledger: Sha256; readonly size: number };

/** An action index in memory. */
export class MemoryActionIndex implements ActionIndex {
  #executions = new Map<number, IndexedExecution>();
  readonly #quarantined = new Set<number>();
  #position: Position | undefined;

  position(): Position | undefined {
    return this.#position;
  }

  add(executions: readonly IndexedExecution[], position: Position): void {
    for (const execution of executions) this.#executions.set(execution.seq, structuredClone(execution));
    this.#position = { ...position };
  }

  find(action: Sha256): IndexedExecution[] {
    return this.#newest((execution) => execution.action === action && !this.#quarantined.has(execution.seq));
  }

  quarantine(seq: number): void {
    this.#quarantined.add(seq);
  }

  quarantined(action: Sha256): number | undefined {
    return this.#newest((execution) => execution.action === action && this.#quarantined.has(execution.seq))[0]?.seq;
  }

  history(chore: string, limit: number): IndexedExecution[] {
    return this.#newest((execution) => execution.chore === chore).slice(0, limit);
  }

  producers(hash: Sha256): IndexedExecution[] {
    return this.#newest((execution) => execution.outputs.some((output) => output.digest.hash === hash));
  }

  producersOfPath(path: string, limit: number): IndexedExecution[] {
    return this.#newest((execution) => execution.outputs.some((output) => output.path === path)).slice(0, limit);
  }

  durationsMs(chores: readonly string[]): Map<string, number> {
    const durations = new Map<string, number>();
    for (const chore of chores) {
      const newest = this.history(chore, 1)[0];
      if (newest !== undefined) durations.set(chore, newest.durationMs);
    }
    return durations;
  }

  clear(): void {
    this.#executions.clear();
    this.#quarantined.clear();
    this.#position = undefined;
  }

  #newest(fits: (execution: IndexedExecution) => boolean): IndexedExecution[] {
    return [...this.#executions.values()].filter(fits).sort((a, b) => b.seq - a.seq);
  }
}
