import { parentOf, type WorkspacePath } from "../base/index.ts";
import type { ChangeFeed } from "../ports/index.ts";
import { build } from "./build.ts";
import type { Checkout } from "./checkout.ts";
import type { BuildEvent, BuildSummary, EventListener } from "./events.ts";
import { checkReads, type ReadSignature, signRead } from "./freshness.ts";
import type { BuildOptions, BuildRooms } from "./rooms.ts";
import { WarmBuild } from "./warm-build.ts";
import { WatchedPlaces } from "./watched-places.ts";
import { WatchedPlan } from "./watched-plan.ts";

/** An editor saves in several steps, and a branch is changed in many files: a burst is over when nothing came for so long. */
const QUIET_MS = 8;
/** A burst that does not end is built all the same. */
const LONGEST_BURST_MS = 400;

/** Told of what happens; each build has a listener of its own. */
export interface WatchObserver {
  /** @param because Paths that changed; empty for the first build. */
  begin(because: readonly string[]): EventListener;
  /** @param result A summary, or what the build threw. @returns Whether to go on. */
  end(result: unknown): boolean;
  /** The next build waits for a change in these directories. */
  watching(directories: number): void;
}

/**
 * Builds, and again whenever something changes that the build rests on, until `signal` aborts. A change that comes
 * while a build runs cancels it, unless it is of no concern to it.
 *
 * @param watched The feed, and the workspace as an absolute path for it.
 */
export async function watchBuilds(
  options: BuildOptions,
  rooms: Omit<BuildRooms, "warm">,
  watched: { readonly feed: ChangeFeed; readonly root: string },
  observer: WatchObserver,
  signal: AbortSignal,
): Promise<void> {
  const watch = new Watch(options, rooms, watched.feed, watched.root, signal);
  try {
    let because: readonly string[] = [];
    while (!signal.aborted) {
      const result = await watch.build(observer.begin(because));
      if (!observer.end(result)) return;
      because = await watch.untilChange(observer);
    }
  } finally {
    watch.close();
  }
}

/** What is watched while there is no plan: begatfiles that have mistakes. */
class WatchedReads {
  readonly directories: readonly string[];
  #reads: readonly ReadSignature[];
  readonly #checkout: Checkout;

  constructor(files: readonly string[], checkout: Checkout) {
    this.#checkout = checkout;
    this.#reads = files.map((path) => signRead(checkout, path, "file"));
    this.directories = [...new Set(files.map((path) => parentOf(path as WorkspacePath)))];
  }

  changed(): readonly string[] {
    const changed = this.#reads.filter((read) => !checkReads(this.#checkout, [read]).fresh).map(({ path }) => path);
    this.#reads = this.#reads.map(({ path, kind }) => signRead(this.#checkout, path, kind));
    return changed;
  }
}

class Watch {
  readonly #options: BuildOptions;
  readonly #rooms: BuildRooms & { readonly warm: WarmBuild };
  readonly #feed: ChangeFeed;
  readonly #signal: AbortSignal;
  readonly #places: WatchedPlaces;
  readonly #stopListening: () => void;
  #plan: WatchedPlan | undefined;
  #reads: WatchedReads | undefined;
  /** Places of the plan's directories that the feed told of, and which nobody has looked into since. */
  #dirty = new Set<number>();
  /** What was found changed there since the last build began. */
  readonly #found = new Set<number>();
  /** Found while a build ran, which was cancelled for it. */
  #stale: readonly string[] = [];
  /** The feed missed something, or a directory is another one. */
  #inDoubt = false;
  /** No build has looked at everything since then. */
  #looksAtAll = true;
  #wasOk = false;
  #wake: () => void = () => {};

