/**
 * In large steps: memory that was never touched takes no room, while each step leaves what was copied as garbage. With
 * steps of a quarter that would be four times the last size, until V8 sees a reason to collect it.
 */
export const grown = (size: number): number => size * 4;

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

  /** All of them, as a view: nothing may be appended any more. */
  done(): Uint32Array {
    return this.#array.subarray(0, this.length);
  }
}
