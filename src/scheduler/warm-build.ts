import { STAT_NUMBERS } from "../ports/index.ts";
import { CHECKOUT, type Checkout } from "./checkout.ts";
import { NeededSources } from "./needed-sources.ts";
import type { Plan } from "./plan.ts";
import type { Prepared } from "./prepare.ts";
import type { StateBase } from "./state.ts";
import type { Selection } from "./targets.ts";

/**
 * What one build leaves to the next in the same process: the plan and the state as they were saved, and which paths may
 * be different since. Somebody who has watched the checkout all the time marks those; a build alone has none of this.
 */
export class WarmBuild {
  #prepared: Prepared | undefined;
  #selection: Selection | undefined;
  #sources: { readonly selection: Selection; readonly needed: NeededSources } | undefined;
  /** Plan and state on the disk, as this process left them. */
  #saved: Float64Array | undefined;
  /** Paths of the plan that may have changed since the last build looked at them. */
  #suspects: ReadonlySet<number> | undefined;
  /** Places among the needed sources. */
  #uncertain: readonly number[] = [];
  /** What `#uncertain` speaks of: it is brought up to date by what has changed since the state file was written. */
  #known: { readonly selection: Selection; readonly base: StateBase | undefined } | undefined;
  /** A build has begun with what is kept here, and has not come to its end. */
  #isOpen = false;
  #isWhole = false;
  #builds = 0;

  /**
   * What was read a moment ago counts as the last build's, as far as that goes: anything may have changed since it.
   *
   * @param saved `signatureOf` the checkout before it was read.
   */
  begin(prepared: Prepared, saved: Float64Array | undefined): void {
    this.#prepared = prepared;
    this.#selection = this.#suspects = undefined;
    this.#saved = saved;
    this.#isWhole = false;
  }

  /** What was chosen of the plan that `begin` was given. */
  choose(selection: Selection): void {
    this.#selection = selection;
  }

  /** The last build's, where nobody has written another plan or state since, and the ledger is the same. */
  look(checkout: Checkout): Prepared | undefined {
    const saved = this.#saved;
    const now = saved && signatureOf(checkout);
    const isOurs = this.#prepared !== undefined && checkout.restsOn(this.#prepared.state);
    return isOurs && now?.every((n, i) => n === saved?.[i]) ? this.#prepared : undefined;
  }

  /** The same, for a build that begins with it. */
  recall(checkout: Checkout): Prepared | undefined {
    if (this.#prepared !== undefined && this.look(checkout) !== undefined) {
      this.#isOpen = true;
      return { ...this.#prepared, ingested: [] };
    }
    this.#prepared = this.#selection = this.#saved = this.#suspects = undefined;
    return undefined;
  }

  /**
   * A build has come to its end and saved what it knows.
   *
   * @param isWhole Everything that was wanted is in the checkout.
   */
  keep(prepared: Prepared, selection: Selection, checkout: Checkout, isWhole: boolean): void {
    this.#prepared = prepared;
    this.#selection = selection;
    this.#saved = signatureOf(checkout);
    this.#suspects = undefined;
    this.#uncertain = this.#findUncertain(prepared, selection);
    this.#known = { selection, base: prepared.state.base };
    this.#isOpen = false;
    this.#isWhole = isWhole;
    this.#builds++;
  }

  /** How many have left something. */
  get builds(): number {
    return this.#builds;
  }

  get prepared(): Prepared | undefined {
    return this.#prepared;
  }

  get selection(): Selection | undefined {
    return this.#selection;
  }

  get isWhole(): boolean {
    return this.#isWhole;
  }

  suspectAll(): void {
    this.#suspects = undefined;
  }

  /**
   * Of no effect after a build that did not come to its end: then any path may be another than the state has it.
   *
   * @param paths Those that may have changed since the last build began to look at them.
   */
  suspect(paths: ReadonlySet<number>): void {
    this.#suspects = this.#isOpen ? undefined : paths;
  }

  /** For this plan: what was chosen of it the last time. Targets are the same in all builds of a process. */
  selectionOf(plan: Plan): Selection | undefined {
    return this.#prepared?.loaded.plan === plan ? this.#selection : undefined;
  }

  /** Found once for a selection, which is the same in all builds of a plan. */
  sourcesOf(plan: Plan, selection: Selection): NeededSources {
    if (this.#sources?.selection !== selection)
      this.#sources = { selection, needed: new NeededSources(plan, selection) };
    return this.#sources.needed;
  }

  /**
   * Where among the needed sources those stand that have to be looked at: what may have changed, and what was too young
   * to be sure of when it was looked at last. `undefined`: all of them.
   */
  doubtfulOf(plan: Plan, selection: Selection): readonly number[] | undefined {
    const suspects = this.suspectsOf(plan);
    if (suspects === undefined) return undefined;
    const needed = this.sourcesOf(plan, selection);
    const places = new Set(this.#uncertain);
    for (const path of suspects) {
      const place = needed.placeOf(path);
      if (place !== undefined) places.add(place);
    }
    return [...places].sort((a, b) => a - b);
  }

  #findUncertain({ loaded: { plan }, state }: Prepared, selection: Selection): readonly number[] {
    const needed = this.sourcesOf(plan, selection);
    const isCertain = (place: number): boolean => state.isCertain((needed.entries[place] as number) >>> 1);
    const { rows } = state.changed.paths;
    if (this.#known?.selection !== selection || this.#known.base !== state.base || rows === undefined)
      return Array.from(needed.entries.keys()).filter((place) => !isCertain(place));
    const places = new Set(this.#uncertain);
    for (const path of rows) {
      const place = needed.placeOf(path);
      if (place !== undefined) places.add(place);
    }
    return [...places].filter((place) => !isCertain(place));
  }

  /** `undefined`: any path may have changed. */
  suspectsOf(plan: Plan): ReadonlySet<number> | undefined {
    return this.#prepared?.loaded.plan === plan ? this.#suspects : undefined;
  }
}

/** Of plan, state and delta as they stand on the disk; `undefined` where plan or state is not there. */
export function signatureOf(checkout: Checkout): Float64Array | undefined {
  const numbers = new Float64Array(3 * STAT_NUMBERS);
  const look = (path: string, i: number): boolean =>
    checkout.fs.statInto(checkout.absolute(path), numbers, i * STAT_NUMBERS);
  if (!look(CHECKOUT.plan, 0) || !look(CHECKOUT.state, 1)) return undefined;
  look(CHECKOUT.delta, 2);
  return numbers;
}
