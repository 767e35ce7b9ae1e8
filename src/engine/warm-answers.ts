import type { ChangeFeed, Clock, FileTree } from "../ports/index.ts";
import type { QuickAnswer, QuickRequest, WatchedDirectories } from "../scheduler/index.ts";
import { RecordingFiles } from "./recording-files.ts";
import { Remembered, type UpToDate } from "./remembered.ts";

/** Bytes of plan and state up to which a question is answered on the spot, though nothing is remembered about it. */
const SMALL_BYTES = 4 * 1024 * 1024;
/** What all remembered answers may take; the oldest go first. */
const MOST_BYTES = 512 * 1024 * 1024;
const MOST_ANSWERS = 16;

/** Whether there is nothing to do in a checkout. */
export interface Question {
  /** Absolute. */
  readonly root: string;
  /** File of the ledger that the checkout rests on; absolute. */
  readonly ledger: string;
  readonly request: QuickRequest;
  /** Under which names a build may have left word of the answer. */
  readonly glances?: readonly string[];
}

/** The same where that takes long: `pause` is awaited between two stretches of it, so that others come to their turn. */
export type SlowCheck = (files: FileTree, question: Question, pause: () => Promise<void>) => Promise<QuickAnswer>;

/** Finds out whether there is nothing to do, from what it reads of the files and the question, and no more. */
export type Check = (files: FileTree, question: Question) => QuickAnswer;

/** Nothing is known, or has to be looked at again, and finding out takes long. */
const COLD = { upToDate: false, because: "warming" } as const;

/**
 * Answers of a check, kept for as long as the change feed and a second look prove that it would say the same again.
 * A "yes" is always as true as the check's own at the moment of the question; a "no" may be for want of memory.
 */
export class WarmAnswers {
  readonly #files: FileTree;
  readonly #clock: Clock;
  readonly #feed: ChangeFeed;
  readonly #check: Check;
  readonly #slowCheck: SlowCheck;
  readonly #directories: WatchedDirectories;
  /** In the order of their last use. */
  readonly #remembered = new Map<string, Remembered>();
  /** Whatever drains the feed or has directories watched does so alone; what takes long does not hold it up. */
  #turn: Promise<unknown> = Promise.resolve();
  readonly #warming = new Set<string>();

  constructor(
    files: FileTree,
    clock: Clock,
    feed: ChangeFeed,
    directories: WatchedDirectories,
    check: Check,
    slowCheck: SlowCheck = async (files, question) => check(files, question),
  ) {
    this.#slowCheck = slowCheck;
    this.#check = check;
    this.#files = files;
    this.#clock = clock;
    this.#feed = feed;
    this.#directories = directories;
  }

