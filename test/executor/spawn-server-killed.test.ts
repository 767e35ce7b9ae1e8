import { readdirSync, readFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import type { ExecutionOptions } from "../../src/executor/index.ts";
import { executionRequest } from "../support/execution-request.ts";
import { WITHOUT_COMPILER } from "../support/native-program.ts";
import { realExecutors } from "./real-executors.ts";

const [kind] = realExecutors().filter(({ name }) => name === "the server executor");
afterAll(() => kind?.dispose());

/** The server is this process's own child; it calls itself by a name that tells nothing. */
function servers(): number[] {
  return readdirSync("/proc").flatMap((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      const [parent] = stat.slice(stat.lastIndexOf(")") + 4).split(" ");
      return Number(parent) === process.pid && stat.includes("(begat-spawn-ser)") ? [Number(pid)] : [];
    } catch {
      return [];
    }
  });
}

test.skipIf(kind === undefined)(
  `a server that is killed takes its recipes along, and another one takes its place${WITHOUT_COMPILER}`,
  async () => {
    const { executor } = (kind as NonNullable<typeof kind>).make();
    const signal = new AbortController().signal;
    const run = (recipe: string, more: Partial<ExecutionOptions> = {}) =>
      executor.execute(executionRequest(recipe, { outputs: ["o"] }), { signal, ...more });
    try {
      expect((await run("echo 1 > o")).verdict).toBe("ok");
      const lost = await run("echo begun; sleep 600", {
        onOutput: () => {
          for (const pid of servers()) process.kill(pid, "SIGKILL");
        },
      });
      expect([lost.verdict, lost.outputs]).toEqual(["executor-error", []]);
      expect((await run("echo 2 > o")).verdict).toBe("ok");
    } finally {
      await executor.close();
    }
  },
);
