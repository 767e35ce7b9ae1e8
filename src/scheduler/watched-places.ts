import { parentOf, type WorkspacePath } from "../base/index.ts";
import { type ChangeFeed, ChangeFeedError } from "../ports/index.ts";
import type { Checkout } from "./checkout.ts";

/** Directories that a watch is to be told of, by their places in its list, and the feed's numbers for them. */
export class WatchedPlaces {
  readonly #feed: ChangeFeed;
  readonly #checkout: Checkout;
  readonly #root: string;
  readonly #places = new Map<number, Set<number>>();
  #directories: readonly string[] = [];
  /** What is watched for a place, where that is not the directory itself. */
  readonly #standIns = new Map<number, string>();

  /** @param root Absolute, which a checkout's need not be. */
  constructor(feed: ChangeFeed, checkout: Checkout, root: string) {
    this.#feed = feed;
    this.#checkout = checkout;
    this.#root = root;
  }

  /** Watches these, or of one that is not there the nearest above it. What cannot be watched is left out. */
  async watch(directories: readonly string[]): Promise<void> {
    this.#places.clear();
    this.#standIns.clear();
    this.#directories = directories;
    await this.#watch([...directories.keys()]);
  }

  /** Of directories that were not there, those that have come since, or one above them; where something was told of. */
  async follow(numbers: Iterable<number>): Promise<void> {
    const told = new Set([...numbers].flatMap((number) => [...this.placesOf(number)]));
    await this.#watch([...told].filter((place) => this.#hasCome(place)));
  }

  /** Once more for what comes between the look at what is there and the watch. */
  async #watch(places: readonly number[]): Promise<void> {
    for (let left = places; left.length > 0; left = left.filter((place) => this.#hasCome(place))) {
      const standing = left.map((place) => this.#standing(this.#directories[place] as string));
      const unique = [...new Set(standing)];
      const numbers = await this.#numbersOf(unique);
      const byPath = new Map(unique.map((path, i) => [path, numbers[i]]));
      for (const [i, place] of left.entries()) {
        const path = standing[i] as string;
        const number = byPath.get(path);
        if (path === this.#pathOf(this.#directories[place] as string)) this.#standIns.delete(place);
        else this.#standIns.set(place, path);
        if (number !== undefined) this.#places.set(number, (this.#places.get(number) ?? new Set()).add(place));
      }
    }
  }

  #hasCome(place: number): boolean {
    const standIn = this.#standIns.get(place);
    return standIn !== undefined && this.#standing(this.#directories[place] as string) !== standIn;
  }

  #pathOf(directory: string): string {
    return directory === "" ? this.#root : `${this.#root}/${directory}`;
  }

  placesOf(number: number): ReadonlySet<number> {
    return this.#places.get(number) ?? new Set();
  }

  async #numbersOf(paths: readonly string[]): Promise<readonly (number | undefined)[]> {
    try {
      return await this.#feed.watch(paths);
    } catch (error) {
      if (!(error instanceof ChangeFeedError && error.code === "FEED_REFUSED")) throw error;
      if (paths.length === 1) return [undefined];
      const half = paths.length >> 1;
      return [...(await this.#numbersOf(paths.slice(0, half))), ...(await this.#numbersOf(paths.slice(half)))];
    }
  }

  #standing(directory: string): string {
    for (let at = directory; at !== ""; at = parentOf(at as WorkspacePath)) {
      if (this.#checkout.fs.stat(this.#checkout.absolute(at))?.kind === "directory") return this.#pathOf(at);
    }
    return this.#root;
  }
}
