import { randomBytes } from "node:crypto";
import {
  accessSync,
  chmodSync,
  constants,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statfsSync,
  statSync,
} from "node:fs";
import { dirname } from "node:path/posix";
import { removeTree } from "./remove-tree.ts";

/** A directory of this process's own that holds its slots. */
export interface StagingRoot {
  readonly path: string;
  /** `disk` is the second choice, for what does not fit into memory. */
  readonly medium: "memory" | "disk";
}

/** User, PID namespace, process id, its start in clock ticks after boot, chance. */
const NAME = /^begat-(\d+)-(\d+)-(\d+)-(\d+)-[0-9a-f]+$/;
/**
 * Makes a staging root on the first of `parents` that can be written and has room. Roots that processes
 * of this user left there when they were killed are removed.
 */
export function makeStagingRoot(
  parents: readonly {
    readonly path: string;
    readonly medium: StagingRoot["medium"];
    /** Free, or it is passed over. */
    readonly neededBytes: number;
  }[],
): StagingRoot | undefined {
  const uid = process.getuid?.() ?? 0;
  for (const { path: parent, medium, neededBytes } of parents) {
    try {
      if (medium === "disk") mkdirSync(parent, { recursive: true });
      accessSync(parent, constants.W_OK | constants.X_OK);
      const fs = statfsSync(parent);
      if (fs.bavail * fs.bsize < neededBytes) continue;
      removeStale(parent, uid);
      const path = `${parent}/begat-${uid}-${pidNamespace()}-${process.pid}-${startOf(process.pid)}-${randomBytes(4).toString("hex")}`;
      mkdirSync(path);
      chmodSync(path, 0o755);
      return { path, medium };
    } catch {
      // Not this one.
    }
  }
  return undefined;
}

function removeStale(parent: string, uid: number): void {
  for (const name of readdirSync(parent)) {
    const match = NAME.exec(name);
    if (match === null || Number(match[1]) !== uid) continue;
    // Of a process elsewhere that shares this directory nothing can be known.
    if (match[2] !== pidNamespace() || startOf(Number(match[3])) === match[4]) continue;
    const path = `${parent}/${name}`;
    // Anybody may make such a name in a directory all can write: only what is ours is touched.
    if (lstatSync(path, { throwIfNoEntry: false })?.uid === uid) removeTree(path);
  }
}

function pidNamespace(): string {
  return /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? "0";
}

/** A process id is used again, but not with the same start. `undefined` where there is no such process. */
function startOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

/**
 * Whether any user could reach `directory`: every directory above it, and itself, has its x bit for others. What is
 * above `top` does not count: that is reached another way.
 */
export function isReachableByAll(directory: string, top = "/"): boolean {
  for (let path = directory; ; path = dirname(path)) {
    try {
      if ((statSync(path).mode & 0o001) === 0) return false;
    } catch {
      return false;
    }
    if (path === top || path === "/") return true;
  }
}
