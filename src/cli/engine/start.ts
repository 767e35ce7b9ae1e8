import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path/posix";
import type { Host } from "../host.ts";
import { bundleFile, changeFeedProgram } from "./bundle-file.ts";

/** In the engine's directory: why the last one could not start. */
export const FAILURE_FILE = "failure";
/** One that cannot start is not tried again with every command. */
const TRY_AGAIN_MS = 10 * 60_000;

/** Variables of the caller that an engine keeps: where things are, and how Node is to run. */
const KEPT = /^(PATH|HOME|LANG|LC_.*|TMPDIR|XDG_.*|BEGAT_.*_HOME|NODE_OPTIONS)$/;

/** Starts an engine that nobody waits for. */
export function spawnEngine(env: Host["env"], idle: string | undefined): void {
  const kept = Object.entries(env).filter(
    (pair): pair is [string, string] => pair[1] !== undefined && KEPT.test(pair[0]),
  );
  const words = [bundleFile(), "daemon", "start", "--foreground", ...(idle === undefined ? [] : ["--idle", idle])];
  // Sparing with memory: what is remembered lies outside of V8's heap, and garbage is all that is in it.
  const child = spawn(process.execPath, ["--max-semi-space-size=1", ...words], {
    cwd: "/",
    env: Object.fromEntries(kept),
    stdio: "ignore",
    detached: true,
  });
  child.on("error", () => {});
  child.unref();
}

/** Starts a builder of the checkout at `root`, which inherits all that this process has, since it is to work for its like. */
export function spawnBuilder(env: Host["env"], root: string, idle: string | undefined): void {
  const words = ["daemon", "start", "--foreground", "--builds", root, ...(idle === undefined ? [] : ["--idle", idle])];
  const child = spawn(process.execPath, [bundleFile(), ...words], { cwd: "/", env, stdio: "ignore", detached: true });
  child.on("error", () => {});
  child.unref();
}

/** After a build that the engine could not answer: the next one shall find a builder. */
export async function startBuilderQuietly(host: Host, root: string): Promise<void> {
  if (host.engine !== "client") return;
  const { builderSocket, engineDirectory } = await import("../../engine/index.ts");
  const directory = engineDirectory(host.env);
  if (directory === undefined || existsSync(join(directory, builderSocket(root))) || hasFailed(directory)) return;
  spawnBuilder(host.env, root, undefined);
}

/** After a build that found no engine: the next one shall. */
export async function startEngineQuietly(host: Host): Promise<void> {
  if (host.engine !== "absent" || !existsSync(changeFeedProgram())) return;
  const { engineDirectory } = await import("../../engine/index.ts");
  const directory = engineDirectory(host.env);
  if (directory === undefined) return;
  if (!hasFailed(directory)) spawnEngine(host.env, undefined);
}

function hasFailed(directory: string): boolean {
  const failed = statSync(join(directory, FAILURE_FILE), { throwIfNoEntry: false });
  return failed !== undefined && Date.now() - failed.mtimeMs < TRY_AGAIN_MS;
}
