import { IndexedHeap } from "../../../src/fulcrum/leader/heap.ts";

interface Due {
  readonly at: number;
  readonly order: number;
  readonly act: () => void;
  heapIndex: number;
}

/** A clock that jumps from one due thing to the next; what is due at once happens in the order it was asked for. */
export class VirtualTime {
  now = 0;
  readonly #due = new IndexedHeap<Due>((a, b) => a.at < b.at || (a.at === b.at && a.order < b.order));
  #orders = 0;

  after(ms: number, act: () => void): void {
    this.#due.push({ at: this.now + Math.max(0, ms), order: this.#orders++, act, heapIndex: -1 });
  }

  /** Does the next due thing. @returns whether there was one not later than `until`. */
  step(until = Number.POSITIVE_INFINITY): boolean {
    const next = this.#due.peek();
    if (next === undefined || next.at > until) return false;
    this.#due.pop();
    this.now = next.at;
    next.act();
    return true;
  }
}