  constructor(
    options: BuildOptions,
    rooms: Omit<BuildRooms, "warm">,
    feed: ChangeFeed,
    root: string,
    signal: AbortSignal,
  ) {
    this.#options = options;
    this.#rooms = { ...rooms, warm: new WarmBuild() };
    this.#feed = feed;
    this.#places = new WatchedPlaces(feed, rooms.checkout, root);
    this.#signal = signal;
    const wake = (): void => this.#wake();
    const stopListening = feed.onChange(wake);
    signal.addEventListener("abort", wake);
    this.#stopListening = () => {
      stopListening();
      signal.removeEventListener("abort", wake);
    };
  }

  close(): void {
    this.#stopListening();
  }

  /** One build; what it threw, where it threw. */
  async build(listener: EventListener): Promise<unknown> {
    const { warm } = this.#rooms;
    const checkout = this.#rooms.checkout.again();
    const rooms = { ...this.#rooms, checkout };
    const looksAtAll = this.#looksAtAll || this.#inDoubt || this.#plan === undefined;
    if (!looksAtAll) warm.suspect(this.#plan?.suspects(this.#dirty, this.#found) ?? new Set());
    else warm.suspectAll();
    this.#dirty = new Set();
    this.#found.clear();
    this.#stale = [];
    this.#inDoubt = false;
    const mistaken = new Set<string>(this.#options.entries);
    const heard = (event: BuildEvent): void => {
      if (event.type === "diagnostics") for (const { at } of event.diagnostics) mistaken.add(at.file);
      listener(event);
    };
    const before = warm.builds;
    const result = await this.#cancellable((signal) => build(this.#options, rooms, heard, signal));
    this.#looksAtAll = warm.builds === before;
    const outcome = outcomeOf(result);
    this.#wasOk = outcome === "ok";
    const { prepared, selection } = warm;
    if (prepared !== undefined && selection !== undefined && prepared.loaded.plan !== this.#plan?.prepared.loaded.plan)
      await this.#watchPlan(new WatchedPlan(prepared, selection, checkout));
    const isMistaken = outcome === "refused" || this.#plan === undefined;
    this.#reads = isMistaken ? new WatchedReads([...mistaken], checkout) : undefined;
    if (this.#plan === undefined && this.#reads !== undefined) await this.#places.watch(this.#reads.directories);
    return result;
  }

  /** Waits until something changed that calls for a build; answers what. Empty when it is to end. */
  async untilChange(observer: WatchObserver): Promise<readonly string[]> {
    // What the build itself wrote is looked at here, not in a pause that the next change would have to wait for.
    await this.#takeChanges();
    for (let isTold = false; !this.#signal.aborted; ) {
      const changed = this.#changed();
      if (changed.length > 0) return changed;
      if (!isTold) observer.watching(this.#plan?.directories.length ?? this.#reads?.directories.length ?? 0);
      isTold = true;
      await this.#burst(
        () => this.#signal.aborted,
        () => this.#lookAhead(),
      );
    }
    return [];
  }

  /** What there is to find while a burst may still go on; what comes later shows where it is told of. */
  #lookAhead(): void {
    if (this.#plan !== undefined) this.#stale = [...this.#stale, ...this.#look(this.#plan)];
  }

  #changed(): readonly string[] {
    const mended = this.#reads?.changed() ?? [];
    if (this.#plan === undefined) return mended;
    const changed = [...new Set([...this.#stale, ...mended, ...this.#look(this.#plan)])];
    return changed.length > 0 || !this.#inDoubt ? changed : ["what the watch may have missed"];
  }

  /** What changed in the directories that were told of. */
  #look(plan: WatchedPlan): readonly string[] {
    const changed = plan.changed(this.#dirty, this.#wasOk, (path) => this.#found.add(path));
    // Outputs are looked at by the next build where the last one did not put all of them in place.
    if (this.#wasOk) this.#dirty = new Set();
    return changed;
  }

  /** The plan is new: its directories are watched from now on, and what changed since the build looked is found out. */
  async #watchPlan(plan: WatchedPlan): Promise<void> {
    this.#plan = plan;
    await this.#places.watch(plan.directories);
    // These speak of the plan before; of this one everything is looked at.
    this.#dirty = new Set();
    this.#found.clear();
    await this.#takeChanges();
    const { different, isCertain } = plan.look(this.#wasOk, (path) => this.#found.add(path));
    // What the build was cancelled for, the new plan may already know of; the build is still to be done.
    this.#stale = [...this.#stale, ...different];
    // What was too young to be sure of is looked at by the next build, which is not begun for that alone.
    if (!isCertain) this.#looksAtAll = true;
  }

  /** Runs `work`, and cancels it when what it rests on changes, or when all is to end. */
  async #cancellable(work: (signal: AbortSignal) => Promise<BuildSummary>): Promise<unknown> {
    const cancellation = new AbortController();
    const { signal } = cancellation;
    const stop = (): void => cancellation.abort();
    this.#signal.addEventListener("abort", stop);
    if (this.#signal.aborted) stop();
    let isOver = false;
    const running = work(signal).catch((error: unknown) => error);
    void running.then(() => {
      isOver = true;
      this.#wake();
    });
    while (!isOver && !signal.aborted) {
      await this.#burst(() => isOver || signal.aborted);
      if (isOver || this.#plan === undefined) continue;
      // What the build itself writes is none of it; the directories stay to be looked into.
      this.#stale = this.#plan.changed(this.#dirty, false, (path) => this.#found.add(path));
      if (this.#stale.length > 0) stop();
    }
    this.#signal.removeEventListener("abort", stop);
    return running;
  }

  /**
   * Waits for a change, and until the burst it begins is over. Ends early once `isOver`.
   *
   * @param meanwhile Done in each pause of the burst.
   */
  async #burst(isOver: () => boolean, meanwhile = (): void => {}): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    if (await this.#takeChanges()) return this.#untilQuiet(isOver, meanwhile);
    if (isOver()) return;
    await woken;
    if (isOver()) return;
    await this.#takeChanges();
    await this.#untilQuiet(isOver, meanwhile);
  }

  async #untilQuiet(isOver: () => boolean, meanwhile: () => void): Promise<void> {
    const { clock } = this.#rooms;
    const until = clock.monotonicMs() + LONGEST_BURST_MS;
    do {
      const pause = clock.sleep(QUIET_MS);
      meanwhile();
      await pause;
    } while (!isOver() && (await this.#takeChanges()) && clock.monotonicMs() < until);
  }

  /** Answers whether there were any. */
  async #takeChanges(): Promise<boolean> {
    const { changed, lost, doubt } = await this.#feed.drain();
    for (const number of [...changed, ...lost])
      for (const place of this.#places.placesOf(number)) this.#dirty.add(place);
    const hasLost = lost.some((number) => this.#places.placesOf(number).size > 0);
    if (doubt === "overflow" || hasLost) {
      this.#inDoubt = true;
      if (this.#plan !== undefined) await this.#places.watch(this.#plan.directories);
    } else await this.#places.follow(changed);
    return changed.length + lost.length > 0 || doubt !== undefined;
  }
}

function outcomeOf(result: unknown): BuildSummary["outcome"] | undefined {
  return typeof result === "object" && result !== null && "outcome" in result
    ? (result as BuildSummary).outcome
    : undefined;
}
