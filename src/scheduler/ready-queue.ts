/** A heap of chores: the highest rank first, then the lowest number, so that equal ranks run in the order written. */
export class ReadyQueue {
  readonly #heap: number[] = [];
  readonly #rank: Float64Array;

  /** @param rank By chore; must not change while a chore is queued. */
  constructor(rank: Float64Array) {
    this.#rank = rank;
  }

  /** `undefined` of a chore that is no part of the build. */
  rankMs(chore: number): number | undefined {
    return this.#rank[chore] || undefined;
  }

  get size(): number {
    return this.#heap.length;
  }

  #before(a: number, b: number): boolean {
    const difference = (this.#rank[a] as number) - (this.#rank[b] as number);
    return difference > 0 || (difference === 0 && a < b);
  }

  push(chore: number): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(chore);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!this.#before(chore, heap[parent] as number)) break;
      heap[at] = heap[parent] as number;
      at = parent;
    }
    heap[at] = chore;
  }

  peek(): number | undefined {
    return this.#heap[0];
  }

  pop(): number | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#before(heap[child + 1] as number, heap[child] as number)) child++;
      if (!this.#before(heap[child] as number, last)) break;
      heap[at] = heap[child] as number;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}

/**
 * Upward rank: the longest way, in milliseconds of recorded durations, from a chore to the end of the build. What is
 * on the critical path runs first. A chore never seen counts as `unknownMs`.
 *
 * @param order The build's chores, each after those it waits for.
 * @param isIncluded Whether a chore is one of them.
 */
export function upwardRanks(
  order: ArrayLike<number>,
  dependenciesOf: (chore: number) => Uint32Array,
  durationsMs: ArrayLike<number>,
  isIncluded: (chore: number) => boolean,
  unknownMs: number,
): Float64Array {
  const rank = new Float64Array(durationsMs.length);
  for (let i = order.length - 1; i >= 0; i--) {
    const chore = order[i] as number;
    const own = (rank[chore] as number) + ((durationsMs[chore] as number) || unknownMs);
    rank[chore] = own;
    for (const dependency of dependenciesOf(chore)) {
      if (isIncluded(dependency) && (rank[dependency] as number) < own) rank[dependency] = own;
    }
  }
  return rank;
}
