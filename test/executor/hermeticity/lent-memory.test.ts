import { expect, test } from "vitest";
import { executionRequest } from "../../support/execution-request.ts";
import { hasSpawnServer, realExecutors } from "../real-executors.ts";

const [kind] = realExecutors().filter(({ name }) => name === "the server executor");

// The sandbox's first process has its memory from a process outside: who wrote there would be outside. Twice, since the
// second run borrows what the first gave back.
test.skipIf(!hasSpawnServer)("a recipe reaches nothing of the first process, whose memory is lent", async () => {
  const { executor } = kind?.make({ slots: 1 }) ?? expect.unreachable();
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
  await executor.close();
  kind?.dispose();
});
