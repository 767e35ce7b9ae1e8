import { BegatError } from "../base/index.ts";

/**
 * `FEED_UNAVAILABLE`: this machine, or this program's installation, has none. `FEED_REFUSED`: a directory cannot be
 * watched: it is gone, is no directory, or there are more than the system allows. `FEED_ENDED`: it broke off.
 */
export class ChangeFeedError extends BegatError<"FEED_UNAVAILABLE" | "FEED_REFUSED" | "FEED_ENDED"> {}

/** What happened since the last drain. */
export interface Changes {
  /** Numbers of directories in which something was written, made, removed, renamed or given other attributes. */
  readonly changed: readonly number[];
  /** Numbers of directories that were removed, renamed or unmounted themselves: forgotten, with what is below them. */
  readonly lost: readonly number[];
  /**
   * Something escaped: `overflow`, more happened than could be queued; `mounts`, a file system came or went. Whoever
   * relies on the feed must look at everything once.
   */
  readonly doubt: "overflow" | "mounts" | undefined;
}

/**
 * Says in which directories something changed. Entries of a directory count, what is deeper does not. A directory
 * reached through a symlink is refused or watched where it leads; nobody hears when the symlink is turned elsewhere.
 */
export interface ChangeFeed {
  /**
   * Whether `drain` answers for everything that a finished system call did on this machine to a local file system,
   * short of writes through a memory map that is still held, and writes through another hard link. Where it is false a
   * change shows soon, but nobody may conclude from silence.
   */
  readonly isExact: boolean;
  /**
   * Watches these directories too, in their order; answers a number for each, the same for one that is watched already.
   * What happens after it resolves is heard of.
   *
   * @param directories Absolute paths.
   * @throws {ChangeFeedError}
   */
  watch(directories: readonly string[]): Promise<readonly number[]>;
  /** Knows this directory and those below it no more: whoever asks for one of them has it watched anew. */
  forget(directory: string): void;
  /** @throws {ChangeFeedError} `FEED_ENDED` */
  drain(): Promise<Changes>;
  /** Calls `listener` when there is something to drain; once for many changes. Answers a function that ends it. */
  onChange(listener: () => void): () => void;
  close(): Promise<void>;
}
