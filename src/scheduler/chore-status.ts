import { invariant } from "../base/index.ts";
import type { Plan } from "./plan.ts";
import type { Dispositions } from "./recorder.ts";
import type { Selection } from "./targets.ts";

/** Where a chore is on its way. Every needed chore ends in `settled`, `hit`, `executed`, `failed` or `skipped`. */
export const STATUS = {
  /** Not needed for the targets. */
  idle: 0,
  /** Nothing it rests on can have changed: proven up to date without a look. */
  settled: 1,
  waiting: 2,
  ready: 3,
  running: 4,
  hit: 5,
  executed: 6,
  failed: 7,
  skipped: 8,
} as const;

export type Status = (typeof STATUS)[keyof typeof STATUS];

/** Status of every chore of a build, and who waits for how many others. */
export class ChoreStatuses {
  readonly #plan: Plan;
  readonly #status: Uint8Array;
  readonly #pending: Uint32Array;
  /** How many have each status. */
  readonly #counts: number[] = new Array(Object.keys(STATUS).length).fill(0);

  constructor(plan: Plan, selection: Selection) {
    this.#plan = plan;
    invariant(STATUS.settled === 1 && STATUS.idle === 0, "a needed chore's status is not what marks it as needed");
    this.#status = selection.needed.slice();
    this.#pending = new Uint32Array(plan.choreCount);
    this.#counts[STATUS.settled] = selection.neededCount;
    this.#counts[STATUS.idle] = plan.choreCount - selection.neededCount;
  }

  of(chore: number): Status {
    return this.#status[chore] as Status;
  }

  set(chore: number, status: Status): void {
    const before = this.#status[chore] as number;
    this.#status[chore] = status;
    this.#counts[before] = (this.#counts[before] as number) - 1;
    this.#counts[status] = (this.#counts[status] as number) + 1;
  }

  isNeeded(chore: number): boolean {
    return this.#status[chore] !== STATUS.idle;
  }

  isDone(chore: number): boolean {
    const status = this.#status[chore] as number;
    return status === STATUS.settled || status === STATUS.hit || status === STATUS.executed;
  }

  /**
   * Puts `dirty` chores, and all needed ones that come after them, among the waiting.
   *
   * @returns All that wait, and those of them that wait for nobody.
   */
  await(dirty: Iterable<number>): { readonly waiting: readonly number[]; readonly ready: readonly number[] } {
    const waiting: number[] = [];
    const stack = [...dirty];
    for (let chore = stack.pop(); chore !== undefined; chore = stack.pop()) {
      if (this.#status[chore] !== STATUS.settled) continue;
      this.set(chore, STATUS.waiting);
      waiting.push(chore);
      for (const dependant of this.#plan.dependantsOf(chore)) stack.push(dependant);
    }
    const ready: number[] = [];
    for (const chore of waiting) {
      let pending = 0;
      for (const dependency of this.#plan.dependenciesOf(chore))
        if (this.#status[dependency] === STATUS.waiting) pending++;
      this.#pending[chore] = pending;
      if (pending === 0) ready.push(chore);
    }
    return { waiting, ready };
  }

  /** Makes `chore` wait for one more. */
  waitForAnother(chore: number): void {
    this.set(chore, STATUS.waiting);
    this.#pending[chore] = (this.#pending[chore] as number) + 1;
  }

  /** One of those `chore` waits for came to its end; answers whether it was the last. */
  release(chore: number): boolean {
    if (this.#status[chore] !== STATUS.waiting) return false;
    const pending = (this.#pending[chore] as number) - 1;
    this.#pending[chore] = pending;
    return pending === 0;
  }

  /** The first dependency that failed or was skipped. */
  brokenDependency(chore: number): number | undefined {
    for (const dependency of this.#plan.dependenciesOf(chore)) {
      const status = this.#status[dependency];
      if (status === STATUS.failed || status === STATUS.skipped) return dependency;
    }
    return undefined;
  }

  /** Everything planned, each in exactly one; what never came to its end counts as skipped. */
  dispositions(): Dispositions {
    const of = (...statuses: Status[]): number =>
      statuses.reduce((sum: number, status) => sum + (this.#counts[status] as number), 0);
    return {
      exec: of(STATUS.executed),
      hit: of(STATUS.hit),
      fail: of(STATUS.failed),
      skip: of(STATUS.skipped, STATUS.waiting, STATUS.ready, STATUS.running),
      settled: of(STATUS.settled),
    };
  }
}
