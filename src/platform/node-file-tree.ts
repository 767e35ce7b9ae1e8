import * as fs from "node:fs";
import { dirname } from "node:path/posix";
import { compareUtf8 } from "../base/index.ts";
import {
  type DirectoryEntry,
  type FileContents,
  type FileKind,
  type FileStat,
  type FileTree,
  FileTreeError,
  type ReplaceOptions,
} from "../ports/index.ts";
import { errnoOf, fileTreeFailure } from "./file-tree-failure.ts";

const QUIET = { throwIfNoEntry: false } as const;
const EXCLUSIVE = fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL;
const TRUNCATING = fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_TRUNC;

let temporaries = 0;

/** The machine's file system, through Node's synchronous calls. */
export class NodeFileTree implements FileTree {
  stat(path: string): FileStat | undefined {
    const stats = statQuietly(path);
    return stats && fileStat(stats);
  }

  lstat(path: string): FileStat | undefined {
    try {
      const stats = fs.lstatSync(path, QUIET);
      return stats && fileStat(stats);
    } catch (cause) {
      if (errnoOf(cause) === "ENOTDIR") return undefined;
      throw fileTreeFailure(cause, "look at", path);
    }
  }

  statInto(path: string, numbers: Float64Array, offset: number): boolean {
    const stats = statQuietly(path);
    if (stats === undefined) return false;
    numbers[offset] = stats.size;
    numbers[offset + 1] = stats.mtimeMs;
    numbers[offset + 2] = stats.ctimeMs;
    numbers[offset + 3] = stats.ino;
    numbers[offset + 4] = kindNumber(stats.mode) * 4096 + (stats.mode & 0o7777);
    return true;
  }

  readDirectory(path: string): DirectoryEntry[] {
    try {
      const entries: DirectoryEntry[] = fs
        .readdirSync(path, { withFileTypes: true })
        .map((entry) => ({ name: entry.name, kind: direntKind(entry) }));
      // U+FFFD is either a name's own or the mark of bytes that are no UTF-8: only the bytes tell.
      const doubtful = entries.some((entry) => entry.name.includes("\ufffd"));
      const checked = doubtful ? readDirectoryBytes(path) : entries;
      return checked.sort((a, b) => compareUtf8(a.name, b.name));
    } catch (cause) {
      throw fileTreeFailure(cause, "list", path);
    }
  }

  readFile(path: string): Buffer {
    let fd: number | undefined;
    try {
      // Without O_NONBLOCK a FIFO would hold the whole process until somebody writes to it.
      fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
      const stats = fs.fstatSync(fd);
      if (stats.isDirectory()) throw new FileTreeError("FILE_IS_DIRECTORY", `${path} is a directory`);
      if (!stats.isFile()) throw new FileTreeError("FILE_IO", `${path} is neither a file nor a directory`);
      return readAll(fd, stats.size);
    } catch (cause) {
      throw fileTreeFailure(cause, "read", path);
    } finally {
      if (fd !== undefined) fs.closeSync(fd);
    }
  }

  readLink(path: string): string {
    try {
      return fs.readlinkSync(path);
    } catch (cause) {
      throw fileTreeFailure(cause, "read the link", path);
    }
  }

  writeFile(path: string, bytes: Uint8Array | string, options: { mode?: number; exclusive?: boolean } = {}): void {
    try {
      writeWhole(path, bytes, options.exclusive ? EXCLUSIVE : TRUNCATING, options.mode ?? 0o666, false);
    } catch (cause) {
      throw fileTreeFailure(cause, "write", path);
    }
  }

  replaceFile(path: string, bytes: FileContents, options: ReplaceOptions = {}): void {
    const temporary = `${dirname(path)}/.begat-${process.pid}-${++temporaries}`;
    const { mode = 0o666, durable = false } = options;
    let made = false;
    try {
      writeWhole(temporary, bytes, EXCLUSIVE, mode, durable !== false, () => {
        made = true;
      });
      fs.renameSync(temporary, path);
      made = false;
      if (durable === true) syncDirectory(dirname(path));
    } catch (cause) {
      if (made) fs.rmSync(temporary, { force: true });
      throw fileTreeFailure(cause, "replace", path);
    }
  }

  makeDirectory(path: string, mode?: number): void {
    try {
      fs.mkdirSync(path, mode === undefined ? { recursive: true } : { recursive: true, mode });
    } catch (cause) {
      throw fileTreeFailure(cause, "make the directory", path);
    }
  }

  copyFile(from: string, to: string, mode: number): void {
    try {
      fs.copyFileSync(from, to, fs.constants.COPYFILE_EXCL | fs.constants.COPYFILE_FICLONE);
      fs.chmodSync(to, mode);
    } catch (cause) {
      throw fileTreeFailure(cause, `copy ${from} to`, to);
    }
  }

  rename(from: string, to: string): void {
    try {
      fs.renameSync(from, to);
    } catch (cause) {
      throw fileTreeFailure(cause, `rename ${from} to`, to);
    }
  }

