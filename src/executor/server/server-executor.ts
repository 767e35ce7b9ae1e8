import { accessSync, constants } from "node:fs";
import type { Executor } from "../executor.ts";
import { DEFAULT_LIMITS } from "../limits.ts";
import { SandboxDescriber } from "../sandbox/sandbox-description.ts";
import { SandboxExecutor, visibleToolRoots } from "../sandbox/sandbox-executor.ts";
import type { StagedExecutorOptions } from "../staged-executor.ts";
import { PROTOCOL_VERSION } from "./order.ts";
import { ServerBackEnd } from "./server-back-end.ts";

export interface ServerExecutorOptions extends StagedExecutorOptions {
  /** Absolute: where the spawn server is, or would be had it been built. */
  readonly server: string;
  /** Absolute. Directories with tools that are not under /usr, seen read-only at the same path. */
  readonly toolRoots?: readonly string[];
}

class ServerExecutor extends SandboxExecutor {
  readonly #program: string;
  readonly #backEnd: ServerBackEnd;

  constructor(options: ServerExecutorOptions) {
    const describer = new SandboxDescriber(visibleToolRoots(options.toolRoots));
    const backEnd = new ServerBackEnd(options.server, describer, { ...DEFAULT_LIMITS, ...options.limits });
    super(options, backEnd, describer);
    this.#program = options.server;
    this.#backEnd = backEnd;
  }

  protected missing(): string | undefined {
    try {
      accessSync(this.#program, constants.X_OK);
      return undefined;
    } catch {
      return "the spawn server is not built: no C compiler was there when begat was installed";
    }
  }

  protected async version(): Promise<string> {
    return String(PROTOCOL_VERSION);
  }

  override async close(): Promise<void> {
    await super.close();
    await this.#backEnd.close();
  }
}

/**
 * Runs recipes in sandboxes that begat's own spawn server makes: the same as bubblewrap's, without starting a program for
 * each of them.
 */
export function createServerExecutor(options: ServerExecutorOptions): Executor {
  return new ServerExecutor(options);
}
