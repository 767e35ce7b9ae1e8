import { type FileTree, FileTreeError, type Random } from "../../ports/index.ts";
import { FarmError } from "./farm-error.ts";

/** The folder of all that belongs to farms in a state home. */
export const farmHome = (stateHome: string): string => `${stateHome}/farm`;

const octal = (mode: number): string => `0${(mode & 0o777).toString(8)}`;

/** Makes a folder that only its owner may enter. */
export function makePrivateDirectory(files: FileTree, path: string): void {
  orNotWritable(path, () => {
    files.makeDirectory(path, 0o700);
    files.setMode(path, 0o700);
  });
}

/**
 * The bytes of a secret.
 *
 * @throws {FarmError} `FARM_KEY_EXPOSED` when others than its owner may read it, or put another in its place;
 *   `FARM_STATE_MALFORMED` when there is none or it is no file.
 */
export function readPrivateFile(files: FileTree, path: string): Buffer {
  const stat = files.lstat(path);
  if (stat === undefined) throw new FarmError("FARM_STATE_MALFORMED", `${path} is missing`);
  if (stat.kind !== "file") throw new FarmError("FARM_STATE_MALFORMED", `${path} is not a file but a ${stat.kind}`);
  if ((stat.mode & 0o077) !== 0) {
    throw new FarmError("FARM_KEY_EXPOSED", `${path} has mode ${octal(stat.mode)}; others than its owner may use it`, {
      hint: `if nobody else had it, run: chmod 600 ${path}`,
    });
  }
  const directory = path.slice(0, path.lastIndexOf("/"));
  const around = files.lstat(directory);
  if (around !== undefined && (around.mode & 0o022) !== 0) {
    throw new FarmError("FARM_KEY_EXPOSED", `${directory} has mode ${octal(around.mode)}; others may replace keys`, {
      hint: `run: chmod 700 ${directory}`,
    });
  }
  return files.readFile(path);
}

/**
 * Creates a file at once or not at all, for its owner alone; answers whether it did, `false` where one stands already.
 * Whole under a name of its own first, then linked: a link refuses an existing name, as O_EXCL does, and nobody who
 * finds the file finds half of it.
 */
export function createPrivateFile(files: FileTree, random: Random, path: string, bytes: Uint8Array | string): boolean {
  const own = `${path}.${Buffer.from(random.bytes(8)).toString("hex")}`;
  return orNotWritable(path, () => {
    if (files.lstat(path) !== undefined) return false;
    files.replaceFile(own, bytes, { mode: 0o600, durable: true });
    try {
      files.link(own, path);
      return true;
    } catch (error) {
      if (!(error instanceof FileTreeError)) throw error;
      if (error.code === "FILE_EXISTS") return false;
      // File systems without hard links: exclusive creation still picks one winner.
      try {
        files.writeFile(path, bytes, { mode: 0o600, exclusive: true });
        return true;
      } catch (second) {
        if (second instanceof FileTreeError && second.code === "FILE_EXISTS") return false;
        throw second;
      }
    } finally {
      files.remove(own);
    }
  });
}

/** Replaces a file, durably, for its owner alone. */
export function replacePrivateFile(files: FileTree, path: string, bytes: Uint8Array | string): void {
  orNotWritable(path, () => files.replaceFile(path, bytes, { mode: 0o600, durable: true }));
}

function orNotWritable<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof FileTreeError)) throw cause;
    throw new FarmError("FARM_STATE_NOT_WRITABLE", `cannot write ${path}`, { cause });
  }
}
