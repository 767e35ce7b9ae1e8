import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digestOf, type WorkspacePath } from "../../../src/base/index.ts";
import { FileBlobStore } from "../../../src/cache/index.ts";
import {
  createProcessExecutor,
  type ExecutionResult,
  type Executor,
  isCacheable,
  type StagedExecutorOptions,
} from "../../../src/executor/index.ts";
import { KernelRandom, NodeBulkFiles, NodeClock, NodeFileTree, NodeProcessTable } from "../../../src/platform/index.ts";
import { executionRequest } from "../../support/execution-request.ts";
import { makeHostImage } from "../../support/host-image.ts";
import { scratchDirectory } from "../../support/scratch-directory.ts";
import { skipReason } from "../../support/skip-reason.ts";
import { CLEAN } from "./clean-recipes.ts";
import { CONNECT, SYSCALL, type WayOut } from "./way-out.ts";
import { CALLS } from "./ways-of-calls.ts";
import { FILES } from "./ways-of-files.ts";
import { PROCESSES, SURROUNDINGS } from "./ways-of-surroundings.ts";

const LEVELS = ["none", "contained", "hermetic"] as const;
type Level = (typeof LEVELS)[number];

/**
 * Every way out, tried at the levels that one back end has; clean recipes run in it and without any sandbox.
 *
 * @param create `undefined`: level none alone.
 */
