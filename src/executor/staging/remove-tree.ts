import { spawnSync } from "node:child_process";
import { chmodSync, lstatSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";

/**
 * Removes `path` and all in it, whatever a recipe made of it: directories without permissions, names that are not
 * UTF-8, paths longer than the kernel takes. Nothing happens where nothing is.
 */
export function removeTree(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  try {
    removeEntry(path, stat.isDirectory());
  } catch {
    removeByProgram(path);
  }
}

/** Removes what is in `path` and keeps the directory. */
export function emptyDirectory(path: string): void {
  try {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      removeEntry(`${path}/${entry.name}`, entry.isDirectory());
    }
  } catch {
    for (const name of readdirSync(path, "buffer")) {
      removeByProgram(Buffer.concat([Buffer.from(`${path}/`), name]));
    }
  }
}

function removeEntry(path: string, isDirectory: boolean): void {
  if (!isDirectory) {
    unlinkSync(path);
    return;
  }
  let entries: ReturnType<typeof list>;
  try {
    entries = list(path);
    for (const entry of entries) removeEntry(`${path}/${entry.name}`, entry.isDirectory());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EACCES") throw error;
    chmodSync(path, 0o700);
    entries = list(path);
    for (const entry of entries) removeEntry(`${path}/${entry.name}`, entry.isDirectory());
  }
  rmdirSync(path);
}

const list = (path: string) => readdirSync(path, { withFileTypes: true });

/** rm(1) goes down by file descriptor, so no depth and no name stops it. */
function removeByProgram(path: string | Buffer): void {
  // A name that is not UTF-8 cannot be an argument of Node's spawn: the shell reads its bytes from standard input.
  spawnSync("/bin/sh", ["-c", 'p=$(cat; echo .); p=${p%.}; chmod -R u+rwx -- "$p" 2>/dev/null; rm -rf -- "$p"'], {
    input: path,
    stdio: ["pipe", "ignore", "ignore"],
  });
}
