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
  readonly #waiting = new Set<number>();
  /** Of those that wait, in whose place nothing stood when they were queued. */
  readonly #absent = new Set<number>();

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
    for (const path of suspects ?? this.#isWanted.keys()) {
      if (!this.#isWanted[path]) continue;
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
      const standing = await this.#outputs.standing(entry);
      if (standing === "in place") continue;
      if (!this.#outputs.isAvailable(entry)) return this.#plan.path(entry >>> 1);
      this.#waiting.add(entry);
      if (standing === "absent") this.#absent.add(entry);
    }
    return undefined;
  }

  /** Queues all wanted outputs of a chore that has just run. */
  queue(chore: number): void {
    for (const entry of this.#wantedOf(chore)) this.#waiting.add(entry);
  }

  /**
   * Writes what is queued.
   *
   * @returns Entries whose blobs turned out to be lost.
   * @throws {OutputError} before anything of a user's would be lost.
   */
  async place(): Promise<readonly number[]> {
    const lost: number[] = [];
    while (this.#waiting.size > 0) {
      const waiting = [...this.#waiting];
      this.#waiting.clear();
      const absent = new Set(this.#absent);
      this.#absent.clear();
      const missing: number[] = [];
      for (const entry of waiting) {
        const standing = absent.has(entry) ? "absent" : await this.#outputs.standing(entry);
        if (standing === "in place") continue;
        if (standing === "absent") absent.add(entry);
        missing.push(entry);
      }
      const placed = await this.#outputs.place(missing, absent);
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
