/** Processors in use by recipes that see only a few, so that two which run at once do not share one while another idles. */
export class ProcessorShares {
  readonly #processors: readonly number[];
  /** Recipes on each, in the order of `#processors`. */
  readonly #load: Uint32Array;
  #next: number;

  /**
   * @param processors Numbers, at least one.
   * @param first Where to begin: another in each process, since none sees what others' recipes use.
   */
  constructor(processors: readonly number[], first: number) {
    this.#processors = processors;
    this.#load = new Uint32Array(processors.length);
    this.#next = first % processors.length;
  }

  /** The `count` that fewest recipes use, in rising order; all, where there are no more. They are in use until `free`. */
  take(count: number): { readonly numbers: readonly number[]; free(): void } {
    const { length } = this.#processors;
    const inTurn = Array.from({ length }, (_, n) => (this.#next + n) % length);
    // Stable: of those that are used alike, whichever's turn it is.
    const taken = inTurn.sort((a, b) => (this.#load[a] as number) - (this.#load[b] as number)).slice(0, count);
    this.#next = ((taken[taken.length - 1] as number) + 1) % length;
    for (const at of taken) this.#load[at] = (this.#load[at] as number) + 1;
    let isFree = false;
    return {
      numbers: taken.map((at) => this.#processors[at] as number).sort((a, b) => a - b),
      free: () => {
        if (isFree) return;
        isFree = true;
        for (const at of taken) this.#load[at] = (this.#load[at] as number) - 1;
      },
    };
  }
}
