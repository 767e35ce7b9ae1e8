/** In smaller steps where it is large: that is when memory is scarce, and what is not used yet is wasted. */
export const grown = (size: number): number => Math.ceil(size * (size < 1024 * 1024 ? 2 : 1.25));

/** Whole numbers from 0 to 2^32-1, appended one at a time: 4 bytes each, and nothing for the garbage collector to look at. */
export class NumberRow {
  #array = new Uint32Array(1024);
  length = 0;

  push(value: number): void {
    if (this.length === this.#array.length) {
      const larger = new Uint32Array(grown(this.length));
      larger.set(this.#array);
      this.#array = larger;
    }
    this.#array[this.length++] = value;
  }

  /** 0 beyond the end. */
  at(index: number): number {
    return this.#array[index] as number;
  }

  set(index: number, value: number): void {
    this.#array[index] = value;
  }

  /** A copy without what is not used. */
  done(): Uint32Array {
    return this.#array.slice(0, this.length);
  }
}
