import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createServerExecutor } from "../../../src/executor/index.ts";
import { NodeClock, NodeFileTree } from "../../../src/platform/index.ts";
import { executionRequest } from "../../support/execution-request.ts";
import { MemoryBlobStore } from "../../support/memory-blob-store.ts";
import { WITHOUT_COMPILER } from "../../support/native-program.ts";
import { scratchDirectory } from "../../support/scratch-directory.ts";
import { spawnServer } from "../real-executors.ts";

const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;

/**
 * Where root's server changes to the recipe's user, the kernel closes the memory by itself. A plain user's changes to nobody
 * else: there only the server's own PR_SET_DUMPABLE does (native/run.c). So root tries it as both, last as a plain user:
 * this process stays one.
 */
const USERS = isRoot ? (["root", "a plain user"] as const) : (["a plain user"] as const);

// The sandbox's first process has its memory from a process outside: who wrote there would be outside. Twice, since the
// second run borrows what the first gave back.
test.skipIf(spawnServer === undefined).for(USERS)(
  `a recipe of %s reaches nothing of the first process, whose memory is lent${WITHOUT_COMPILER}`,
  async (user) => {
    // Before this process becomes somebody who may not go where the checkout is.
    const program = readFileSync(spawnServer as string);
    if (isRoot && user !== "root") {
      process.setgroups?.([]);
      process.setgid?.(NOBODY);
      process.setuid?.(NOBODY);
    }
    const scratch = scratchDirectory();
    const server = `${scratch.path}/server`;
    writeFileSync(server, program, { mode: 0o755 });
    const blobs = new MemoryBlobStore(new NodeFileTree());
    const places = { inputRoots: [scratch.path], diskStaging: `${scratch.path}/staging` };
    const executor = createServerExecutor({ ...places, blobs, clock: new NodeClock(), slots: 1, server });
    try {
      await executor.probe();
      for (const _ of [1, 2]) {
        const { verdict, stdout } = await executor.execute(
          executionRequest(`
        for what in mem maps environ auxv syscall; do
          if (true < /proc/1/$what) 2> /dev/null; then echo "$what is open"; fi
        done
        for what in root cwd exe fd/0 fd/3; do
          if readlink /proc/1/$what; then echo "$what is open"; fi
        done
        for own in mem maps; do true < /proc/self/$own && echo "own $own is open"; done`),
          { signal: new AbortController().signal },
        );
        expect([verdict, stdout.toString()]).toEqual(["ok", "own mem is open\nown maps is open\n"]);
      }
    } finally {
      await executor.close();
      scratch.dispose();
    }
  },
);
