import { accessSync, constants } from "node:fs";
import {
  createBubblewrapExecutor,
  createProcessExecutor,
  createServerExecutor,
  type Executor,
  type StagedExecutorOptions,
} from "../../src/executor/index.ts";
import { NodeClock, NodeFileTree } from "../../src/platform/index.ts";
import type { ExecutorUnderTest } from "../contracts/executor.contract.ts";
import { MemoryBlobStore } from "../support/memory-blob-store.ts";
import { nativeProgram } from "../support/native-program.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";
import { skipReason } from "../support/skip-reason.ts";

export interface RealExecutor {
  readonly name: string;
  readonly isSandbox: boolean;
  make(more?: Partial<StagedExecutorOptions>): ExecutorUnderTest & { readonly directory: string };
  dispose(): void;
}

export const hasBubblewrap = exists("/usr/bin/bwrap") || exists("/usr/local/bin/bwrap");

export const WITHOUT_BUBBLEWRAP = skipReason(hasBubblewrap, "bubblewrap", "apt-get install bubblewrap");

export const spawnServer = nativeProgram("begat-spawn-server");

export const hasSpawnServer = spawnServer !== undefined;

export function createSpawnServerExecutor(options: StagedExecutorOptions): Executor {
  return createServerExecutor({ ...options, server: spawnServer ?? "/nonexistent" });
}

/** The back ends that this machine has. Without bubblewrap or a compiler their tests are left out: there is nothing to test. */
export function realExecutors(options: Partial<StagedExecutorOptions> = {}): RealExecutor[] {
  const of = (name: string, isSandbox: boolean, create: typeof createProcessExecutor): RealExecutor => {
    const directories: ReturnType<typeof scratchDirectory>[] = [];
    return {
      name,
      isSandbox,
      make(more = {}) {
        const scratch = scratchDirectory();
        directories.push(scratch);
        const blobs = new MemoryBlobStore(new NodeFileTree());
        const executor = create({
          blobs,
          clock: new NodeClock(),
          slots: 1,
          inputRoots: [scratch.path],
          diskStaging: `${scratch.path}/staging`,
          ...options,
          ...more,
        });
        return { executor, blobs, directory: scratch.path };
      },
      dispose() {
        for (const directory of directories) directory.dispose();
      },
    };
  };
  return [
    of("the process executor", false, createProcessExecutor),
    ...(hasBubblewrap ? [of("the bubblewrap executor", true, createBubblewrapExecutor)] : []),
    ...(hasSpawnServer ? [of("the server executor", true, createSpawnServerExecutor)] : []),
  ];
}

function exists(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
