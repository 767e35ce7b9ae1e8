import { NumberRow } from "../base/index.ts";
import type { Plan } from "./plan.ts";

/** Paths that are not what they were when the chores that use them came to their results, and those chores. */
export class ChangedPaths {
  readonly #plan: Plan;
  readonly #isChanged: Uint8Array;
  readonly #isTouched: Uint8Array;
  readonly #touched = new NumberRow();

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#isChanged = new Uint8Array(plan.pathCount);
    this.#isTouched = new Uint8Array(plan.choreCount);
  }

  add(path: number): void {
    if (this.#isChanged[path]) return;
    this.#isChanged[path] = 1;
    this.#plan.consumers.each(path, (chore) => {
      if (this.#isTouched[chore]) return;
      this.#isTouched[chore] = 1;
      this.#touched.push(chore);
    });
  }

  /** Whether an input of `chore` is among them. */
  touch(chore: number): boolean {
    return this.#isTouched[chore] === 1;
  }

  /** Every chore with an input among them, once. */
  *touched(): IterableIterator<number> {
    for (let i = 0; i < this.#touched.length; i++) yield this.#touched.at(i);
  }
}
