import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  watch,
} from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  type AskOrder,
  type BuilderStatus,
  builderSocket,
  type EngineStatus,
  orderEngine,
  ownWorld,
} from "../../src/engine/index.ts";
import { BegatHome, begatProgram, type Ran, type Workspace } from "../support/begat.ts";
import { nativeProgram, WITHOUT_COMPILER } from "../support/native-program.ts";
import { SeededRandom } from "../support/seeded-random.ts";

const BEGATFILE = `
var FLAVOUR = env("FLAVOUR" "plain")
dictum note(name) {
    import [ FLAVOUR ]
    in [ src/\${name}.txt ]
    out [ out/$name ]
    exec [[
        { cat "$in"; echo "$FLAVOUR"; } > "$out"
    ]]
}
apply(note [ a b ])
`;

/** As printed, but for the time it took. */
const withoutTimes = ({ status, stdout, stderr }: Ran) => ({
  status,
  stdout: stdout.replace(/\(\d+(\.\d+)?s\)/g, "(TIME)").replace(/"durationMs":[\d.]+/g, '"durationMs":TIME'),
  stderr,
});

describe.skipIf(nativeProgram("begat-change-feed") === undefined)(`begat daemon${WITHOUT_COMPILER}`, () => {
  let home: BegatHome;
  let checkout: Workspace;
  let directory: string;
  beforeAll(async () => {
    home = new BegatHome();
    home.env.BEGAT_DAEMON = "1";
    directory = join(home.cache, "engine");
    checkout = home.workspace();
    checkout.begatfile(BEGATFILE);
    checkout.write("src/a.txt", "alpha\n");
    checkout.write("src/b.txt", "beta\n");
    expect(await checkout.build("--no-daemon")).toMatchObject({ status: 0, stderr: "" });
    expect(existsSync(directory)).toBe(false);
    // What was too young to be remembered is looked at once more.
    expect(await checkout.build("--no-daemon")).toMatchObject({ executed: [] });
  });
  beforeEach(async () => {
    expect(await checkout.begat(["daemon", "start"])).toMatchObject({ status: 0, stderr: "" });
  });
  afterAll(async () => {
    await checkout.begat(["daemon", "stop"]);
    home.dispose();
  });

  const status = async (): Promise<EngineStatus | undefined> => {
    const exchange = await orderEngine(directory, { kind: "status" }, 10_000);
    return exchange.kind === "status" ? (exchange.status as EngineStatus) : undefined;
  };

  async function answeredBy(run: () => Promise<unknown>): Promise<number> {
    const before = (await status())?.answered ?? 0;
    await run();
    return ((await status())?.answered ?? 0) - before;
  }

  test.each<readonly [string, readonly string[]]>([
    ["nothing", []],
    ["a target", ["out/a"]],
    ["a dictum, quietly", ["-q", "note"]],
    ["all outputs, verbosely, in colour", ["-v", "--outputs", "all", "--color"]],
    ["events", ["--json"]],
    ["a level", ["--min-isolation", "none"]],
  ])("answers a build of %s as begat alone does", async (_what, words) => {
    const alone = withoutTimes(await checkout.begat(["build", "--no-daemon", ...words]));
    expect(alone.status).toBe(0);
    let asked = alone;
    const answered = await answeredBy(async () => {
      asked = withoutTimes(await checkout.begat(["build", ...words]));
    });
    expect({ answered, ...asked }).toEqual({ answered: 1, ...alone });
  });

  test.each<readonly [string, readonly string[]]>([
    ["a dry run", ["-n"]],
    ["an executor by name", ["--executor", "process"]],
    ["a target that nobody makes", ["nobody"]],
    ["a mistake in the command line", ["--nothing"]],
    ["another verb", ["check"]],
    ["help", ["build", "--help"]],
  ])("leaves %s to begat alone", async (_what, words) => {
    const alone = withoutTimes(await checkout.begat([...words, ...(words[0] === "check" ? [] : ["--no-daemon"])]));
    let asked = alone;
    const answered = await answeredBy(async () => {
      asked = withoutTimes(await checkout.begat(words));
    });
    expect({ answered, ...asked }).toEqual({ answered: 0, ...alone });
  });

  test("hears of a changed source, and of a variable that the begatfile reads", async () => {
    checkout.write("src/a.txt", "ALPHA\n");
    expect((await checkout.build()).executed).toEqual(["note(a)"]);
    expect(checkout.read("out/a")).toBe("ALPHA\nplain\n");
    const flavoured = await checkout.start([], { env: { FLAVOUR: "sweet" } }).done;
    expect(flavoured.executed).toHaveLength(2);
    expect(checkout.read("out/b")).toBe("beta\nsweet\n");
    expect((await checkout.build()).summary).toMatchObject({ outcome: "ok", executed: 0, cached: 2 });
    checkout.remove("out/a");
    expect((await checkout.build()).materialised).toEqual(["out/a"]);
  });

  test("may be killed, and the next build starts another one", async () => {
    const first = (await status())?.pid as number;
    process.kill(first, "SIGKILL");
    const gone = socketChanged(directory);
    expect(withoutTimes(await checkout.begat([]))).toMatchObject({ status: 0, stderr: "" });
    await gone;
    const started = await checkout.begat(["daemon", "start", "--json"]);
    expect((JSON.parse(started.stdout) as { status: EngineStatus }).status.pid).not.toBe(first);
  });

  test("declines who is another begat, another user, or in another place", async () => {
    const ask: AskOrder = {
      bundle: readFileSync(begatProgram()),
      args: ["build"],
      directory: checkout.path,
      env: home.environment(),
      stdoutIsTerminal: false,
      stderrIsTerminal: false,
      columns: 0,
      rows: 0,
      world: ownWorld(),
      uid: process.geteuid?.() ?? 0,
      gid: process.getegid?.() ?? 0,
    };
    const told = async (change: Partial<AskOrder>) => {
      const exchange = await orderEngine(directory, { kind: "ask", ask: { ...ask, ...change } }, 10_000);
      return exchange.kind === "declined" ? exchange.because : exchange.kind;
    };
    expect(await told({ bundle: Buffer.from("another") })).toBe("another begat");
    expect(await told({ world: "mnt:[1] 1:2" })).toBe("another root or mount namespace");
    expect(await told({ uid: 12345 })).toBe("another user or group");
    expect(await told({ args: ["log"] })).toBe("not a build");
    expect(await told({ directory: "/nowhere" })).toMatch(/begatfile|complain/);
    expect((await checkout.build()).summary?.outcome).toBe("ok");
    expect(await told({})).toBe("done");
  });

  test("holds nothing open that whoever started it had open", async () => {
    await checkout.begat(["daemon", "stop"]);
    const lock = openSync(checkout.at("lock"), "w");
    // Beyond those that Node keeps from its children by itself.
    const stdio = [...Array.from({ length: 19 }, () => "ignore" as const), lock];
    const words = [begatProgram(), "daemon", "start", "--builds", "."];
    const started = spawnSync(process.execPath, words, { cwd: checkout.path, env: home.environment(), stdio });
    closeSync(lock);
    expect(started.status).toBe(0);
    const { pid } = (await status()) as EngineStatus;
    const exchange = await orderEngine(directory, { kind: "status" }, 10_000, builderSocket(checkout.path));
    const pids = [pid, exchange.kind === "status" ? (exchange.status as BuilderStatus).pid : 0];
    const feeds = pids.flatMap((one) => readFileSync(`/proc/${one}/task/${one}/children`, "utf8").trim().split(" "));
    const holders = [...pids, ...feeds].filter((one) =>
      readdirSync(`/proc/${one}/fd`).some((name) => linkOf(`/proc/${one}/fd/${name}`) === checkout.at("lock")),
    );
    expect({ processes: pids.length + feeds.length, holders }).toEqual({ processes: 4, holders: [] });
  });

  test("outlives whatever is sent to it", async () => {
    const random = new SeededRandom(7);
    const { pid } = (await status()) as EngineStatus;
    for (let i = 0; i < 200; i++) {
      const bytes = Buffer.from(random.bytes(5 + (i % 60)));
      // A plausible length gets it further.
      if (i % 2 === 0) bytes.writeUInt32LE(bytes.length - 4, 0);
      if (i % 4 === 0) bytes[4] = 1;
      await new Promise<void>((resolve) => {
        const socket = connect(join(directory, "socket"), () => socket.end(bytes));
        socket.on("error", () => resolve()).on("close", () => resolve());
        socket.resume();
      });
    }
    expect((await status())?.pid).toBe(pid);
  });

  test("is not to be had where others can reach its socket", async () => {
    await checkout.begat(["daemon", "stop"]);
    chmodSync(directory, 0o755);
    const refused = await checkout.begat(["daemon", "start"]);
    expect(refused).toMatchObject({ status: 1, stderr: "" });
    expect(refused.stdout).toBe(
      `there is no warm engine; the last one did not start: ${directory} is not this user's alone, so no socket can be there\n`,
    );
    expect(await checkout.begat(["daemon", "status"])).toMatchObject({ status: 1, stdout: refused.stdout });
    expect((await checkout.build()).summary?.outcome).toBe("ok");
    rmSync(directory, { recursive: true });
  });

  test("ends when it is told to, when it is idle, and by a signal", async () => {
    const { pid } = (await status()) as EngineStatus;
    expect(await checkout.begat(["daemon", "stop"])).toMatchObject({
      status: 0,
      stdout: `the warm engine was stopped: process ${pid}\n`,
    });
    expect(await checkout.begat(["daemon", "stop"])).toMatchObject({ status: 0, stdout: "there is no warm engine\n" });
    const idle = await checkout.begat(["daemon", "start", "--foreground", "--idle", "30ms"]);
    expect(idle).toMatchObject({ status: 0, stdout: "the warm engine ended: idle\n" });
    const served = serve(checkout);
    await socketThere(directory);
    const second = await checkout.begat(["daemon", "start", "--foreground"]);
    expect(second).toMatchObject({ status: 1, stdout: "" });
    expect(second.stderr).toMatch(/^error: an engine is running already\n/);
    served.child.kill("SIGINT");
    expect(await served.done).toBe("the warm engine ended: stopped\n");
    expect(existsSync(join(directory, "socket"))).toBe(false);
  });

  test("is neither asked nor started on a CI machine, unless it is wanted", async () => {
    await checkout.begat(["daemon", "stop"]);
    const { BEGAT_DAEMON: _, ...env } = home.environment();
    const ran = await new Promise<number | null>((resolve) => {
      const child = spawn(process.execPath, [begatProgram()], { cwd: checkout.path, env: { ...env, CI: "true" } });
      child.on("close", resolve);
    });
    expect(ran).toBe(0);
    expect(await checkout.begat(["daemon", "status"])).toMatchObject({ status: 1 });
  });

  test("is told of by begat doctor", async () => {
    const { findings } = JSON.parse((await checkout.begat(["doctor", "--json"])).stdout) as {
      findings: { subject: string; state: string; text: string }[];
    };
    const { pid } = (await status()) as EngineStatus;
    expect(findings.find(({ subject }) => subject === "warm engine")).toMatchObject({
      state: "ok",
      text: expect.stringContaining(`process ${pid}`),
    });
  });
});

function serve(checkout: Workspace): { child: ChildProcess; done: Promise<string> } {
  const child = spawn(process.execPath, [begatProgram(), "daemon", "start", "--foreground"], {
    cwd: checkout.path,
    env: checkout.home.environment(),
    stdio: ["ignore", "pipe", "inherit"],
  });
  let stdout = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  return { child, done: new Promise((resolve) => child.on("close", () => resolve(stdout))) };
}

/** Resolves once something happens in the engine's directory. */
function socketChanged(directory: string): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(directory, () => {
      watcher.close();
      resolve();
    });
  });
}

async function socketThere(directory: string): Promise<void> {
  for (;;) {
    const changed = socketChanged(existsSync(directory) ? directory : dirname(directory));
    if (existsSync(join(directory, "socket"))) return;
    await changed;
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    // Closed since it was listed.
    return undefined;
  }
}
