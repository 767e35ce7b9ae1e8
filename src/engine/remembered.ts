import { dirname } from "node:path/posix";
import type { FileTree } from "../ports/index.ts";
import { numbersOf, STAT_NUMBERS } from "../ports/index.ts";
import type { QuickAnswer, WatchedDirectories, WatchedDirectory } from "../scheduler/index.ts";
import { READ } from "./read-table.ts";
import type { RecordingFiles } from "./recording-files.ts";

export type UpToDate = Extract<QuickAnswer, { upToDate: true }>;

/**
 * That there is nothing to do, and all that this was concluded from. It holds while each read would find the same
 * again; only reads in directories that the feed has told of are looked at, and those that no feed tells of.
 */
export class Remembered {
  readonly answer: UpToDate;
  readonly root: string;
  /** Variables that were asked for. */
  readonly env: readonly (readonly [name: string, value: string | undefined])[];
  readonly #reads: RecordingFiles["reads"];
  readonly #directories: readonly string[];
  /** Watched ones by the feed's number: their place among `directories`, or -1 for one that is only on the way. */
  readonly #places = new Map<number, number>();
  readonly #watched: readonly WatchedDirectory[];
  readonly #always: readonly number[];
  /** How many reads there are in each directory. */
  readonly #readsIn: Uint32Array;
  readonly #pending = new Set<number>();
  #inDoubt = false;
  #doubts = 0;

  constructor(
    answer: UpToDate,
    root: string,
    env: Remembered["env"],
    record: RecordingFiles,
    watched: readonly WatchedDirectory[],
  ) {
    this.answer = answer;
    this.root = root;
    this.env = env;
    this.#reads = record.reads;
    this.#reads.trim();
    this.#directories = record.directories;
    this.#watched = watched;
    const places = new Map(record.directories.map((path, place) => [path, place]));
    for (const { path, number } of watched) this.#places.set(number, places.get(path) ?? -1);
    const told = new Set(this.#places.values());
    const always: number[] = [];
    this.#readsIn = new Uint32Array(record.directories.length);
    for (let at = 0; at < this.#reads.count; at++) {
      const directory = this.#reads.directory(at);
      this.#readsIn[directory] = (this.#readsIn[directory] as number) + 1;
      if (this.#reads.flags(at) & READ.always || !told.has(this.#reads.directory(at))) always.push(at);
    }
    this.#always = always;
  }

  get readCount(): number {
    return this.#reads.count;
  }

  get sizeBytes(): number {
    return this.#reads.sizeBytes + this.#watched.length * 200;
  }

  /** Something happened in a directory. */
  note(number: number): void {
    if (this.#places.has(number)) this.#pending.add(number);
  }

  uses(number: number): boolean {
    return this.#places.has(number);
  }

  doubt(): void {
    this.#inDoubt = true;
    this.#doubts++;
  }

  /** How many reads have to be looked at again; all of them when in doubt. */
  get due(): number {
    if (this.#inDoubt) return this.readCount;
    let due = this.#always.length;
    for (const number of this.#pending) due += this.#readsIn[this.#places.get(number) ?? -1] ?? 0;
    return due;
  }

  /** Looks again where something may be different. `false`: it is, or cannot be told. */
  stillHolds(files: FileTree, directories: WatchedDirectories): boolean {
    const root = this.#watched.find(({ path }) => path === this.root);
    if (root !== undefined && !directories.stands(root)) {
      directories.forget(this.root);
      return false;
    }
    if (!this.#inDoubt && this.#pending.size === 0) return this.#look(files, this.#always);
    const above = new Set(this.#watched.filter(({ number }) => this.#pending.has(number)).map(({ path }) => path));
    for (const directory of this.#watched) {
      if ((this.#inDoubt || above.has(dirname(directory.path))) && !directories.stands(directory)) return false;
    }
    const marked = new Uint8Array(this.#directories.length);
    if (this.#inDoubt) marked.fill(1);
    for (const number of this.#pending) marked[this.#places.get(number) ?? -1] = 1;
    for (let at = 0; at < this.#reads.count; at++) {
      if (marked[this.#reads.directory(at)] && !this.#same(files, at)) return false;
    }
    if (!this.#look(files, this.#always)) return false;
    this.#pending.clear();
    this.#inDoubt = false;
    return true;
  }

  /**
   * Looks at everything, a little at a time: `pause` is awaited in between, and what the feed tells of meanwhile is looked
   * at by whoever asks next. Changes up to now must have been taken note of.
   */
  async lookAtAll(files: FileTree, directories: WatchedDirectories, pause: () => Promise<void>): Promise<boolean> {
    const doubts = this.#doubts;
    // Nobody is answered from it while it is in doubt, so what comes after this is all that is left to look at then.
    if (this.#inDoubt) this.#pending.clear();
    for (const [i, directory] of this.#watched.entries()) {
      if (i % AT_ONCE === 0) await pause();
      if (!directories.stands(directory)) return false;
    }
    for (let at = 0; at < this.#reads.count; at++) {
      if (at % AT_ONCE === 0) await pause();
      if (!this.#same(files, at)) return false;
    }
    if (doubts === this.#doubts) this.#inDoubt = false;
    return true;
  }

  #look(files: FileTree, reads: readonly number[]): boolean {
    return reads.every((at) => this.#same(files, at));
  }

  #same(files: FileTree, at: number): boolean {
    const flags = this.#reads.flags(at);
    const directory = this.#directories[this.#reads.directory(at)] as string;
    const path = flags & READ.directory ? directory : `${directory === "/" ? "" : directory}/${this.#reads.name(at)}`;
    if (flags & READ.link) {
      const found = files.lstat(path);
      return found === undefined ? (flags & READ.missing) !== 0 : this.#reads.holds(at, numbersOf(found));
    }
    const there = files.statInto(path, NUMBERS, 0);
    return there ? this.#reads.holds(at, NUMBERS) : (flags & READ.missing) !== 0;
  }
}

/** Looks that take a few milliseconds together. */
const AT_ONCE = 512;

const NUMBERS = new Float64Array(STAT_NUMBERS);
