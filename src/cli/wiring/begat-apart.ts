import type { Machine } from "./machine.ts";

/** Of what such a process says, bytes. */
const SAID_BYTES = 64 * 1024;

export interface Apart {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  /** Its first line of complaint, else of output. */
  readonly said: string;
}

/**
 * Runs begat once more over the same homes, in a process of its own: for what would keep a daemon from answering anybody for
 * seconds, heartbeats included, and from giving the memory back.
 */
export async function begatApart(
  machine: Pick<Machine, "directories" | "runner" | "environment">,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<Apart> {
  const [, program = ""] = process.argv;
  const { stateHome, cacheHome } = machine.directories;
  const { exitCode, stdout, stderr } = await machine.runner.run(
    {
      argv: [process.execPath, program, ...argv],
      cwd: cacheHome,
      env: { ...machine.environment, BEGAT_STATE_HOME: stateHome, BEGAT_CACHE_HOME: cacheHome },
      outputLimitBytes: SAID_BYTES,
      timeoutMs: 0,
    },
    signal,
  );
  const said = `${stderr.toString()}${stdout.toString()}`.trim().split("\n")[0] || `exit ${exitCode}`;
  return { exitCode, stdout: stdout.toString(), said };
}