export function hermeticitySuite(maker: string, create?: (options: StagedExecutorOptions) => Executor): void {
  const isRoot = process.getuid?.() === 0;
  const signal = new AbortController().signal;
  const mark = `begat-test-${process.pid}`;
  const LIMITS = { outputBytes: 1024 ** 3, outputFiles: 1000, treeDepth: 50 };

  const scratch = scratchDirectory();
  chmodSync(scratch.path, 0o755);
  const bulk = new NodeBulkFiles();
  const store = `${scratch.path}/store`;
  const blobs = new FileBlobStore({
    fs: new NodeFileTree(),
    bulk,
    processes: new NodeProcessTable(),
    random: new KernelRandom(),
    cacheHome: store,
    durable: false,
  });
  // Just large enough to be bound or copied as large files are; it is read again around each way out.
  const large = Buffer.alloc(1024 * 1024 + 4096, 7);
  const executors = new Map<Level, Executor>();
  const servers: Server[] = [];
  let abstractListener: ChildProcess;
  let environment: [string, string][];
  let image: string | undefined;

  beforeAll(async () => {
    process.env.BEGAT_TEST_SECRET = "secret";
    const listen = async (...at: [number, string] | [string]): Promise<number> => {
      const server = createServer((socket) => socket.destroy());
      servers.push(server);
      server.on("error", () => undefined);
      await new Promise<void>((resolve) => {
        server.once("error", () => resolve());
        (server.listen as (...words: unknown[]) => Server)(...at, resolve);
      });
      const address = server.address();
      return typeof address === "object" && address !== null ? address.port : 1;
    };
    const port = await listen(0, "127.0.0.1");
    const port6 = await listen(0, "::1");
    await listen(`${scratch.path}/socket`);
    chmodSync(`${scratch.path}/socket`, 0o777);
    abstractListener = spawn("perl", [
      "-MSocket",
      "-e",
      `socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, pack("S a*", 1, "\\0${mark}")); listen(S, 9); sleep 600`,
    ]);
    writeFileSync(`${scratch.path}/file`, "undeclared\n", { mode: 0o644 });
    writeFileSync(`${tmpdir()}/${mark}`, "x");
    writeFileSync(`/dev/shm/${mark}`, "x");
    const key = 0x62650000 + (process.pid % 0xffff);
    execFileSync("perl", ["-e", `shmget(${key}, 4096, 0666 | 01000)`]);
    environment = [
      ["HOST_ABSTRACT", mark],
      ["HOST_FILE", `${scratch.path}/file`],
      ["HOST_KEY", String(key)],
      ["HOST_PID", String(process.pid)],
      ["HOST_PORT", String(port)],
      ["HOST_PORT6", String(port6)],
      ["HOST_SHM", `/dev/shm/${mark}`],
      ["HOST_SOCKET", `${scratch.path}/socket`],
      ["HOST_TMP", `${tmpdir()}/${mark}`],
      ["PATH", "/usr/local/bin:/usr/bin:/bin"],
      ["STORE", store],
    ];
    blobs.write(large);
    const options = {
      blobs,
      clock: new NodeClock(),
      slots: 1,
      inputRoots: [store],
      diskStaging: `${scratch.path}/staging`,
      limits: LIMITS,
    };
    const umask = process.umask(0o077);
    executors.set("none", createProcessExecutor(options));
    if (create !== undefined) {
      const sandbox = create(options);
      executors.set("contained", sandbox);
      executors.set("hermetic", sandbox);
    }
    for (const executor of executors.values()) await executor.probe();
    process.umask(umask);
    image = `${scratch.path}/image`;
    mkdirSync(image, { mode: 0o755 });
    makeHostImage(image);
    mkdirSync(`${scratch.path}/closed`, { mode: 0o700 });
  });

  afterAll(async () => {
    for (const executor of new Set(executors.values())) await executor.close();
    for (const server of servers) server.close();
    abstractListener.kill("SIGKILL");
    execFileSync("perl", ["-e", "my $id = shmget($ENV{KEY}, 1, 0); shmctl($id, 0, 0)"], {
      env: { KEY: environment.find(([name]) => name === "HOST_KEY")?.[1] ?? "" },
    });
    rmSync(`${tmpdir()}/${mark}`, { force: true });
    rmSync(`/dev/shm/${mark}`, { force: true });
    bulk.close();
    scratch.dispose();
  });

  /** Everything in a directory: paths, modes, contents. */
  function fingerprint(directory: string): string {
    const hash = createHash("sha256");
    const visit = (path: string) => {
      const stat = lstatSync(path);
      hash.update(`${path} ${stat.mode} ${stat.isFile() ? stat.nlink : ""}\n`);
      if (stat.isDirectory()) for (const name of readdirSync(path).sort()) visit(`${path}/${name}`);
      else if (stat.isFile()) hash.update(readFileSync(path));
    };
    visit(directory);
    return hash.digest("hex");
  }

  function run(level: Level, recipe: string, way: Partial<WayOut> = {}): Promise<ExecutionResult> {
    const executor = executors.get(level) as Executor;
    const request = executionRequest(recipe, {
      env: environment,
      files: { "in/small": "small\n", syscall: SYSCALL, connect: CONNECT },
      inputs: [{ path: "in/large" as WorkspacePath, digest: digestOf(large), executable: false, from: { blob: true } }],
      outputs: way.outputs ?? [],
      imageRoot: level === "hermetic" ? image : undefined,
      timeoutMs: way.timeoutMs ?? 20_000,
      resources: way.resources ?? {},
    });
    return executor.execute(request, { signal });
  }

  const WAYS = [...CALLS, ...FILES, ...SURROUNDINGS, ...PROCESSES];

  test("there are enough of them, each once", () => {
    expect(WAYS.length).toBeGreaterThanOrEqual(60);
    expect(new Set(WAYS.map(({ name }) => name)).size).toBe(WAYS.length);
  });

  // Without a sandbox there is only level none.
  for (const level of LEVELS.filter((name) => (name === "none") === (create === undefined))) {
    describe(`${maker}, at level ${level}`, () => {
      test("is what it says", async () => {
        const { isolation } = await run(level, ":");
        expect(isolation.level).toBe(level);
        if (level === "hermetic") expect(isolation.hardening?.seccomp).toMatch(/^[0-9a-f]{64}$/);
      });

      test.each(WAYS)("$name", async (way) => {
        const expected = way[level];
        const isVerdict = expected !== "open" && expected !== "held" && expected !== "-";
        const asked = `if ( ${way.attempt} ) >/dev/null 2>&1; then echo open; else echo held; fi`;
        const before = fingerprint(store);
        const result = await run(level, isVerdict ? way.attempt : asked, way);
        expect(fingerprint(store)).toBe(before);
        if (isVerdict) {
          expect({ verdict: result.verdict, detail: result.detail }).toEqual({
            verdict: expected,
            detail: expect.stringMatching(/./),
          });
          expect(isCacheable(result)).toBe(false);
          return;
        }
        // A plain user's recipes are the same user as begat: without a sandbox there is little to hold them.
        if (expected === "-" || (level === "none" && !isRoot)) return;
        expect({ verdict: result.verdict, detail: result.detail, said: result.stdout.toString().trim() }).toEqual({
          verdict: "ok",
          detail: "",
          said: expected,
        });
      });
    });
  }

  describe.each(CLEAN)(`${maker}, a clean recipe: $name`, ({ recipe }) => {
    test("passes at every level with the same result, twice", async () => {
      const results: ExecutionResult[] = [];
      for (const level of executors.keys()) {
        for (let round = 0; round < 2; round++) results.push(await run(level, recipe, { outputs: ["o"] }));
      }
      expect(results.map(({ verdict, detail }) => `${verdict} ${detail}`)).toEqual(results.map(() => "ok "));
      expect(new Set(results.map(({ outputs }) => outputs[0]?.digest.hash)).size).toBe(1);
      expect(results.every(isCacheable)).toBe(true);
    });
  });

  // Only root's recipes are another user, who cannot go where this is.
  if (create === undefined) return;
  test.skipIf(!isRoot)(
    `an image where only begat's own user can go is reached all the same: ${maker}${skipReason(isRoot, "root", "run the tests as root")}`,
    async () => {
      const closed = `${scratch.path}/closed/image`;
      execFileSync("cp", ["-aT", image as string, closed]);
      const executor = executors.get("hermetic") as Executor;
      const request = executionRequest("cat /etc/passwd | wc -l; ls -d /build /home/build", { imageRoot: closed });
      const result = await executor.execute(request, { signal });
      expect([result.detail, result.stdout.toString()]).toEqual(["", "2\n/build\n/home/build\n"]);
    },
  );

  test(`known leaks are named in the result: ${maker}`, async () => {
    const { isolation } = await run("hermetic", ":");
    expect(isolation.knownLeaks).toEqual([
      "clock",
      "file-owners",
      "free-space",
      "inode-numbers",
      "mountinfo",
      "processor",
      "random",
      "sysinfo",
      "uname",
    ]);
    expect(isolation.hardening).toMatchObject({ aslr: "off", cpus: 1 });
  });
}
