import { BegatError } from "../base/index.ts";

export type FileKind = "file" | "directory" | "symlink" | "other";

export interface FileStat {
  readonly kind: FileKind;
  readonly sizeBytes: number;
  /** Milliseconds since 1970 with a fraction; about 0.25 µs of resolution survives the double. */
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly inode: number;
  readonly device: number;
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  readonly linkCount: number;
  readonly uid: number;
}

export interface DirectoryEntry {
  readonly name: string;
  /** `undefined` where the name is not UTF-8; `name` then shows the bad bytes as U+FFFD and cannot be opened. */
  readonly kind: FileKind | undefined;
}

export type FileTreeErrorCode =
  | "FILE_NOT_FOUND"
  | "FILE_EXISTS"
  | "FILE_ACCESS_DENIED"
  | "FILE_IS_DIRECTORY"
  | "FILE_NOT_DIRECTORY"
  | "FILE_SYSTEM_READ_ONLY"
  | "FILE_SYSTEM_FULL"
  | "FILE_IO";

/** What the operating system said no to, in our words; `cause` keeps its own. */
export class FileTreeError extends BegatError<FileTreeErrorCode> {}

/** Numbers one `stat` writes into a caller's array: size, mtimeMs, ctimeMs, inode, kind and mode in one. */
export const STAT_NUMBERS = 5;

const KIND_NUMBER = { file: 0, directory: 1, symlink: 2, other: 3 } as const;

/** The numbers that `FileTree.statInto` writes for the same file. */
export function numbersOf({ sizeBytes, mtimeMs, ctimeMs, inode, kind, mode }: FileStat): Float64Array {
  return Float64Array.of(sizeBytes, mtimeMs, ctimeMs, inode, KIND_NUMBER[kind] * 4096 + mode);
}

/**
 * A file system. Synchronous: Node's promises cost five times the call itself (docs/architecture.md), and whoever
 * moves many megabytes does so in a worker. Paths are absolute. Nothing here follows a symlink in the last
 * component unless it says so.
 *
 * @throws {FileTreeError} from every method, with a code a caller can branch on.
 */
export interface ReplaceOptions {
  readonly mode?: number;
  readonly durable?: boolean | "content";
}

export type FileContents = Uint8Array | string | readonly Uint8Array[];

export interface FileTree {
  /** Follows symlinks. `undefined` when there is nothing at `path`, or a symlink leads nowhere. */
  stat(path: string): FileStat | undefined;
  lstat(path: string): FileStat | undefined;
  /**
   * `stat` without an object for each file: writes `STAT_NUMBERS` numbers at `offset` and answers whether something
   * is there. The fifth is kind (0 file, 1 directory, 2 symlink, 3 other) * 4096 + mode.
   */
  statInto(path: string, numbers: Float64Array, offset: number): boolean;
  /** Sorted by the UTF-8 bytes of the names. */
  readDirectory(path: string): DirectoryEntry[];
  /** Follows symlinks. A directory is refused with `FILE_IS_DIRECTORY`; FIFOs, devices and sockets with `FILE_IO`. */
  readFile(path: string): Buffer;
  readLink(path: string): string;
  /** Creates or truncates; not atomic, not synced. `exclusive` refuses an existing file with `FILE_EXISTS`. */
  writeFile(path: string, bytes: Uint8Array | string, options?: { mode?: number; exclusive?: boolean }): void;
  /**
   * Replaces `path` at once or not at all: a temporary name beside it, then rename. Readers see the old bytes or the
   * new. With `durable` the file and its directory are synced before it returns; with "content" the
   * file alone, so that after a loss of power it is the old one or the new one, and whole. Parts are written one after
   * another.
   */
  replaceFile(path: string, bytes: FileContents, options?: ReplaceOptions): void;
  /** With its parents; nothing happens where it exists. */
  makeDirectory(path: string, mode?: number): void;
  /** By reflink where the file system can, else by copying. Refuses an existing `to`. Permissions become `mode`. */
  copyFile(from: string, to: string, mode: number): void;
  rename(from: string, to: string): void;
  link(existing: string, path: string): void;
  symlink(target: string, path: string): void;
  setMode(path: string, mode: number): void;
  /** Sets access and modification time; milliseconds since 1970. */
  setTimes(path: string, atimeMs: number, mtimeMs: number): void;
  /** A file, or a directory with all it holds, even unreadable ones. Nothing happens where nothing is. */
  remove(path: string): void;
}