  link(existing: string, path: string): void {
    try {
      fs.linkSync(existing, path);
    } catch (cause) {
      throw fileTreeFailure(cause, `link ${existing} as`, path);
    }
  }

  symlink(target: string, path: string): void {
    try {
      fs.symlinkSync(target, path);
    } catch (cause) {
      throw fileTreeFailure(cause, "make the symlink", path);
    }
  }

  setMode(path: string, mode: number): void {
    try {
      fs.chmodSync(path, mode);
    } catch (cause) {
      throw fileTreeFailure(cause, "set the permissions of", path);
    }
  }

  setTimes(path: string, atimeMs: number, mtimeMs: number): void {
    try {
      fs.lutimesSync(path, atimeMs / 1000, mtimeMs / 1000);
    } catch (cause) {
      throw fileTreeFailure(cause, "set the times of", path);
    }
  }

  remove(path: string): void {
    try {
      const stats = fs.lstatSync(path, QUIET);
      if (stats === undefined) return;
      if (stats.isDirectory()) removeDirectory(Buffer.from(path));
      else fs.unlinkSync(path);
    } catch (cause) {
      const errno = errnoOf(cause);
      if (errno === "ENOENT" || errno === "ENOTDIR") return;
      throw fileTreeFailure(cause, "remove", path);
    }
  }
}

function statQuietly(path: string): fs.Stats | undefined {
  try {
    return fs.statSync(path, QUIET);
  } catch (cause) {
    // A component that is a file, or a symlink in a loop: nothing is there, as with ENOENT.
    const errno = errnoOf(cause);
    if (errno === "ENOTDIR" || errno === "ELOOP") return undefined;
    throw fileTreeFailure(cause, "look at", path);
  }
}

const KINDS: readonly FileKind[] = ["file", "directory", "symlink", "other"];

function kindNumber(mode: number): number {
  switch (mode & fs.constants.S_IFMT) {
    case fs.constants.S_IFREG:
      return 0;
    case fs.constants.S_IFDIR:
      return 1;
    case fs.constants.S_IFLNK:
      return 2;
    default:
      return 3;
  }
}

function fileStat(stats: fs.Stats): FileStat {
  return {
    kind: KINDS[kindNumber(stats.mode)] as FileKind,
    sizeBytes: stats.size,
    mtimeMs: stats.mtimeMs,
    ctimeMs: stats.ctimeMs,
    inode: stats.ino,
    device: stats.dev,
    mode: stats.mode & 0o7777,
    linkCount: stats.nlink,
    uid: stats.uid,
  };
}

function direntKind(entry: fs.Dirent<string> | fs.Dirent<Buffer>): FileKind {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "directory";
  return entry.isSymbolicLink() ? "symlink" : "other";
}

function readDirectoryBytes(path: string): DirectoryEntry[] {
  return fs.readdirSync(path, { withFileTypes: true, encoding: "buffer" }).map((entry) => {
    const name = entry.name.toString("utf8");
    return { name, kind: Buffer.from(name).equals(entry.name) ? direntKind(entry) : undefined };
  });
}

/** Reads to the end, whatever the size says: /proc shows 0, and a file may grow meanwhile. */
function readAll(fd: number, expected: number): Buffer {
  let buffer = Buffer.allocUnsafeSlow(expected === 0 ? 4096 : expected + 1);
  let length = 0;
  for (;;) {
    if (length === buffer.length) buffer = Buffer.concat([buffer], length * 2);
    const read = fs.readSync(fd, buffer, length, buffer.length - length, null);
    if (read === 0) return buffer.subarray(0, length);
    length += read;
  }
}

function writeWhole(
  path: string,
  bytes: FileContents,
  flags: number,
  mode: number,
  durable: boolean,
  opened?: () => void,
): void {
  const fd = fs.openSync(path, flags, mode);
  opened?.();
  try {
    const parts = typeof bytes === "string" ? [Buffer.from(bytes)] : bytes instanceof Uint8Array ? [bytes] : bytes;
    for (const part of parts) {
      // A full disk shows as a short write first and as ENOSPC on the next.
      for (let at = 0; at < part.length; ) at += fs.writeSync(fd, part, at, part.length - at);
    }
    if (durable) fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

function syncDirectory(path: string): void {
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

const SLASH = Buffer.from("/");

/** Names as bytes, so that those which are no UTF-8 go too; a directory of our own that refuses is opened first. */
function removeDirectory(path: Buffer): void {
  try {
    removeEntries(path);
  } catch (cause) {
    if (errnoOf(cause) !== "EACCES") throw cause;
    fs.chmodSync(path, 0o700);
    removeEntries(path);
  }
  fs.rmdirSync(path);
}

function removeEntries(directory: Buffer): void {
  for (const entry of fs.readdirSync(directory, { withFileTypes: true, encoding: "buffer" })) {
    const child = Buffer.concat([directory, SLASH, entry.name]);
    if (entry.isDirectory()) removeDirectory(child);
    else fs.unlinkSync(child);
  }
}
