import { spawn } from "node:child_process";
import { constants } from "node:os";
import type { BackEnd } from "./back-end.ts";
import { ExecutorError } from "./executor.ts";
import type { LaunchedCommand } from "./launcher/launcher.ts";
import { OutputCapture } from "./launcher/output-capture.ts";
import { killSurvivors, processesOfUser, processesUnder } from "./launcher/process-table.ts";

/**
 * Runs a recipe that has the terminal: attribute `interactive`. It is begat's own child, in its process group, so that
 * Ctrl-C and job control reach it; its output goes to the terminal and is not kept.
 *
 * @param slot What it leaves is found by its user or, where it has none of its own, by the slot's directory.
 */
export async function runInteractively(
  command: ReturnType<BackEnd["interactiveCommand"]>,
  slot: { readonly uid: number | undefined; readonly directory: string },
  signal: AbortSignal,
): Promise<LaunchedCommand> {
  const { uid, directory } = slot;
  const before = new Set(survivorsOf(slot).map(({ pid }) => pid));
  const child = spawn("/bin/sh", ["-c", 'umask 022; exec "$@"', "sh", ...command.argv], {
    cwd: command.cwd,
    env: command.env,
    stdio: "inherit",
    ...(uid === undefined || command.dropsUser ? {} : { uid, gid: uid }),
  });
  const kill = () => child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  try {
    const status = await new Promise<number>((resolve, reject) => {
      child.once("error", (cause) =>
        reject(new ExecutorError("EXECUTOR_UNUSABLE", `no shell was started in ${directory}`, { cause })),
      );
      child.once("exit", (code, name) => resolve(code ?? 128 + (name === null ? 0 : constants.signals[name])));
    });
    const leftNames = await killSurvivors(() => survivorsOf(slot).filter(({ pid }) => !before.has(pid)));
    const nothing = () => OutputCapture.unmarked(0, undefined);
    const streams = { stdout: nothing(), stderr: nothing() };
    return { status, lost: false, leftCount: leftNames.length, leftNames, begun: true, ...streams };
  } finally {
    signal.removeEventListener("abort", kill);
  }
}

function survivorsOf({ uid, directory }: { readonly uid: number | undefined; readonly directory: string }) {
  return uid === undefined ? processesUnder(directory) : processesOfUser(uid);
}
