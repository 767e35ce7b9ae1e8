import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { scratchDirectory } from "../support/scratch-directory.ts";
import { hasBubblewrap } from "./real-executors.ts";

const scratch = scratchDirectory();
const program = `${scratch.path}/begun.mjs`;

/** A begat that runs one recipe, says when that has begun, and waits. */
const SOURCE = `
import { createBubblewrapExecutor, createProcessExecutor } from "./src/executor/index.ts";
import { NodeClock } from "./src/platform/index.ts";
import { executionRequest } from "./test/support/execution-request.ts";
import { MemoryBlobStore } from "./test/support/memory-blob-store.ts";
const [kind, containment, mark, diskStaging] = process.argv.slice(2);
const create = kind === "process" ? createProcessExecutor : createBubblewrapExecutor;
const options = { blobs: new MemoryBlobStore(), clock: new NodeClock(), slots: 1, inputRoots: [], diskStaging };
const executor = create(containment === "best" ? options : { ...options, containment });
await executor.execute(executionRequest("sleep " + mark + " & echo begun; sleep " + mark), {
  signal: new AbortController().signal,
  onOutput: (_, bytes) => process.stdout.write(bytes),
});
`;

beforeAll(async () => {
  await build({
    stdin: { contents: SOURCE, resolveDir: process.cwd(), loader: "ts" },
    bundle: true,
    platform: "node",
    format: "esm",
    external: ["better-sqlite3", "dockerode"],
    outfile: program,
    logLevel: "error",
  });
});
afterAll(() => scratch.dispose());

const CASES = [
  ["process", "best"],
  ["process", "scan"],
  ["bubblewrap", "best"],
] as const;

// Without bubblewrap there is no such back end to test.
test.each(CASES.filter(([kind]) => kind === "process" || hasBubblewrap))(
  "kill -9 of begat takes a recipe along: %s, %s",
  async (kind, containment) => {
    const mark = `7${String(process.pid).padStart(7, "0")}${kind.length}${containment.length}`;
    const begat = spawn(process.execPath, [program, kind, containment, mark, `${scratch.path}/staging`], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const first = await new Promise((resolve) => {
      begat.stdout.once("data", resolve);
      begat.once("exit", resolve);
    });
    expect(String(first)).toBe("begun\n");
    await expect.poll(() => sleeping(mark), { interval: 2 }).toBe(2);
    begat.kill("SIGKILL");
    await expect.poll(() => sleeping(mark), { timeout: 10_000, interval: 2 }).toBe(0);
  },
);

/** How many processes sleep for `mark` seconds. */
function sleeping(mark: string): number {
  return readdirSync("/proc").filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "latin1") === `sleep\0${mark}\0`;
    } catch {
      return false;
    }
  }).length;
}
