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

/** After a build that found no engine: the next one shall. */
export async function startEngineQuietly(host: Host): Promise<void> {
  if (host.engine !== "absent" || !existsSync(changeFeedProgram())) return;
  const { engineDirectory } = await import("../../engine/index.ts");
  const directory = engineDirectory(host.env);
  if (directory === undefined) return;
  const failed = statSync(join(directory, FAILURE_FILE), { throwIfNoEntry: false });
  if (failed !== undefined && Date.now() - failed.mtimeMs < TRY_AGAIN_MS) return;
  spawnEngine(host.env, undefined);
}
