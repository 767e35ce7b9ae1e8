import type { Clock, FileTree } from "../../ports/index.ts";

/** What a leader keeps of results. */
export interface Retention {
  /** Since it was used last, milliseconds. */
  readonly keepMs: number;
  /** Of all; about, since they are counted by the first digits of their names. */
  readonly most: number;
}

const DAY_MS = 86_400_000;

/** A million results are about 2 GB. */
export const RETENTION: Retention = { keepMs: 30 * DAY_MS, most: 1_000_000 };

/** A use is written down once a day: to the day is near enough for what is kept for weeks. */
export const USE_WRITTEN_EVERY_MS = DAY_MS;

/** A folder of a 256th of the results each, looked at in turn: a look at all of them would keep the leader from answering. */
const FOLDERS = 256;

/** Removes results that nobody has used for long, and the oldest of too many. A file's time is when it was used last. */
export class ResultSweep {
  readonly #files: FileTree;
  readonly #clock: Clock;
  readonly #directories: readonly string[];
  readonly #retention: Retention;
  #next = 0;

  /** @param directories Each with a folder for each first two digits. */
  constructor(files: FileTree, clock: Clock, directories: readonly string[], retention: Retention) {
    this.#files = files;
    this.#clock = clock;
    this.#directories = directories;
    this.#retention = retention;
  }

  /** Looks at the next folder. @returns how many results were removed. */
  step(): number {
    const { keepMs, most } = this.#retention;
    const name = this.#next.toString(16).padStart(2, "0");
    this.#next = (this.#next + 1) % FOLDERS;
    const found = this.#directories.flatMap((directory) => this.#resultsIn(`${directory}/${name}`));
    found.sort((a, b) => b.usedMs - a.usedMs);
    const oldestMs = this.#clock.nowMs() - keepMs;
    const doomed = found.filter(({ usedMs }, i) => usedMs < oldestMs || i >= Math.ceil(most / FOLDERS));
    for (const { path } of doomed) this.#files.remove(path);
    return doomed.length;
  }

  /** A step now and then, the whole round in a day, until the signal. */
  async run(onRemoved: (count: number) => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#clock.sleep(DAY_MS / FOLDERS, signal).catch(() => {});
      const removed = signal.aborted ? 0 : this.step();
      if (removed > 0) onRemoved(removed);
    }
  }

  #resultsIn(folder: string): { readonly path: string; readonly usedMs: number }[] {
    if (this.#files.lstat(folder) === undefined) return [];
    return this.#files.readDirectory(folder).flatMap(({ name }) => {
      const path = `${folder}/${name}`;
      const stat = this.#files.lstat(path);
      return stat === undefined ? [] : [{ path, usedMs: stat.mtimeMs }];
    });
  }
}
