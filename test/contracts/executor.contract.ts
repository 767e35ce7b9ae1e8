import { rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digestOf, type WorkspacePath } from "../../src/base/index.ts";
import type { BlobStore } from "../../src/cache/index.ts";
import { type ExecutionRequest, type Executor, isCacheable } from "../../src/executor/index.ts";
import { encodeTree } from "../../src/protocol/index.ts";
import { executionRequest, RECIPE, type RequestParts } from "../support/execution-request.ts";
import type { FakeRecipe, FakeRun } from "../support/fake-executor.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";

/** A recipe for a shell, and what a fake does instead. */
interface Recipe {
  readonly shell: string;
  readonly fake: FakeRecipe;
}

const RECIPES = {
  copy: { shell: "cp a b", fake: (run) => void run.write("b", run.inputs.get("a") ?? "") },
  script: {
    shell: "echo true >b; chmod +x b",
    fake: (run) => void run.write("b", "true\n", true),
  },
  tree: {
    shell: "mkdir -p d/e d/empty; echo x >d/e/f; ln -s e/f d/l",
    fake: (run) => {
      run.write("d/e/f", "x\n");
      run.makeDirectory("d/empty");
      run.link("d/l", "e/f");
      return undefined;
    },
  },
  link: { shell: "ln -s a b", fake: (run) => void run.link("b", "a") },
  dangling: { shell: "ln -s nowhere b", fake: (run) => void run.link("b", "nowhere") },
  absolute: { shell: "ln -s /usr/bin/env b", fake: (run) => void run.link("b", "/usr/bin/env") },
  fail: { shell: "echo half >b; exit 3", fake: () => 3 },
  killed: { shell: "kill -9 $$", fake: () => "SIGKILL" },
  nothing: { shell: ":", fake: () => undefined },
  hang: {
    shell: "echo begun; sleep 600",
    fake: (run) => {
      run.print("begun\n");
      return run.hang();
    },
  },
  leftover: { shell: "sleep 600 & :", fake: (run) => void run.leaveProcess("sleep") },
  print: {
    shell: "echo out; echo err >&2",
    fake: (run) => {
      run.print("out\n");
      run.printError("err\n");
      return undefined;
    },
  },
  more: {
    shell: "cp a b; echo y >extra; mkdir -p some/more; echo z >some/more/c",
    fake: (run) => {
      run.write("b", run.inputs.get("a") ?? "");
      run.write("extra", "y\n");
      return undefined;
    },
  },
  directory: { shell: "mkdir b", fake: (run) => void run.makeDirectory("b") },
} satisfies Record<string, Recipe>;

/** What a `FakeExecutor` under this contract runs. */
export const contractRecipe: FakeRecipe = (run: FakeRun) => {
  const shell = run.inputs.get(RECIPE)?.toString();
  const recipe = Object.values(RECIPES).find((known: Recipe) => known.shell === shell);
  if (recipe === undefined) throw new Error(`no such recipe: ${shell}`);
  return recipe.fake(run);
};

export interface ExecutorUnderTest {
  /** With two slots. */
  readonly executor: Executor;
  readonly blobs: BlobStore;
  /** Where output comes only at the end: resolves when so many recipes run at once. */
  readonly running?: (count: number) => Promise<void>;
  close?(): Promise<void> | void;
}

