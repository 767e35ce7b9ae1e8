import { lstatSync, mkdirSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path/posix";
import { sha256 } from "../base/index.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** A socket's path is at most this long, with the NUL at its end. */
const LONGEST_SOCKET = 107;
/** Of the names beside `socket`. */
const LONGEST_NAME = 18;

/**
 * Where the warm engine of this user listens; native/client/request.c has the same rule. With a cache home or a runtime
 * home of begat's own goes an engine of its own. `undefined`: there is no such place, so there is no engine.
 */
export function engineDirectory(env: Environment): string | undefined {
  const own = env.BEGAT_RUNTIME_HOME || env.BEGAT_CACHE_HOME;
  if (own) return isAbsolute(own) ? fitting(join(own, "engine")) : undefined;
  for (const base of [env.XDG_RUNTIME_DIR, env.XDG_CACHE_HOME]) {
    if (base && isAbsolute(base)) return fitting(join(base, "begat/engine"));
  }
  const home = env.HOME || homedir();
  return isAbsolute(home) ? fitting(join(home, ".cache/begat/engine")) : undefined;
}

/** Name of the socket, beside the engine's, on which a checkout's builder listens. @param root Absolute. */
export const builderSocket = (root: string): string => `b-${sha256(root).slice(0, 16)}`;

/** Builders that listen, or did. */
export function builderSockets(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => /^b-[0-9a-f]{16}$/.test(name));
  } catch {
    return [];
  }
}

/** Name of the engine's own socket. */
export const ENGINE = "socket";

export const socketIn = (directory: string): string => join(directory, ENGINE);

const fitting = (directory: string): string | undefined =>
  Buffer.byteLength(directory) + 1 + LONGEST_NAME > LONGEST_SOCKET ? undefined : directory;

/** Whether nobody but this user can reach what is in `directory`. */
export function isPrivate(directory: string): boolean {
  try {
    const found = lstatSync(directory);
    return found.isDirectory() && found.uid === process.geteuid?.() && (found.mode & 0o077) === 0;
  } catch {
    return false;
  }
}

/** Makes it, private; answers whether it is. */
export function makePrivate(directory: string): boolean {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return isPrivate(directory);
}
