import type { DirectoryEntry, FileStat, FileTree } from "../ports/index.ts";
import { numbersOf, STAT_NUMBERS } from "../ports/index.ts";
import { READ, ReadTable } from "./read-table.ts";

/** A file whose contents were read this shortly after it changed may change again without its numbers changing. */
const YOUNG_MS = 100;

const NOTHING = new Float64Array(STAT_NUMBERS);

/**
 * Files, and a record of all that was learnt from them: whoever asked gets the same answers, and so comes to the same
 * conclusion, for as long as every read would find the same numbers. Nothing is ever written.
 */
export class RecordingFiles implements FileTree {
  readonly reads = new ReadTable();
  /** Absolute, by their numbers in `reads`. */
  readonly directories: string[] = [];
  /** Something was to be written, or contents were read that may yet change unseen: the record does not do. */
  isVoid = false;
  readonly #files: FileTree;
  readonly #nowMs: number;
  readonly #ledger: string;
  readonly #known = new Map<string, number>();

  /** @param ledger Absolute; it grows with every build anywhere, and which one it is is all that is asked. */
  constructor(files: FileTree, nowMs: number, ledger: string) {
    this.#files = files;
    this.#ledger = ledger;
    this.#nowMs = nowMs;
  }

  stat(path: string): FileStat | undefined {
    const own = this.#files.lstat(path);
    const found = own?.kind === "symlink" ? this.#files.stat(path) : own;
    this.#note(path, own?.kind === "symlink", found, path === this.#ledger ? READ.identity | READ.always : 0);
    return found;
  }

  lstat(path: string): FileStat | undefined {
    const found = this.#files.lstat(path);
    this.#note(path, false, found, READ.link);
    return found;
  }

  statInto(path: string, numbers: Float64Array, offset: number): boolean {
    const found = this.stat(path);
    if (found !== undefined) numbers.set(numbersOf(found), offset);
    return found !== undefined;
  }

  readDirectory(path: string): DirectoryEntry[] {
    this.#contents(this.stat(path));
    return this.#files.readDirectory(path);
  }

  readFile(path: string): Buffer {
    this.#contents(this.stat(path));
    return this.#files.readFile(path);
  }

  readLink(path: string): string {
    this.#contents(this.lstat(path));
    return this.#files.readLink(path);
  }

  writeFile(): void {
    this.isVoid = true;
  }

  replaceFile(): void {
    this.isVoid = true;
  }

  makeDirectory(): void {
    this.isVoid = true;
  }

  copyFile(): void {
    this.isVoid = true;
  }

  rename(): void {
    this.isVoid = true;
  }

  link(): void {
    this.isVoid = true;
  }

  symlink(): void {
    this.isVoid = true;
  }

  setMode(): void {
    this.isVoid = true;
  }

  setTimes(): void {
    this.isVoid = true;
  }

  remove(): void {
    this.isVoid = true;
  }

  #contents(found: FileStat | undefined): void {
    if (found === undefined || found.ctimeMs > this.#nowMs - YOUNG_MS) this.isVoid = true;
  }

  #note(path: string, isThroughLink: boolean, found: FileStat | undefined, how = 0): void {
    let flags = how;
    if (found === undefined) flags |= READ.missing;
    // What happens at the other end of a symlink, or by another name of the file, no watch of this directory tells.
    if (isThroughLink || (found?.kind === "file" && found.linkCount > 1)) flags |= READ.always;
    const isDirectory = found?.kind === "directory" && !isThroughLink;
    const slash = path.lastIndexOf("/");
    const directory = isDirectory ? path : path.slice(0, slash) || "/";
    if (isDirectory) flags |= READ.directory;
    this.reads.add(
      this.#directory(directory),
      isDirectory ? "" : path.slice(slash + 1),
      flags,
      found === undefined ? NOTHING : numbersOf(found),
    );
  }

  #directory(path: string): number {
    let number = this.#known.get(path);
    if (number === undefined) {
      number = this.directories.push(path) - 1;
      this.#known.set(path, number);
    }
    return number;
  }
}
