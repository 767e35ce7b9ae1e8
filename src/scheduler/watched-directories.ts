import { dirname } from "node:path/posix";
import type { ChangeFeed, FileStat, FileTree } from "../ports/index.ts";

/** A directory under watch, and which one it was. */
export interface WatchedDirectory {
  readonly path: string;
  readonly number: number;
  readonly inode: number;
  readonly device: number;
}

/**
 * The directories of all checkouts that the feed tells of. Whoever relies on silence about a directory relies on those
 * above it too, up to the workspace root: so they are watched together, from the top down.
 */
export class WatchedDirectories {
  readonly #feed: ChangeFeed;
  readonly #files: FileTree;
  readonly #isLocal: (path: string, device: number) => boolean;
  readonly #byPath = new Map<string, WatchedDirectory>();

  /** @param isLocal Whether a file system is one whose changes this kernel makes itself, and so tells of. */
  constructor(feed: ChangeFeed, files: FileTree, isLocal: (path: string, device: number) => boolean) {
    this.#feed = feed;
    this.#files = files;
    this.#isLocal = isLocal;
  }

  get count(): number {
    return this.#byPath.size;
  }

  at(path: string): WatchedDirectory | undefined {
    return this.#byPath.get(path);
  }

  /** Whether the directory at this path still is the one that is watched. */
  stands({ path, inode, device }: WatchedDirectory): boolean {
    const found = this.#files.lstat(path);
    return found?.kind === "directory" && found.inode === inode && found.device === device;
  }

  forget(path: string): void {
    this.#feed.forget(path);
    const prefix = `${path}/`;
    for (const known of [...this.#byPath.keys()]) {
      if (known === path || known.startsWith(prefix)) this.#byPath.delete(known);
    }
  }

  forgetAll(): void {
    for (const path of this.#byPath.keys()) this.#feed.forget(path);
    this.#byPath.clear();
  }

  /** As the feed does by itself. */
  lost(number: number): void {
    const known = [...this.#byPath.values()].find((directory) => directory.number === number);
    if (known !== undefined) this.forget(known.path);
  }

  /**
   * Of these directories those that a watch can answer for, with all those above them up to `root`, parents first.
   * Left out is what is outside of `root`, is not there, is reached by a symlink, or lies on another's file system.
   */
  watchable(root: string, directories: readonly string[]): { readonly paths: string[]; readonly all: boolean } {
    const judged = new Map<string, boolean>();
    const judge = (path: string): boolean => {
      const known = judged.get(path);
      if (known !== undefined) return known;
      const isBelow =
        path === root || (path.startsWith(root === "/" ? "/" : `${root}/`) && !/\/\.\.?(\/|$)/.test(path));
      const fits = isBelow && (path === root || judge(dirname(path))) && this.#canTellOf(this.#files.lstat(path), path);
      judged.set(path, fits);
      return fits;
    };
    let all = true;
    for (const path of directories) all = judge(path) && all;
    const paths = [...judged].filter(([, fits]) => fits).map(([path]) => path);
    // A path sorts before what is below it.
    return { paths: paths.sort(), all };
  }

  /**
   * Has these watched; answers whether each was the same from before until after, so that none but these is watched.
   *
   * @param hasChanged Told by the feed meanwhile, by number: asked when the watches are in place.
   */
  async watch(paths: readonly string[], drain: () => Promise<ReadonlySet<number>>): Promise<boolean> {
    const fresh = paths.filter((path) => !this.#byPath.has(path));
    if (fresh.length === 0) return true;
    const numbers = await this.#feed.watch(fresh);
    const changed = await drain();
    let stable = true;
    fresh.forEach((path, i) => {
      const found = this.#files.lstat(path);
      const parent = this.#byPath.get(dirname(path));
      // Renamed between its parent's watch and its own: the watch may be another directory's.
      const moved = parent !== undefined && changed.has(parent.number);
      if (found?.kind !== "directory" || moved || changed.has(numbers[i] as number)) stable = false;
      const { inode = 0, device = 0 } = found ?? {};
      this.#byPath.set(path, { path, number: numbers[i] as number, inode, device });
    });
    if (!stable) for (const path of fresh) this.forget(path);
    return stable;
  }

  #canTellOf(found: FileStat | undefined, path: string): boolean {
    if (found?.kind !== "directory") return false;
    const known = this.#byPath.get(path);
    if (known !== undefined && (known.inode !== found.inode || known.device !== found.device)) this.forget(path);
    return this.#isLocal(path, found.device);
  }
}
