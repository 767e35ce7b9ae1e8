import { chmodSync, lstatSync, mkdirSync, readlinkSync, statSync } from "node:fs";
import { posix } from "node:path";
import { ExecutorError } from "./executor.ts";

const MOST_LINKS = 40;

/**
 * Follows `path` as a process would whose root is `root`; answers the path outside. `undefined` where nothing is, or
 * the way there does not end.
 */
export function resolveInRoot(root: string, path: string): string | undefined {
  let pending = path.split("/").filter((part) => part !== "");
  let at: string[] = [];
  let links = 0;
  while (pending.length > 0) {
    const [part, ...rest] = pending as [string, ...string[]];
    pending = rest;
    if (part === ".") continue;
    if (part === "..") {
      at = at.slice(0, -1);
      continue;
    }
    const here = `${root}/${[...at, part].join("/")}`;
    const stat = lstatSync(here, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    if (!stat.isSymbolicLink()) {
      at = [...at, part];
      continue;
    }
    if (++links > MOST_LINKS) return undefined;
    const target = readlinkSync(here);
    if (target.startsWith("/")) at = [];
    pending = [...target.split("/").filter((word) => word !== ""), ...pending];
  }
  return at.length === 0 ? root : `${root}/${at.join("/")}`;
}

/** Whether there is a program at `path` for whoever has `root` as its root. */
export function isProgramInRoot(root: string, path: string): boolean {
  const file = resolveInRoot(root, path);
  const stat = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false });
  return stat?.isFile() === true && (stat.mode & 0o111) !== 0;
}

/**
 * Makes the directories that a sandbox mounts on, where an image does not have them: inside, the root cannot be written.
 * Empty ones change nothing a recipe sees, since each is mounted over.
 *
 * @throws {ExecutorError} `EXECUTOR_UNUSABLE`
 */
export function makeMountPoints(root: string, paths: readonly string[]): void {
  for (const path of paths) {
    let below = "";
    for (const part of posix.relative("/", path).split("/")) {
      below += `/${part}`;
      const stat = lstatSync(root + below, { throwIfNoEntry: false });
      if (stat?.isDirectory()) continue;
      const problem = (cause?: unknown) =>
        new ExecutorError("EXECUTOR_UNUSABLE", `image ${root} cannot be used: it has no directory ${below}`, { cause });
      // A link could lead out of the image.
      if (stat !== undefined) throw problem();
      try {
        mkdirSync(root + below);
        // Whatever umask begat was started with: the recipe may be another user.
        chmodSync(root + below, 0o755);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw problem(error);
      }
    }
  }
}
