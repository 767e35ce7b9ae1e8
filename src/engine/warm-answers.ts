import type { ChangeFeed, Clock, FileTree } from "../ports/index.ts";
import type { QuickAnswer, QuickRequest } from "../scheduler/index.ts";
import { RecordingFiles } from "./recording-files.ts";
import { Remembered } from "./remembered.ts";
import { WatchedDirectories } from "./watched-directories.ts";

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
}

/** Finds out whether there is nothing to do, from what it reads of the files and the question, and no more. */
export type Check = (files: FileTree, question: Question) => QuickAnswer;

/** Nothing is known, and finding out would take long. */
const COLD = { upToDate: false, because: "cold" } as const;

/**
 * Answers of a check, kept for as long as the change feed and a second look prove that it would say the same again.
 * A "yes" is always as true as the check's own at the moment of the question; a "no" may be for want of memory.
 */
export class WarmAnswers {
  readonly #files: FileTree;
  readonly #clock: Clock;
  readonly #feed: ChangeFeed;
  readonly #check: Check;
  readonly #directories: WatchedDirectories;
  /** In the order of their last use. */
  readonly #remembered = new Map<string, Remembered>();
  #turn: Promise<unknown> = Promise.resolve();
  #isBusy = false;

  constructor(
    files: FileTree,
    clock: Clock,
    feed: ChangeFeed,
    isLocal: (path: string, device: number) => boolean,
    check: Check,
  ) {
    this.#check = check;
    this.#files = files;
    this.#clock = clock;
    this.#feed = feed;
    this.#directories = new WatchedDirectories(feed, files, isLocal);
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

  /** @throws {ChangeFeedError} `FEED_ENDED` */
  ask(question: Question): Promise<QuickAnswer> {
    const answer = this.#turn.then(() => this.#answer(question, false));
    this.#turn = answer.catch(() => undefined);
    return answer;
  }

  /** Finds out now what "cold" left open. */
  warm(question: Question): Promise<void> {
    if (this.#isBusy) return Promise.resolve();
    this.#isBusy = true;
    const done = this.#turn.then(() => this.#answer(question, true));
    this.#turn = done.then(
      () => undefined,
      () => undefined,
    );
    return done.then(
      () => {
        this.#isBusy = false;
      },
      () => {
        this.#isBusy = false;
      },
    );
  }

  /**
   * Looks at everything, whatever the feed says: a name that a file was given elsewhere, after it was looked at, is a
   * way to write to it that no watch of its directory hears of.
   */
  lookAgain(): Promise<void> {
    const done = this.#turn.then(async () => {
      await this.#takeChanges();
      for (const [key, remembered] of this.#remembered) {
        remembered.doubt();
        if (!holds(() => remembered.stillHolds(this.#files, this.#directories))) this.#remembered.delete(key);
      }
    });
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #answer(question: Question, mayTakeLong: boolean): Promise<QuickAnswer> {
    await this.#takeChanges();
    const key = keyOf(question);
    const known = this.#remembered.get(key);
    if (known?.env.every(([name, value]) => question.request.env(name) === value)) {
      const isQuick = mayTakeLong || !known.isInDoubt || known.readCount < QUICK_READS;
      if (!isQuick) return COLD;
      this.#remembered.delete(key);
      if (holds(() => known.stillHolds(this.#files, this.#directories))) {
        this.#remembered.set(key, known);
        return known.answer;
      }
    } else this.#remembered.delete(key);
    if (!mayTakeLong && this.#isLarge(question.root)) return COLD;
    return this.#find(key, question);
  }

  async #find(key: string, question: Question): Promise<QuickAnswer> {
    const { root, ledger, request } = question;
    const record = new RecordingFiles(this.#files, this.#clock.nowMs(), ledger);
    const env = new Map<string, string | undefined>();
    const noted = (name: string): string | undefined => {
      env.set(name, request.env(name));
      return env.get(name);
    };
    const answer = this.#check(record, { ...question, request: { ...request, env: noted } });
    if (!answer.upToDate) return answer;
    // To be written down by whoever may, or not certain yet.
    if (record.isVoid) return COLD;
    const { paths } = this.#directories.watchable(root, record.directories);
    const wasWatched = paths.every((path) => this.#directories.at(path) !== undefined);
    if (!(await this.#watch(paths))) return answer;
    const watched = paths.flatMap((path) => this.#directories.at(path) ?? []);
    if (watched.length < paths.length) return answer;
    const remembered = new Remembered(answer, root, [...env], record, watched);
    if (!wasWatched) {
      // What happened between the first look and the watch, nobody has told.
      remembered.doubt();
      if (!holds(() => remembered.stillHolds(this.#files, this.#directories))) return answer;
    }
    this.#remembered.set(key, remembered);
    this.#makeRoom();
    return answer;
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

/** Reads that take a few milliseconds to look at. */
const QUICK_READS = 2000;

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
