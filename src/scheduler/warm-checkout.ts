import type { IsolationLevel } from "../base/index.ts";
import { type ChangeFeed, ChangeFeedError, type Clock } from "../ports/index.ts";
import { build } from "./build.ts";
import type { Checkout } from "./checkout.ts";
import type { BuildSummary, EventListener } from "./events.ts";
import { checkReads } from "./freshness.ts";
import type { Prepared } from "./prepare.ts";
import { firstUnsettled, type QuickAnswer } from "./quick.ts";
import type { BuildOptions, BuildRooms } from "./rooms.ts";
import type { Selection } from "./targets.ts";
import { WarmBuild } from "./warm-build.ts";
import type { WatchedDirectories, WatchedDirectory } from "./watched-directories.ts";
import { WatchedPlan } from "./watched-plan.ts";

/** A name that a file was given elsewhere is a way to write to it that no watch tells of: all is looked at again. */
const LOOK_AGAIN_MS = 60_000;

/** Looks that take some milliseconds together. */
const AT_ONCE = 512;

type UpToDate = Extract<QuickAnswer, { upToDate: true }>;

/** What a process keeps of a checkout in which it builds again and again, whenever it is asked to. */
export interface WarmCheckoutPorts {
  readonly feed: ChangeFeed;
  readonly directories: WatchedDirectories;
  readonly clock: Clock;
  /** Awaited between two stretches of a long look, so that others come to their turn. */
  readonly pause: () => Promise<void>;
}

/**
 * Builds of one checkout, each of which looks only at what the change feed tells of since the last, and at what no feed
 * can answer for: other file systems, symlinks, files of several names. Where anything is in doubt, everything is looked
 * at. A build is as true as one of a process of its own at that moment.
 */
export class WarmCheckout {
  readonly #ports: WarmCheckoutPorts;
  /** Absolute. */
  readonly #root: string;
  /** The last build's. */
  #checkout: Checkout | undefined;
  #warm = new WarmBuild();
  #question = "";
  #plan: WatchedPlan | undefined;
  #watched: readonly WatchedDirectory[] = [];
  /** Places of the plan's directories by the feed's numbers; those above them have none. */
  #places = new Map<number, number>();
  #unwatched: readonly number[] = [];
  /** Paths for which silence says nothing. */
  readonly #always = new Set<number>();
  /** Told of by the feed, and not looked into since. */
  #dirty = new Set<number>();
  /** Found different, and of no build's knowledge yet. */
  readonly #found = new Set<number>();
  /** Paths where something was told of, and which were not surveyed since: they may have other names by now. */
  readonly #stirred = new Set<number>();
  /** The watches are in place, and none was lost since. */
  #isWatched = false;
  /** Everything was looked at since the watches are in place. */
  #isSurveyed = false;
  /** How far the look at everything has come that goes on. */
  #surveyed = 0;
  /** The last build came to its end, and knows of all that was told of before it. */
  #isCurrent = false;
  #lookedMs = 0;
  /** The last build, where it left nothing undone. */
  #done: { readonly summary: BuildSummary; readonly minIsolation: IsolationLevel | undefined } | undefined;
  /** What another like it would come to. */
  #rest: UpToDate | undefined;

  constructor(root: string, ports: WarmCheckoutPorts) {
    this.#root = root;
    this.#ports = ports;
  }

  /** One build. @throws as `build`, and before that {ChangeFeedError} `FEED_ENDED` */
  async build(
    options: BuildOptions,
    rooms: Omit<BuildRooms, "warm">,
    listener: EventListener,
    signal: AbortSignal,
  ): Promise<BuildSummary> {
    this.#ask(options);
    this.#checkout = rooms.checkout;
    const suspects = await this.#suspects(rooms.checkout);
    const warm = this.#warm;
    if (suspects === undefined) warm.suspectAll();
    else warm.suspect(suspects);
    this.#done = this.#rest = undefined;
    this.#isCurrent = false;
    const before = warm.builds;
    // What changes from here on is told for the next one.
    this.#dirty = new Set();
    const summary = await build(options, { ...rooms, warm }, listener, signal);
    if (warm.builds === before) return summary;
    this.#found.clear();
    this.#isCurrent = true;
    if (summary.outcome === "ok") this.#done = { summary, minIsolation: options.minIsolation };
    return summary;
  }

