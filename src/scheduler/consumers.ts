import { reverse } from "./edges.ts";
import type { Plan } from "./plan.ts";

/**
 * Which chores use a path, the edges of a plan turned round: as an input of theirs, or as what another chore makes in a
 * directory among their inputs. Found once for a plan; whoever then asks for few paths pays for these alone.
 */
export class Consumers {
  readonly #offsets: Uint32Array;
  readonly #chores: Uint32Array;
  readonly #producer: Int32Array;
  /** Directories of the checkout among the inputs, by each output that stands in them. */
  readonly #above = new Map<number, number[]>();

  constructor(plan: Plan) {
    const { inputOffsets, inputs, producer } = plan.columns;
    const { offsets, list } = reverse(inputOffsets, inputs, plan.pathCount, 1);
    this.#offsets = offsets;
    this.#chores = list;
    this.#producer = producer;
    const trees = new Set<number>();
    for (const entry of inputs) if ((entry & 1) === 1) trees.add(entry >>> 1);
    for (const tree of trees)
      for (const output of plan.outputsBelow(tree)) {
        const above = this.#above.get(output >>> 1);
        if (above === undefined) this.#above.set(output >>> 1, [tree]);
        else above.push(tree);
      }
  }

  /** Calls `take` for each; one may come more than once. */
  each(path: number, take: (chore: number) => void): void {
    this.#each(path, take);
    const above = this.#above.get(path);
    if (above === undefined) return;
    const maker = this.#producer[path] as number;
    for (const tree of above) this.#each(tree, (chore) => void (chore !== maker && take(chore)));
  }

  #each(path: number, take: (chore: number) => void): void {
    const end = this.#offsets[path + 1] as number;
    for (let i = this.#offsets[path] as number; i < end; i++) take(this.#chores[i] as number);
  }
}
