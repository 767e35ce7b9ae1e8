import { chmodSync, mkdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createDockerExecutor,
  type DockerExecutorOptions,
  type DockerImage,
  type ExecutionResult,
  type Executor,
} from "../../src/executor/index.ts";
import { NodeClock } from "../../src/platform/index.ts";
import { dockerArchive, dockerdProblem, type RunningDockerd, startDockerd } from "../support/dockerd.ts";
import { executionRequest, type RequestParts } from "../support/execution-request.ts";
import { makeHostImage } from "../support/host-image.ts";
import { MemoryBlobStore } from "../support/memory-blob-store.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";

const problem = dockerdProblem();
const signal = new AbortController().signal;
const scratch = scratchDirectory();
const imageRoot = `${scratch.path}/image`;
let engine: RunningDockerd | undefined;
let image: DockerImage;

function make(more: Partial<DockerExecutorOptions> = {}): Executor {
  return createDockerExecutor({
    blobs: new MemoryBlobStore(),
    clock: new NodeClock(),
    slots: 2,
    inputRoots: [scratch.path],
    diskStaging: `${scratch.path}/staging`,
    imageOf: async (root) => (root === imageRoot ? image : undefined),
    ...(engine === undefined ? {} : { socket: engine.socket }),
    ...more,
  });
}

beforeAll(async () => {
  chmodSync(scratch.path, 0o755);
  if (problem !== undefined) return;
  mkdirSync(imageRoot);
  makeHostImage(imageRoot);
  image = dockerArchive(imageRoot, scratch.path);
  engine = await startDockerd(scratch.path);
}, 60_000);
afterAll(async () => {
  await engine?.stop();
  scratch.dispose();
});

test("without an engine it is not usable, and says so", async () => {
  const executor = make({ socket: `${scratch.path}/nothing.sock` });
  const { usable, findings } = await executor.probe();
  expect([usable, findings.join()]).toEqual([false, expect.stringMatching(/^no docker engine answers: /)]);
  await expect(executor.execute(executionRequest(":", { imageRoot }), { signal })).rejects.toMatchObject({
    code: "EXECUTOR_UNUSABLE",
  });
  await executor.close();
});

for (const lane of ["create", "exec"] as const) {
  // dockerd is Debian's docker.io, and starts only as root.
  describe.skipIf(problem !== undefined)(`docker, lane ${lane}${problem === undefined ? "" : ` (${problem})`}`, () => {
    let executor: Executor;
    beforeAll(() => {
      executor = make({ lane });
    });
    afterAll(() => executor.close());
    const run = (recipe: string, parts: RequestParts = {}): Promise<ExecutionResult> =>
      executor.execute(executionRequest(recipe, { imageRoot, ...parts }), { signal });

    test("has level contained in an image, and runs nothing outside of one", async () => {
      const { usable, withImage } = await executor.probe();
      expect([usable, withImage?.isolation.level]).toEqual([true, "contained"]);
      const { isolation } = await run(":");
      expect(isolation).toMatchObject({ level: "contained", backend: "docker", network: "none" });
      await expect(executor.execute(executionRequest(":"), { signal })).rejects.toMatchObject({
        code: "EXECUTOR_UNUSABLE",
      });
    });

    test("makes outputs from inputs, and keeps what is printed", async () => {
      const result = await run("cat a >o; echo out; echo err >&2; chmod +x o", { files: { a: "1\n" }, outputs: ["o"] });
      expect(result).toMatchObject({ verdict: "ok", detail: "", undeclared: [] });
      expect(result.outputs).toMatchObject([{ path: "o", executable: true }]);
      expect([result.stdout.toString(), result.stderr.toString()]).toEqual(["out\n", "err\n"]);
    });

    test("gives the request's environment, not the image's or the engine's", async () => {
      const result = await run("env | sort | cut -d= -f1; hostname; pwd; umask; nproc");
      const expected = "HOME PATH PWD TMPDIR build /build 0022 1".split(" ");
      expect(
        result.stdout
          .toString()
          .trim()
          .split("\n")
          .filter((line) => line !== "PWD" && line !== "_"),
      ).toEqual(expected.filter((line) => line !== "PWD"));
    });

    test.each([
      ["exit 3", "exit", /^exit 3$/],
      ["kill -9 $$", "signal", /SIGKILL/],
      ["sleep 600 & :", "leftover-processes", /sleep/],
      ["echo x >>a", "exit", /./],
      [": >/usr/x", "exit", /./],
      ["perl -e 'exit(syscall(41, 40, 1, 0) < 0 ? 7 : 0)'", "exit", /^exit 7$/],
      ["chmod 4755 $(cp /bin/cat c; echo c)", "exit", /./],
      ["chmod 755 . && unshare -U true", "exit", /./],
      ["ln -s /etc/passwd o", "output-rejected", /./],
    ])("%s", async (recipe, verdict, detail) => {
      const outputs = verdict === "output-rejected" ? ["o"] : [];
      const result = await run(recipe, { files: { a: "1\n" }, outputs });
      expect({ verdict: result.verdict, detail: result.detail }).toEqual({
        verdict,
        detail: expect.stringMatching(detail),
      });
    });

    test("ends a recipe at its time-out, and when it is cancelled; the next one runs", async () => {
      expect(await run("sleep 600", { timeoutMs: 300 })).toMatchObject({ verdict: "timeout" });
      const stop = new AbortController();
      const running = executor.execute(executionRequest("echo begun; sleep 600", { imageRoot }), {
        signal: stop.signal,
        onOutput: () => stop.abort(),
      });
      await expect(running).rejects.toMatchObject({ code: "EXECUTOR_CANCELLED" });
      expect(await run("echo >o", { outputs: ["o"] })).toMatchObject({ verdict: "ok", detail: "" });
    });

    test("says which image it has no archive of", async () => {
      await expect(run(":", { imageRoot: `${scratch.path}/other` })).rejects.toMatchObject({
        code: "EXECUTOR_UNUSABLE",
      });
    });
  });
}
