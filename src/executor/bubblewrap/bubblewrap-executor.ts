import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { promisify } from "node:util";
import type { Executor } from "../executor.ts";
import { SandboxDescriber } from "../sandbox/sandbox-description.ts";
import { SandboxExecutor, visibleToolRoots } from "../sandbox/sandbox-executor.ts";
import type { StagedExecutorOptions } from "../staged-executor.ts";
import { BubblewrapBackEnd } from "./bubblewrap-back-end.ts";

export interface BubblewrapExecutorOptions extends StagedExecutorOptions {
  /** Absolute; else looked for in the usual places. */
  readonly bubblewrap?: string;
  /** Absolute. Directories with tools that are not under /usr, seen read-only at the same path. */
  readonly toolRoots?: readonly string[];
}

const USUAL_PLACES = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"];

class BubblewrapExecutor extends SandboxExecutor {
  readonly #program: string | undefined;

  constructor(options: BubblewrapExecutorOptions) {
    const program = options.bubblewrap ?? USUAL_PLACES.find(isExecutable);
    const describer = new SandboxDescriber(visibleToolRoots(options.toolRoots));
    super(options, new BubblewrapBackEnd(program ?? "bwrap", describer), describer);
    this.#program = program;
  }

  protected missing(): string | undefined {
    if (this.#program !== undefined) return undefined;
    return `bubblewrap is not installed: none of ${USUAL_PLACES.join(", ")}`;
  }

  protected version(): Promise<string> {
    return versionOf(this.#program as string);
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** `unknown` when it does not say; whether it works is found out otherwise. */
async function versionOf(program: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program, ["--version"], { timeout: 10_000 });
    return stdout.trim().split(" ").pop() || "unknown";
  } catch {
    return "unknown";
  }
}

/**
 * Runs recipes in bubblewrap: in an image, level `hermetic`, or with the host's tools read-only, level `contained`, where
 * all canaries are held.
 */
export function createBubblewrapExecutor(options: BubblewrapExecutorOptions): Executor {
  return new BubblewrapExecutor(options);
}