  get status(): { answers: number; files: number; directories: number; checkouts: readonly string[] } {
    const all = [...this.#remembered.values()];
    return {
      answers: all.length,
      files: all.reduce((sum, { readCount }) => sum + readCount, 0),
      directories: this.#directories.count,
      checkouts: [...new Set(all.map(({ root }) => root))].sort(),
    };
  }

  /** Whether an answer is remembered, right or not. */
  has(question: Question): boolean {
    return this.#remembered.has(keyOf(question));
  }

  /** @throws {ChangeFeedError} `FEED_ENDED` */
  ask(question: Question): Promise<QuickAnswer> {
    if (this.#warming.has(keyOf(question))) return Promise.resolve(COLD);
    return this.#inTurn(() => this.#answer(question));
  }

  /** Finds out now what "warming" left open; whoever asks meanwhile is not kept waiting. */
  async warm(question: Question): Promise<void> {
    const key = keyOf(question);
    if (this.#warming.has(key)) return;
    this.#warming.add(key);
    try {
      const known = this.#remembered.get(key) ?? (await this.#findSlowly(key, question));
      if (known !== undefined) await this.#lookAtAll(key, known);
    } finally {
      this.#warming.delete(key);
    }
  }

  /**
   * Looks at everything, whatever the feed says: a name that a file was given elsewhere, after it was looked at, is a
   * way to write to it that no watch of its directory hears of.
   */
  async lookAgain(): Promise<void> {
    await this.#inTurn(() => this.#takeChanges());
    for (const [key, remembered] of [...this.#remembered]) await this.#lookAtAll(key, remembered);
  }

  #inTurn<T>(work: () => T | Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #answer(question: Question): Promise<QuickAnswer> {
    await this.#takeChanges();
    const key = keyOf(question);
    const known = this.#remembered.get(key);
    if (known?.env.every(([name, value]) => question.request.env(name) === value)) {
      if (known.due > QUICK_READS) {
        known.doubt();
        return COLD;
      }
      this.#remembered.delete(key);
      if (holds(() => known.stillHolds(this.#files, this.#directories))) {
        this.#remembered.set(key, known);
        return known.answer;
      }
    } else this.#remembered.delete(key);
    if (this.#isLarge(question.root)) return COLD;
    const { record, env, noted } = this.#recording(question);
    const answer = this.#check(record, noted);
    if (!answer.upToDate) return answer;
    // To be written down by whoever may, or not certain yet.
    if (record.isVoid) return COLD;
    const remembered = await this.#remember(key, question, answer, record, env);
    if (remembered?.due === 0 || (remembered && holds(() => remembered.stillHolds(this.#files, this.#directories))))
      return answer;
    this.#remembered.delete(key);
    return answer;
  }

  async #findSlowly(key: string, question: Question): Promise<Remembered | undefined> {
    const { record, env, noted } = this.#recording(question);
    const answer = await this.#slowCheck(record, noted, pause);
    if (!answer.upToDate || record.isVoid) return undefined;
    return this.#inTurn(async () => {
      const remembered = await this.#remember(key, question, answer, record, env);
      remembered?.doubt();
      return remembered;
    });
  }

  async #lookAtAll(key: string, remembered: Remembered): Promise<void> {
    const isAsBefore = await remembered.lookAtAll(this.#files, this.#directories, pause).catch(() => false);
    if (!isAsBefore && this.#remembered.get(key) === remembered) this.#remembered.delete(key);
  }

  /** The question, and a record of all that is read to answer it. */
  #recording(question: Question): { record: RecordingFiles; env: Map<string, string | undefined>; noted: Question } {
    const { ledger, request } = question;
    const record = new RecordingFiles(this.#files, this.#clock.nowMs(), ledger);
    const env = new Map<string, string | undefined>();
    const noted = (name: string): string | undefined => {
      env.set(name, request.env(name));
      return env.get(name);
    };
    return { record, env, noted: { ...question, request: { ...request, env: noted } } };
  }

  /** Keeps an answer where its directories can be watched; in doubt, where they were not watched before. */
  async #remember(
    key: string,
    { root }: Question,
    answer: UpToDate,
    record: RecordingFiles,
    env: ReadonlyMap<string, string | undefined>,
  ): Promise<Remembered | undefined> {
    const { paths } = this.#directories.watchable(root, record.directories);
    const wasWatched = paths.every((path) => this.#directories.at(path) !== undefined);
    if (!(await this.#watch(paths))) return undefined;
    const watched = paths.flatMap((path) => this.#directories.at(path) ?? []);
    if (watched.length < paths.length) return undefined;
    const remembered = new Remembered(answer, root, [...env], record, watched);
    // What happened between the first look and the watch, nobody has told.
    if (!wasWatched) remembered.doubt();
    this.#remembered.set(key, remembered);
    this.#makeRoom();
    return remembered;
  }

  /** Where too many directories are to be watched, nothing is remembered, and begat works as without an engine. */
  async #watch(paths: readonly string[]): Promise<boolean> {
    try {
      return await this.#directories.watch(paths, () => this.#takeChanges());
    } catch {
      return false;
    }
  }

  async #takeChanges(): Promise<ReadonlySet<number>> {
    const { changed, lost, doubt } = await this.#feed.drain();
    if (doubt === "overflow") {
      // A directory's end may be among what was dropped, and another may be there by now under the same number.
      this.#directories.forgetAll();
      this.#remembered.clear();
    }
    for (const number of lost) this.#directories.lost(number);
    for (const [key, remembered] of this.#remembered) {
      if (lost.some((number) => remembered.uses(number))) this.#remembered.delete(key);
      for (const number of changed) remembered.note(number);
      if (doubt !== undefined) remembered.doubt();
    }
    return new Set([...changed, ...lost]);
  }

  #isLarge(root: string): boolean {
    const sizes = ["plan.bin", "state.bin"].map((name) => this.#files.stat(`${root}/.begat/${name}`)?.sizeBytes ?? 0);
    return sizes.reduce((sum, size) => sum + size, 0) > SMALL_BYTES;
  }

  #makeRoom(): void {
    const total = (): number => [...this.#remembered.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    while (this.#remembered.size > MOST_ANSWERS || (this.#remembered.size > 1 && total() > MOST_BYTES)) {
      const [oldest] = this.#remembered.keys();
      if (oldest === undefined) return;
      this.#remembered.delete(oldest);
    }
  }
}

/** Reads that take some ten milliseconds to look at. */
const QUICK_READS = 4000;

/** Until what else came in has been seen to. */
const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A look that fails (no permission any more, say) proves nothing. */
function holds(look: () => boolean): boolean {
  try {
    return look();
  } catch {
    return false;
  }
}

/** Everything but the environment: of that only what was asked for counts. */
function keyOf({ root, ledger, request }: Question): string {
  const { version, entries, overrides, targets, directory, everyOutput, minIsolation } = request;
  return JSON.stringify([
    root,
    ledger,
    version,
    entries,
    overrides,
    targets,
    directory,
    everyOutput,
    minIsolation ?? null,
  ]);
}
