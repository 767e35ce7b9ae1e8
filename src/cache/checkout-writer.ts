import { dirname } from "node:path/posix";
import { type FileTree, FileTreeError } from "../ports/index.ts";

/**
 * Replaces files of a checkout at once or not at all: written under a temporary name, then renamed.
 *
 * Temporary files stand in a directory of begat's own where that is on the target's device, so that one left by
 * `kill -9` is no file of the checkout that a glob could find; else beside their target under a `.begat-` name.
 */
export class CheckoutWriter {
  readonly #fs: FileTree;
  readonly #directory: string | undefined;
  readonly #name: () => string;
  /** Whether files of a directory can be renamed into from `#directory`. */
  readonly #reachable = new Map<string, boolean>();
  #device: number | undefined;

  /** @param name Makes temporary names that nobody else uses. */
  constructor(fs: FileTree, directory: string | undefined, name: () => string) {
    this.#fs = fs;
    this.#directory = directory;
    this.#name = name;
  }

  /** Writes with `write`, which is given the temporary path, then renames to `path`. */
  replace(path: string, write: (temporary: string) => void): void {
    const temporary = this.temporaryFor(path);
    try {
      write(temporary);
      if (this.#rename(temporary, path)) return;
    } catch (cause) {
      this.#discard(temporary);
      throw cause;
    }
    this.#discard(temporary);
    this.replace(path, write);
  }

  /** As `replace`, for a writer that takes its time. */
  async replaceSlowly(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
    const temporary = this.temporaryFor(path);
    try {
      await write(temporary);
      if (this.#rename(temporary, path)) return;
    } catch (cause) {
      this.#discard(temporary);
      throw cause;
    }
    this.#discard(temporary);
    await this.replaceSlowly(path, write);
  }

  temporaryFor(path: string): string {
    const parent = dirname(path);
    return this.#directory !== undefined && this.#reaches(parent)
      ? `${this.#directory}/${this.#name()}`
      : `${parent}/.${this.#name()}`;
  }

  #reaches(parent: string): boolean {
    const known = this.#reachable.get(parent);
    if (known !== undefined) return known;
    if (this.#device === undefined) {
      this.#fs.makeDirectory(this.#directory as string);
      this.#device = this.#fs.stat(this.#directory as string)?.device;
    }
    const reaches = this.#fs.stat(parent)?.device === this.#device;
    this.#reachable.set(parent, reaches);
    return reaches;
  }

  /** False when the two are apart after all: bind mounts of one device refuse renames between them. */
  #rename(temporary: string, path: string): boolean {
    try {
      this.#fs.rename(temporary, path);
      return true;
    } catch (cause) {
      const errno =
        cause instanceof FileTreeError ? (cause.cause as NodeJS.ErrnoException | undefined)?.code : undefined;
      const parent = dirname(path);
      if (errno !== "EXDEV" || this.#reachable.get(parent) !== true) throw cause;
      this.#reachable.set(parent, false);
      return false;
    }
  }

  #discard(temporary: string): void {
    try {
      this.#fs.remove(temporary);
    } catch {
      // The failure that led here is the one to tell.
    }
  }
}
