import type { Sha256 } from "./digest.ts";

/** Values by a digest that they follow from, up to a weight of all together; when there is no more room, all are forgotten. */
export class WeighedMemory<Value> {
  readonly #values = new Map<Sha256, Value>();
  readonly #most: number;
  #weight = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get(of: Sha256): Value | undefined {
    return this.#values.get(of);
  }

  /** What is too heavy by itself is not remembered. */
  set(of: Sha256, value: Value, weight: number): void {
    if (weight > this.#most || this.#values.has(of)) return;
    if (this.#weight + weight > this.#most) {
      this.#values.clear();
      this.#weight = 0;
    }
    this.#values.set(of, value);
    this.#weight += weight;
  }
}
