import type { LockedFile, SourceLock, SourceRequest } from "./source.ts";
import type { SourceTree } from "./source-tree.ts";

/** Something fetched, not yet believed. */
export interface FetchedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface Fetched {
  readonly version: string;
  readonly files: readonly FetchedFile[];
}

/** What a request of some kind comes down to, its words read. */
export interface SourcePlan {
  /** The words as they may be written down: without credentials. */
  readonly words: readonly string[];
  /** For people: `debian package lua5.4`. */
  readonly what: string;
  /** Whether fetching it needs the network; `file:` addresses do not. */
  readonly remote: boolean;
  /**
   * Gets the files: those of the lock where there is one, else whatever the words mean today.
   *
   * @param scratch Absolute; an empty directory of its own, removed by the caller.
   */
  fetch(locked: SourceLock | undefined, scratch: string, signal: AbortSignal): Promise<Fetched>;
  /** The tree these files make; `read` gives the bytes of one of them. */
  unpack(
    version: string,
    files: readonly LockedFile[],
    read: (file: LockedFile) => Uint8Array,
    signal: AbortSignal,
  ): Promise<SourceTree>;
}

/** A way of naming outside inputs. */
export interface SourceKind {
  /** @throws {SourceError} `SOURCE_MALFORMED` when the words say nothing this kind knows. */
  plan(request: SourceRequest): SourcePlan;
}