/** The promises of `Executor`, which every back end and the fake keep. */
export function executorContract(name: string, make: () => ExecutorUnderTest | Promise<ExecutorUnderTest>): void {
  describe(`${name} keeps the contract`, () => {
    let under: ExecutorUnderTest;
    beforeAll(async () => {
      under = await make();
    });
    afterAll(async () => {
      await under.executor.close();
      await under.close?.();
    });

    const never = new AbortController().signal;
    const request = (recipe: keyof typeof RECIPES, parts?: RequestParts): ExecutionRequest =>
      executionRequest(RECIPES[recipe].shell, parts);
    const run = (recipe: keyof typeof RECIPES, parts?: RequestParts) =>
      under.executor.execute(request(recipe, parts), { signal: never });

    test("makes a declared output from a declared input", async () => {
      const result = await run("copy", { files: { a: "hello\n" }, outputs: ["b"] });
      expect(result).toMatchObject({ verdict: "ok", detail: "", exitCode: 0, signal: undefined, undeclared: [] });
      const digest = digestOf("hello\n");
      expect(result.outputs).toEqual([{ path: "b", kind: "file", digest, executable: false }]);
      expect(under.blobs.read(digest).toString()).toBe("hello\n");
      expect(isCacheable(result)).toBe(true);
      expect(result.finishedAtMs).toBeGreaterThanOrEqual(result.startedAtMs);
      expect(result.durationMs).toBeGreaterThanOrEqual(0);
      if (name === "the server executor") expect(result.usage).toBeDefined();
      // Where it is told at all: no process is smaller than half a megabyte.
      expect(result.usage?.peakMemoryBytes ?? 2 ** 20).toBeGreaterThan(2 ** 19);
      expect(result.usage?.cpuMs ?? 1).toBeGreaterThan(0);
    });

    test("records the execute permission", async () => {
      const result = await run("script", { outputs: ["b"] });
      expect(result.outputs).toMatchObject([{ path: "b", executable: true }]);
    });

    test("records a directory as a tree, with its empty directories and links", async () => {
      const result = await run("tree", { outputs: ["d/"] });
      const file = { name: "f", digest: digestOf("x\n"), isExecutable: false };
      const none = { files: [], directories: [], symlinks: [] };
      const expected = encodeTree({
        files: [],
        directories: [
          { name: "e", node: { ...none, files: [file] } },
          { name: "empty", node: none },
        ],
        symlinks: [{ name: "l", target: "e/f" }],
      });
      expect(result.detail).toBe("");
      expect(result.outputs).toEqual([{ path: "d", kind: "tree", digest: expected.digest, executable: false }]);
      expect(under.blobs.read(expected.digest)).toEqual(Buffer.from(expected.bytes));
      expect(under.blobs.has(file.digest)).toBe(true);
    });

    test("records a link that stays inside", async () => {
      const result = await run("link", { files: { a: "hello\n" }, outputs: ["b"] });
      expect(result.outputs).toEqual([
        { path: "b", kind: "symlink", digest: digestOf("a"), executable: false, target: "a" },
      ]);
    });

    test.each(["dangling", "absolute", "directory"] as const)("rejects an output: %s", async (recipe) => {
      const result = await run(recipe, { outputs: ["b"] });
      expect(result).toMatchObject({ verdict: "output-rejected", outputs: [] });
      expect(result.detail).toMatch(/^output b is a /);
      expect(isCacheable(result)).toBe(false);
    });

    test("answers a non-zero exit; it does not throw", async () => {
      const result = await run("fail", { outputs: ["b"] });
      expect(result).toMatchObject({ verdict: "exit", detail: "exit 3", exitCode: 3, outputs: [] });
    });

    test("tells a signal from an exit", async () => {
      expect(await run("killed")).toMatchObject({ verdict: "signal", exitCode: undefined, signal: "SIGKILL" });
    });

    test("names every missing output", async () => {
      const result = await run("nothing", { outputs: ["x", "y/"] });
      expect(result).toMatchObject({ verdict: "output-missing", exitCode: 0 });
      expect(result.detail).toContain("x, y");
    });

    test("finds a process that was left behind", async () => {
      const result = await run("leftover");
      expect(result.verdict).toBe("leftover-processes");
      expect(result.detail).toContain("sleep");
    });

    test("ends a recipe at its time-out", async () => {
      const result = await run("hang", { timeoutMs: 60 });
      expect(result).toMatchObject({ verdict: "timeout", detail: "still running after 60 ms" });
    });

    test("keeps what was printed, and shows it as it comes", async () => {
      const seen = { stdout: "", stderr: "" };
      const result = await under.executor.execute(request("print"), {
        signal: never,
        onOutput: (stream, bytes) => {
          seen[stream] += Buffer.from(bytes).toString();
        },
      });
      expect([result.stdout.toString(), result.stderr.toString()]).toEqual(["out\n", "err\n"]);
      expect([result.stdoutBytes, result.stderrBytes]).toEqual([4, 4]);
      expect(seen).toEqual({ stdout: "out\n", stderr: "err\n" });
    });

    test("names what was made without being declared, and discards it", async () => {
      const first = await run("more", { files: { a: "1" }, outputs: ["b"] });
      expect(first.verdict).toBe("ok");
      expect(first.undeclared).toContain("extra");
      const second = await run("tree", { outputs: ["d/"] });
      expect(second).toMatchObject({ verdict: "ok", undeclared: [] });
    });

    test("names an input that is not there", async () => {
      const input = { path: "a" as WorkspacePath, digest: digestOf("never stored"), executable: false };
      await expect(run("copy", { inputs: [{ ...input, from: { blob: true } }], outputs: ["b"] })).rejects.toMatchObject(
        {
          code: "EXECUTOR_INPUT_MISSING",
          inputs: ["a"],
        },
      );
      await expect(run("copy", { inputs: [{ ...input, from: { file: "/nonexistent/a" } }] })).rejects.toMatchObject({
        code: "EXECUTOR_INPUT_MISSING",
        inputs: ["a"],
      });
    });

    test("names an input that is not what was hashed", async () => {
      const scratch = scratchDirectory();
      const file = `${scratch.path}/a`;
      writeFileSync(file, "after");
      const input = { path: "a" as WorkspacePath, digest: digestOf("befor"), executable: false, from: { file } };
      await expect(run("copy", { inputs: [input], outputs: ["b"] })).rejects.toMatchObject({
        code: "EXECUTOR_INPUT_CHANGED",
        inputs: ["a"],
      });
      rmSync(scratch.path, { recursive: true });
    });

    test("takes an input from the blob store", async () => {
      const digest = under.blobs.write(Buffer.from("stored"));
      const input = { path: "a" as WorkspacePath, digest, executable: false, from: { blob: true } as const };
      expect((await run("copy", { inputs: [input], outputs: ["b"] })).outputs).toMatchObject([{ digest }]);
    });

    test("is cancelled before, while, and waiting for its turn", async () => {
      const before = new AbortController();
      before.abort();
      const cancelled = { code: "EXECUTOR_CANCELLED" };
      await expect(under.executor.execute(request("nothing"), { signal: before.signal })).rejects.toMatchObject(
        cancelled,
      );

      const controllers = [1, 2, 3].map(() => new AbortController());
      const outcomes: Promise<void>[] = [];
      let begun = 0;
      const bothRun = new Promise<void>((resolve) => {
        for (const [index, controller] of controllers.entries()) {
          const onOutput = (_: string, bytes: Uint8Array) => {
            if (Buffer.from(bytes).toString() === "begun\n" && ++begun === under.executor.slots) resolve();
          };
          const running = under.executor.execute(request("hang"), { signal: controller.signal, onOutput });
          outcomes[index] = expect(running).rejects.toMatchObject(cancelled);
        }
      });
      await (under.running?.(under.executor.slots) ?? bothRun);
      for (const controller of controllers.reverse()) controller.abort();
      await Promise.all(outcomes);
      if (under.running === undefined) expect(begun).toBe(under.executor.slots);
    });
    test("asks for its turn once inputs are staged, and hands it back when the recipe has ended", async () => {
      const events: string[] = [];
      const turn = async () => {
        events.push("asked");
        return () => void events.push("back");
      };
      const parts = { files: { a: "1" }, outputs: ["b"] };
      const onOutput = () => void events.push("printed");
      await under.executor.execute(request("print", parts), { signal: never, turn, onOutput });
      expect([events[0], events.at(-1)]).toEqual(["asked", "back"]);
      expect(events.filter((event) => event === "back")).toEqual(["back"]);

      const stop = new AbortController();
      const unneeded = under.executor.execute(request("nothing"), {
        signal: stop.signal,
        turn: async () => {
          stop.abort();
          return () => void events.push("back unused");
        },
      });
      await expect(unneeded).rejects.toMatchObject({ code: "EXECUTOR_CANCELLED" });
      expect(events.at(-1)).toBe("back unused");
    });

    test("queues what is more than its slots", async () => {
      const parts = { files: { a: "1" }, outputs: ["b"] };
      const results = await Promise.all(Array.from({ length: 7 }, () => run("copy", parts)));
      expect(results.map((result) => result.verdict)).toEqual(Array(7).fill("ok"));
    });

    test("remembers its probe and says what held", async () => {
      const first = await under.executor.probe();
      expect(first.usable).toBe(true);
      expect(await under.executor.probe()).toBe(first);
      expect((await run("nothing")).isolation.level).toBe(first.isolation.level);
    });
  });
}
