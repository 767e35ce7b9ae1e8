import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { NodeProcessRunner } from "../../src/platform/index.ts";
import { processRunnerContract, type Step } from "../contracts/process-runner.contract.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";

const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

function shell(step: Step): string {
  switch (step.do) {
    case "print": {
      const redirect = step.stream === "stderr" ? " >&2" : "";
      if (step.times === undefined) return `printf %s ${quote(step.text)}${redirect}`;
      return `i=0; while [ $i -lt ${step.times} ]; do printf %s ${quote(step.text)}${redirect}; i=$((i+1)); done`;
    }
    case "echo-stdin":
      return "cat";
    case "print-variable":
      return `printf %s "\${${step.name}-}"`;
    case "hang":
      return "sleep 1000";
    case "exit":
      return `exit ${step.code}`;
    case "die":
      return `kill -s ${step.signal.slice(3)} $$`;
  }
}

processRunnerContract("NodeProcessRunner", () => ({
  runner: new NodeProcessRunner(),
  program: (...steps) => ["sh", "-c", steps.map(shell).join("\n")],
  pass: async () => {},
}));

describe("NodeProcessRunner", () => {
  const runner = new NodeProcessRunner();
  const base = { cwd: "/", env: { PATH: "/usr/bin:/bin" }, outputLimitBytes: 1 << 20, timeoutMs: 0 };

  test("cancelling takes the whole group along", async () => {
    const scratch = scratchDirectory();
    const controller = new AbortController();
    const argv: [string, ...string[]] = ["sh", "-c", `sleep 1000 & echo $! > ${scratch.path}/pid; echo begun; wait`];
    const running = runner.run({ ...base, argv, onOutput: () => controller.abort() }, controller.signal);
    await expect(running).rejects.toThrow();
    expect(isRunning(Number(readFileSync(`${scratch.path}/pid`, "utf8")))).toBe(false);
    scratch.dispose();
  });

  test("a survivor in a session of its own that holds the pipes does not hold the outcome", async () => {
    const argv: [string, ...string[]] = ["sh", "-c", "setsid sleep 30 & echo $!"];
    const outcome = await runner.run({ ...base, argv });
    expect(outcome.exitCode).toBe(0);
    expect(outcome.durationMs).toBeLessThan(25_000);
    process.kill(Number(outcome.stdout.toString()), "SIGKILL");
  });

  // The kernel tells of all children that ended at once: of this one while what it wrote is still to be read. When that
  // is looked at, the time that survivors are given is over.
  test("nothing that a program wrote before its end is lost when this process is slow", async () => {
    const scratch = scratchDirectory();
    const fifo = `${scratch.path}/go`;
    execFileSync("mkfifo", [fifo]);
    const script = `printf x; read go < ${fifo}; exec head -c 100000 /dev/zero`;
    let slow: number | undefined;
    const onOutput = () => {
      if (slow === undefined) return;
      const child = slow;
      slow = undefined;
      writeFileSync(fifo, "go\n");
      waitFor(() => stateOf(child) === "Z");
      // After it is known to have ended, and before anything is read again.
      setImmediate(() => {
        const until = performance.now() + 1100;
        waitFor(() => performance.now() > until);
      });
    };
    const before = children();
    const writer = runner.run({ ...base, argv: ["sh", "-c", script], onOutput });
    slow = children().find((pid) => !before.includes(pid));
    const other = runner.run({ ...base, argv: ["true"] });
    const ended = children().find((pid) => !before.includes(pid) && pid !== slow);
    waitFor(() => stateOf(ended as number) === "Z" && stateOf(slow as number) === "S");
    expect((await writer).stdoutBytes).toBe(100_001);
    await other;
    scratch.dispose();
  });

  test("a directory that is not there is told from a program that is not there", async () => {
    const running = runner.run({ ...base, cwd: "/nonexistent", argv: ["true"] });
    await expect(running).rejects.toThrow("directory /nonexistent to run it in does not exist");
  });

  test("the program is looked for in the PATH it is given", async () => {
    await expect(runner.run({ ...base, env: { PATH: "/nonexistent" }, argv: ["true"] })).rejects.toMatchObject({
      code: "PROCESS_NOT_STARTED",
    });
  });

  test.skipIf(process.getuid?.() !== 0)("root can run a program as another user", async () => {
    const outcome = await runner.run({ ...base, argv: ["id", "-u"], user: { uid: 65534, gid: 65534 } });
    expect(outcome.stdout.toString().trim()).toBe("65534");
  });

  test("100 MB of output stays out of memory", async () => {
    const before = process.memoryUsage().rss;
    const argv: [string, ...string[]] = ["sh", "-c", "head -c 100000000 /dev/zero"];
    const outcome = await runner.run({ ...base, argv, outputLimitBytes: 1000 });
    expect([outcome.stdout.length, outcome.stdoutBytes]).toEqual([1000, 100_000_000]);
    expect(process.memoryUsage().rss - before).toBeLessThan(64e6);
  });
});

/** Direct children of this process, those included that have ended and were not asked for yet. */
function children(): number[] {
  const listed = (thread: string) => readFileSync(`/proc/self/task/${thread}/children`, "utf8").trim();
  return readdirSync("/proc/self/task").flatMap((thread) => listed(thread).split(" ").filter(Boolean).map(Number));
}

/** `S` sleeping, `Z` ended and not asked for yet ... */
function stateOf(pid: number): string | undefined {
  return /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, "latin1"))?.[1];
}

/** Holds everything up, the event loop too. */
function waitFor(condition: () => boolean): void {
  while (!condition()) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
}

function isRunning(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
}
