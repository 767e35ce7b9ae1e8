import { type FSWatcher, statSync, watch } from "node:fs";
import { type ChangeFeed, ChangeFeedError, type Changes } from "../ports/index.ts";

/** A directory being listened to. */
export interface Listening {
  close(): void | Promise<void>;
}

/** Told of what happens in one directory. */
export interface Listener {
  changed(): void;
  /** It is gone itself. */
  lost(): void;
}

/** Listens to one directory; resolves once nothing that happens any more escapes. */
export type Listen = (directory: string, listener: Listener) => Promise<Listening>;

/**
 * A feed made of listeners, one for each directory. Not exact: what has happened is heard of soon, and nobody says when.
 */
export class ListeningFeed implements ChangeFeed {
  readonly isExact = false;
  readonly #listen: Listen;
  readonly #numbers = new Map<string, number>();
  readonly #listening: Listening[] = [];
  readonly #listeners = new Set<() => void>();
  #changed = new Set<number>();
  #lost = new Set<number>();
  #closed = false;

  constructor(listen: Listen) {
    this.#listen = listen;
  }

  async watch(directories: readonly string[]): Promise<readonly number[]> {
    for (const directory of directories) {
      if (this.#numbers.has(directory)) continue;
      const number = this.#listening.length;
      try {
        this.#listening.push(
          await this.#listen(directory, {
            changed: () => this.#note(this.#changed, number),
            lost: () => {
              this.#note(this.#lost, number);
              if (this.#numbers.get(directory) === number) this.forget(directory);
            },
          }),
        );
      } catch (cause) {
        throw new ChangeFeedError("FEED_REFUSED", `${directory} cannot be watched`, { cause });
      }
      this.#numbers.set(directory, number);
    }
    return directories.map((directory) => this.#numbers.get(directory) as number);
  }

  forget(directory: string): void {
    // What is under its name next is another directory, and must not be taken for the one that is listened to.
    for (const number of forgetBelow(this.#numbers, directory)) void this.#listening[number]?.close();
  }

  async drain(): Promise<Changes> {
    if (this.#closed) throw new ChangeFeedError("FEED_ENDED", "the change feed was closed");
    // Events that the system has handed over are delivered before the second turn begins.
    for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
    const changes = { changed: [...this.#changed], lost: [...this.#lost], doubt: undefined };
    this.#changed = new Set();
    this.#lost = new Set();
    return changes;
  }

  onChange(listener: () => void): () => void {
    const own = () => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const listening of this.#listening.splice(0)) await listening.close();
  }

  #note(set: Set<number>, number: number): void {
    set.add(number);
    for (const listener of this.#listeners) listener();
  }
}

/** Takes `directory` and all below it out of a table by path; answers their numbers. */
export function forgetBelow(numbers: Map<string, number>, directory: string): number[] {
  const below = [...numbers].filter(([path]) => path === directory || path.startsWith(`${directory}/`));
  for (const [path] of below) numbers.delete(path);
  return below.map(([, number]) => number);
}

/** Linux without begat-change-feed: one inotify watch a directory, by way of Node. */
export const listenByNode: Listen = async (directory, listener) => {
  const watcher: FSWatcher = watch(directory, { persistent: false });
  watcher.on("change", () => listener.changed());
  watcher.on("error", () => listener.lost());
  return watcher;
};

/** Elsewhere: chokidar knows what each system's watchers leave out. */
export const listenByChokidar: Listen = async (directory, listener) => {
  const { watch: chokidar } = await import("chokidar");
  // It would wait for what is not there.
  if (!statSync(directory).isDirectory()) throw new Error("it is no directory");
  const watcher = chokidar(directory, { depth: 0, ignoreInitial: true, persistent: true });
  watcher.on("all", (event, path) => {
    if (event === "unlinkDir" && path === directory) listener.lost();
    else listener.changed();
  });
  // What the system says itself: chokidar keeps some of it back, to be sure.
  watcher.on("raw", () => listener.changed());
  await new Promise<void>((resolve, reject) => watcher.once("ready", resolve).once("error", reject));
  return watcher;
};
