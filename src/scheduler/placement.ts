import type { CheckoutOutputs } from "./checkout-outputs.ts";
import type { EventListener } from "./events.ts";
import type { Plan } from "./plan.ts";
import type { CheckoutState } from "./state.ts";
import type { Selection } from "./targets.ts";
import type { WarmBuild } from "./warm-build.ts";

/** The outputs that a build wants in the checkout: which are not there yet, and bringing them there. */
export class Placement {
  /** Artifacts written so far. */
  written = 0;
  readonly #plan: Plan;
  readonly #state: CheckoutState;
  readonly #outputs: CheckoutOutputs;
  readonly #listener: EventListener;
  /** 1 for each path that is wanted. */
  readonly #isWanted: Uint8Array;
  readonly #waiting: number[] = [];

  constructor(
    plan: Plan,
    state: CheckoutState,
    outputs: CheckoutOutputs,
    selection: Selection,
    listener: EventListener,
  ) {
    this.#plan = plan;
    this.#state = state;
    this.#outputs = outputs;
    this.#listener = listener;
    this.#isWanted = new Uint8Array(plan.pathCount);
    for (const entry of selection.wanted) this.#isWanted[entry >>> 1] = 1;
  }

  /** Chores that make something wanted; where the last build left all of it in place, what may be out of it since. */
  *makers(warm?: WarmBuild): IterableIterator<number> {
    const suspects = warm?.isWhole ? warm.suspectsOf(this.#plan) : undefined;
    const { producer } = this.#plan.columns;
    const isTold = new Uint8Array(this.#plan.choreCount);
    for (let path = 0; path < this.#isWanted.length; path++) {
      if (!this.#isWanted[path] || (suspects !== undefined && !suspects[path])) continue;
      const maker = producer[path] as number;
      if (isTold[maker]) continue;
      isTold[maker] = 1;
      yield maker;
    }
  }

  #wantedOf(chore: number): Uint32Array {
    return this.#plan.outputsOf(chore).filter((entry) => this.#isWanted[entry >>> 1]);
  }

  /**
   * Queues the chore's wanted outputs that are not in place.
   *
   * @returns One that the store has lost, by path: then its maker must run. Else `undefined`.
   */
  async queueWhatIsMissing(chore: number): Promise<string | undefined> {
    for (const entry of this.#wantedOf(chore)) {
      if (await this.#outputs.isInPlace(entry)) continue;
      if (!this.#outputs.isAvailable(entry)) return this.#plan.path(entry >>> 1);
      this.#waiting.push(entry);
    }
    return undefined;
  }

  /** Queues all wanted outputs of a chore that has just run. */
  queue(chore: number): void {
    this.#waiting.push(...this.#wantedOf(chore));
  }

  /**
   * Writes what is queued.
   *
   * @returns Entries whose blobs turned out to be lost.
   * @throws {OutputError} before anything of a user's would be lost.
   */
  async place(): Promise<readonly number[]> {
    const lost: number[] = [];
    while (this.#waiting.length > 0) {
      const missing: number[] = [];
      for (const entry of new Set(this.#waiting.splice(0))) {
        if (!(await this.#outputs.isInPlace(entry))) missing.push(entry);
      }
      const placed = await this.#outputs.place(missing);
      this.written += placed.written.length;
      for (const entry of placed.written) {
        const digest = this.#state.digest(entry >>> 1);
        if (digest) this.#listener({ type: "materialised", path: this.#plan.path(entry >>> 1), hash: digest.hash });
      }
      lost.push(...placed.lost);
    }
    return lost;
  }
}