  /** Whether a build would have nothing to do, as far as that is known without one. */
  async atRest(options: BuildOptions, checkout: Checkout): Promise<QuickAnswer | undefined> {
    this.#ask(options);
    const rest = this.#rest;
    if (rest === undefined || options.force) return undefined;
    const suspects = await this.#suspects(checkout);
    const prepared = suspects && this.#warm.look(checkout);
    if (suspects === undefined || prepared === undefined || suspects.size > 0) return undefined;
    const { loaded, state } = prepared;
    if (!loaded.facts.env.every(([name, value]) => (options.env(name) ?? null) === value)) return undefined;
    if (!checkReads(checkout, state.reads).fresh) return undefined;
    // All of it is as it was.
    this.#dirty = new Set();
    return rest;
  }

  /**
   * After a build, when its answer is out: has watched what is not yet, and looks at what nobody has looked at since.
   *
   * @param signal Somebody waits: what is not done stays unknown.
   * @throws {ChangeFeedError} `FEED_ENDED`
   */
  async settle(signal: AbortSignal): Promise<void> {
    await this.#takeChanges();
    const { prepared, selection } = this.#warm;
    const checkout = this.#checkout?.again();
    if (prepared === undefined || selection === undefined || checkout === undefined) return;
    if (!this.#isOfPlan(prepared) || !this.#isWatched)
      await this.#watch(new WatchedPlan(prepared, selection, checkout));
    if (!this.#isWatched || !(await this.#surveyStirred(checkout, signal))) return;
    if (this.#isSurveyed) this.#rest ??= this.#restOf(prepared, selection);
    const { clock } = this.#ports;
    if (this.#isSurveyed && clock.monotonicMs() - this.#lookedMs <= LOOK_AGAIN_MS) return;
    const paths = this.#plan?.paths ?? new Uint32Array();
    this.#surveyed = await this.#survey(checkout, paths, this.#surveyed, signal);
    if (this.#surveyed < paths.length) return;
    this.#isSurveyed = true;
    this.#surveyed = 0;
    this.#lookedMs = clock.monotonicMs();
    this.#rest ??= this.#restOf(prepared, selection);
  }

  #isOfPlan(prepared: Prepared | undefined): boolean {
    return this.#plan !== undefined && this.#plan.prepared.loaded.plan === prepared?.loaded.plan;
  }

  /** Of another question nothing is known. */
  #ask(options: BuildOptions): void {
    const { version, entries, overrides, targets, directory, everyOutput, minIsolation, choseExecutor } = options;
    const question = JSON.stringify([
      [version, entries, overrides, targets, directory, everyOutput],
      [minIsolation, choseExecutor],
    ]);
    if (question === this.#question) return;
    this.#question = question;
    this.#warm = new WarmBuild();
    this.#plan = this.#done = this.#rest = undefined;
    this.#isWatched = this.#isSurveyed = this.#isCurrent = false;
  }

  /** Paths that are not as the last build knew them; `undefined`: any may be. */
  async #suspects(checkout: Checkout): Promise<ReadonlySet<number> | undefined> {
    await this.#takeChanges();
    const plan = this.#plan;
    if (plan === undefined || !this.#isWatched || !this.#stand()) return undefined;
    const places = new Set(this.#unwatched);
    for (const number of this.#dirty) {
      const place = this.#places.get(number);
      if (place !== undefined) places.add(place);
    }
    for (const path of plan.suspects(places)) this.#stirred.add(path);
    if (!this.#isSurveyed || !this.#isCurrent || !this.#isOfPlan(this.#warm.prepared)) return undefined;
    return plan.different(checkout, new Set([...this.#stirred, ...this.#always, ...this.#found]));
  }

  /** Whether the directories at these paths are the ones that are watched. */
  #stand(): boolean {
    const told = new Set(this.#watched.filter(({ number }) => this.#dirty.has(number)).map(({ path }) => path));
    const { directories } = this.#ports;
    for (const directory of this.#watched) {
      const isSuspect =
        directory.path === this.#root || told.has(directory.path.slice(0, directory.path.lastIndexOf("/")));
      if (!isSuspect || directories.stands(directory)) continue;
      directories.forget(directory.path);
      this.#isWatched = false;
      return false;
    }
    return true;
  }

  async #watch(plan: WatchedPlan): Promise<void> {
    const { directories } = this.#ports;
    this.#isWatched = this.#isSurveyed = false;
    this.#surveyed = 0;
    this.#plan = plan;
    const all = plan.directories.map((path) => (path === "" ? this.#root : `${this.#root}/${path}`));
    const { paths } = directories.watchable(this.#root, all);
    try {
      if (!(await directories.watch(paths, () => this.#takeChanges()))) return;
    } catch (error) {
      // More than the system allows: then each build looks at everything, as it would alone.
      if (error instanceof ChangeFeedError && error.code === "FEED_REFUSED") return;
      throw error;
    }
    this.#watched = paths.flatMap((path) => directories.at(path) ?? []);
    this.#places = new Map();
    this.#unwatched = all.flatMap((path, place) => {
      const number = directories.at(path)?.number;
      if (number === undefined) return [place];
      this.#places.set(number, place);
      return [];
    });
    this.#isWatched = this.#watched.length === paths.length;
    await this.#takeChanges();
    this.#dirty = new Set();
    this.#always.clear();
    this.#found.clear();
    this.#stirred.clear();
  }

  /** Where something was told of; answers whether all of it was. */
  async #surveyStirred(checkout: Checkout, signal: AbortSignal): Promise<boolean> {
    const paths = Uint32Array.from(this.#stirred);
    const at = await this.#survey(checkout, paths, 0, signal);
    for (const path of paths.subarray(0, at)) this.#stirred.delete(path);
    return at === paths.length;
  }

  /** From a place on, as far as it comes before the signal; answers how far. */
  async #survey(checkout: Checkout, paths: Uint32Array, from: number, signal: AbortSignal): Promise<number> {
    const plan = this.#plan;
    let at = from;
    for (; at < paths.length && !signal.aborted && plan !== undefined; at += AT_ONCE) {
      const stretch = paths.subarray(at, at + AT_ONCE);
      for (const path of stretch) this.#always.delete(path);
      const { different, always } = plan.survey(checkout, stretch);
      for (const path of different) this.#found.add(path);
      for (const path of always) this.#always.add(path);
      await this.#ports.pause();
    }
    return Math.min(at, paths.length);
  }

  async #takeChanges(): Promise<ReadonlySet<number>> {
    const { feed, directories } = this.#ports;
    const { changed, lost, doubt } = await feed.drain();
    if (doubt === "overflow") directories.forgetAll();
    for (const number of lost) directories.lost(number);
    for (const number of changed) this.#dirty.add(number);
    const ours = new Set(this.#watched.map(({ number }) => number));
    if (doubt !== undefined || lost.some((number) => ours.has(number))) this.#isWatched = false;
    return new Set([...changed, ...lost]);
  }

  #restOf({ loaded, state }: Prepared, selection: Selection): UpToDate | undefined {
    if (this.#done === undefined) return undefined;
    const { minIsolation, summary } = this.#done;
    const levels = minIsolation === undefined ? state.defaultLevels : { host: minIsolation, image: minIsolation };
    if (levels === undefined || firstUnsettled(loaded.plan, state, selection, levels) !== undefined) return undefined;
    return { upToDate: true, chores: summary.planned, level: summary.level, warnings: loaded.facts.warnings };
  }
}
