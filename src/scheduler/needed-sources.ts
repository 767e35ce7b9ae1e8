import { NumberRow } from "../base/index.ts";
import type { Plan } from "./plan.ts";
import type { Selection } from "./targets.ts";

/** The sources that the targets need, each once, with the first chore that needs it. */
export class NeededSources {
  /** path * 2 + (1 for a tree). */
  readonly entries: Uint32Array;
  readonly neededBy: Uint32Array;
  readonly #pathCount: number;
  /** Place + 1 of each path; 0 of those that are none of them. */
  #places: Uint32Array | undefined;

  constructor(plan: Plan, selection: Selection) {
    const entries = new NumberRow();
    const neededBy = new NumberRow();
    const seen = new Uint8Array(plan.pathCount);
    const { inputOffsets, inputs, producer } = plan.columns;
    for (let chore = 0; chore < plan.choreCount; chore++) {
      if (!selection.needed[chore]) continue;
      for (let i = inputOffsets[chore] as number; i < (inputOffsets[chore + 1] as number); i++) {
        const entry = inputs[i] as number;
        const path = entry >>> 1;
        if (seen[path] || (producer[path] as number) >= 0 || plan.isProperty(path)) continue;
        seen[path] = 1;
        entries.push(entry);
        neededBy.push(chore);
      }
    }
    this.#pathCount = plan.pathCount;
    this.entries = entries.done();
    this.neededBy = neededBy.done();
  }

  /** Where a path stands among them; `undefined` of one that is none of them. */
  placeOf(path: number): number | undefined {
    if (this.#places === undefined) {
      this.#places = new Uint32Array(this.#pathCount);
      for (let i = 0; i < this.entries.length; i++) this.#places[(this.entries[i] as number) >>> 1] = i + 1;
    }
    const place = this.#places[path] as number;
    return place === 0 ? undefined : place - 1;
  }
}
