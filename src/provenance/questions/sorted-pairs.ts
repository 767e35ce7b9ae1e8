import type { BulkInsert } from "./bulk-insert.ts";

/** Pairs sorted at a time: 32 MB. */
const RUN = 1 << 21;
const DIGIT_BITS = 16;
const DIGITS = 1 << DIGIT_BITS;

/**
 * Pairs of numbers below 2^48, put into their table in the order of the first. A B-tree that grows at its end is many
 * times quicker than one that grows everywhere.
 */
export class SortedPairs {
  readonly #insert: BulkInsert;
  #firsts = new Float64Array(1_024);
  #seconds = new Float64Array(1_024);
  #length = 0;

  constructor(insert: BulkInsert) {
    this.#insert = insert;
  }

  add(first: number, second: number): void {
    if (this.#length === this.#firsts.length) this.#grow();
    this.#firsts[this.#length] = first;
    this.#seconds[this.#length++] = second;
    if (this.#length === RUN) this.flush();
  }

  #grow(): void {
    const [firsts, seconds] = [this.#firsts, this.#seconds];
    const room = Math.min(RUN, firsts.length * 8);
    this.#firsts = new Float64Array(room);
    this.#seconds = new Float64Array(room);
    this.#firsts.set(firsts);
    this.#seconds.set(seconds);
  }

  flush(): void {
    const order = sortedOrder(this.#firsts, this.#length);
    for (let i = 0; i < this.#length; i++) {
      const at = order[i] as number;
      this.#insert.addPair(this.#firsts[at] as number, this.#seconds[at] as number);
    }
    this.#insert.flush();
    this.#length = 0;
  }
}

/** Places of the first `length` values, the least value first, equal ones as they stand: a radix sort by 16 bits. */
export function sortedOrder(values: Float64Array, length: number): Uint32Array {
  let order = new Uint32Array(length);
  let [isSorted, most] = [true, 0];
  for (let i = 0; i < length; i++) {
    order[i] = i;
    const value = values[i] as number;
    if (value >= most) most = value;
    else isSorted = false;
  }
  if (isSorted) return order;
  if (length < DIGITS / 4) return order.sort((a, b) => (values[a] as number) - (values[b] as number) || a - b);
  let next = new Uint32Array(length);
  for (let scale = 1; scale <= most; scale *= DIGITS) {
    const starts = new Uint32Array(DIGITS + 1);
    const digits = new Uint16Array(length);
    for (let i = 0; i < length; i++) {
      const digit = Math.floor((values[i] as number) / scale) % DIGITS;
      digits[i] = digit;
      starts[digit + 1]!++;
    }
    for (let digit = 0; digit < DIGITS; digit++) starts[digit + 1]! += starts[digit] as number;
    for (let i = 0; i < length; i++) {
      const at = order[i] as number;
      next[starts[digits[at] as number]!++] = at;
    }
    [order, next] = [next, order];
  }
  return order;
}
