import type { Plan } from "./plan.ts";

/** Paths that are not what they were when the chores that use them came to their results. */
export class ChangedPaths {
  readonly #plan: Plan;
  readonly #isChanged: Uint8Array;
  #hasAny = false;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#isChanged = new Uint8Array(plan.pathCount);
  }

  add(path: number): void {
    this.#isChanged[path] = 1;
    this.#hasAny = true;
  }

  /** Whether an input of `chore` is among them. Asked for every chore of a plan: nothing is made for it. */
  touch(chore: number): boolean {
    if (!this.#hasAny) return false;
    const { inputOffsets, inputs, producer } = this.#plan.columns;
    const end = inputOffsets[chore + 1] as number;
    for (let i = inputOffsets[chore] as number; i < end; i++) {
      const entry = inputs[i] as number;
      if (this.#isChanged[entry >>> 1]) return true;
      if ((entry & 1) === 0) continue;
      for (const below of this.#plan.outputsBelow(entry >>> 1))
        if (this.#isChanged[below >>> 1] && producer[below >>> 1] !== chore) return true;
    }
    return false;
  }
}
