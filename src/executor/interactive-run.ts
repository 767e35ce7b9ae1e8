import { spawn } from "node:child_process";
import { constants } from "node:os";
import { ExecutorError } from "./executor.ts";
import type { LaunchedCommand } from "./launcher/launcher.ts";
import { OutputCapture } from "./launcher/output-capture.ts";

/**
 * Runs a recipe that has the terminal: attribute `interactive`. It is begat's own child, in its process group, so that
 * Ctrl-C and job control reach it; its output goes to the terminal and is not kept.
 */
export async function runInteractively(
  command: { readonly argv: readonly string[]; readonly env: Readonly<Record<string, string>>; readonly cwd: string },
  uid: number | undefined,
  signal: AbortSignal,
): Promise<LaunchedCommand> {
  const [program, ...rest] = command.argv as [string, ...string[]];
  const child = spawn(program, rest, {
    cwd: command.cwd,
    env: command.env,
    stdio: "inherit",
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  const kill = () => child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  try {
    const status = await new Promise<number>((resolve, reject) => {
      child.once("error", (cause) =>
        reject(new ExecutorError("EXECUTOR_UNUSABLE", `${program} was not started`, { cause })),
      );
      child.once("exit", (code, name) => resolve(code ?? 128 + (name === null ? 0 : constants.signals[name])));
    });
    const nothing = () => new OutputCapture(Buffer.alloc(1), 1, 0, undefined);
    return { status, lost: false, leftCount: 0, leftNames: [], begun: true, stdout: nothing(), stderr: nothing() };
  } finally {
    signal.removeEventListener("abort", kill);
  }
}
