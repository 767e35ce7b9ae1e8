import { type ChangeFeed, ChangeFeedError, type Changes } from "../../src/ports/index.ts";

/** A feed that tells what a test tells it. */
export class ManualChangeFeed implements ChangeFeed {
  readonly isExact: boolean;
  /** Answers whether a directory can be watched. */
  isThere: (path: string) => boolean = () => true;
  readonly #numbers = new Map<string, number>();
  readonly #listeners = new Set<() => void>();
  #count = 0;
  #changed = new Set<number>();
  #lost = new Set<number>();
  #doubt: Changes["doubt"];
  #closed = false;

  constructor(options: { readonly isExact?: boolean } = {}) {
    this.isExact = options.isExact ?? true;
  }

  /** Something happened in `directory`; nobody hears of it where nobody watches. */
  change(directory: string): void {
    const number = this.#numbers.get(directory);
    if (number === undefined) return;
    this.#changed.add(number);
    this.#wake();
  }

  lose(directory: string): void {
    const number = this.#numbers.get(directory);
    if (number === undefined) return;
    this.#lost.add(number);
    this.forget(directory);
    this.#wake();
  }

  doubt(why: NonNullable<Changes["doubt"]>): void {
    this.#doubt = why;
    this.#wake();
  }

  get watched(): readonly string[] {
    return [...this.#numbers.keys()];
  }

  async watch(directories: readonly string[]): Promise<readonly number[]> {
    for (const path of directories) {
      if (!this.isThere(path)) throw new ChangeFeedError("FEED_REFUSED", `${path} cannot be watched`);
      if (!this.#numbers.has(path)) this.#numbers.set(path, this.#count++);
    }
    return directories.map((path) => this.#numbers.get(path) as number);
  }

  forget(directory: string): void {
    for (const path of [...this.#numbers.keys()])
      if (path === directory || path.startsWith(`${directory}/`)) this.#numbers.delete(path);
  }

  async drain(): Promise<Changes> {
    if (this.#closed) throw new ChangeFeedError("FEED_ENDED", "the feed was closed");
    const changes = { changed: [...this.#changed], lost: [...this.#lost], doubt: this.#doubt };
    this.#changed = new Set();
    this.#lost = new Set();
    this.#doubt = undefined;
    return changes;
  }

  onChange(listener: () => void): () => void {
    const own = () => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #wake(): void {
    for (const listener of this.#listeners) listener();
  }
}
