import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  watch,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BuilderStatus, builderSocket, engineDirectory, orderEngine } from "../../src/engine/index.ts";
import { BegatHome, begatProgram, type Workspace } from "../support/begat.ts";
import { HAS_COMPILER, WITHOUT_COMPILER } from "../support/native-program.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { begatWords, endSharedEngine } from "../support/shared-engine.ts";

// A recipe that sleeps does so until it is killed.
const BEGATFILE = `
dictum copy(name) {
    in [ src/$name ]
    out [ out/$name ]
    exec [[
        if grep -q bad "$in"; then exit 3; fi
        if grep -q slow "$in"; then sleep 1000; fi
        cat "$in" > "$out"
    ]]
}
apply(copy [ a b ])
`;

describe.skipIf(!HAS_COMPILER || !existsSync("/proc/self/ns/mnt"))(`a builder${WITHOUT_COMPILER}`, () => {
  let home: BegatHome;
  let checkout: Workspace;
  let env: Record<string, string>;
  let words: readonly [string, ...string[]];

  beforeAll(async () => {
    process.env.BEGAT_E2E_DAEMON = "builder";
    home = new BegatHome();
    checkout = home.workspace();
    checkout.begatfile(BEGATFILE);
    checkout.write("src/a", "alpha\n");
    checkout.write("src/b", "beta\n");
    env = home.environment();
    words = begatWords(begatProgram());
    expect(await checkout.build()).toMatchObject({ status: 0, stderr: "" });
  });
  afterAll(() => {
    delete process.env.BEGAT_E2E_DAEMON;
    endSharedEngine();
    home.dispose();
  });

  const directory = () => engineDirectory(env) as string;

  async function status(): Promise<BuilderStatus | undefined> {
    const exchange = await orderEngine(directory(), { kind: "status" }, 10_000, builderSocket(checkout.path));
    return exchange.kind === "status" ? (exchange.status as BuilderStatus) : undefined;
  }

  async function thereAgain(): Promise<void> {
    const watcher = watch(directory());
    for (;;) {
      const changed = once(watcher, "change");
      if ((await status()) !== undefined) return watcher.close();
      await changed;
    }
  }

  /** What the builder of this checkout did of it: how often it built, and why it last did not. */
  async function ofBuilder(run: () => unknown): Promise<{ built: number; declined: string | undefined }> {
    const before = (await status())?.built ?? 0;
    await run();
    const after = await status();
    return { built: (after?.built ?? 0) - before, declined: after?.declined };
  }

  /** begat, started by a shell that has changed something of itself before. */
  function from(preparation: string, ...args: readonly string[]) {
    const [program, ...first] = words;
    const script = `${preparation}\nexec "$0" "$@"`;
    return spawnSync("sh", ["-c", script, program, ...first, ...args], { cwd: checkout.path, env, encoding: "utf8" });
  }

  let version = 0;
  const change = (what = "text") => checkout.write("src/a", `${what} ${++version}\n`);

  test("builds what there is to do, and says what begat alone would", async () => {
    const texts: string[] = [];
    for (const more of [[], ["--no-daemon"]]) {
      change();
      const did = await ofBuilder(async () => {
        const { status, stdout, stderr } = await checkout.begat(["build", "-v", ...more]);
        expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
        texts.push(withoutFacts(stdout));
        expect(checkout.read("out/a")).toBe(checkout.read("src/a"));
      });
      // Nobody who wants to unmount the checkout has to end it first.
      expect(readlinkSync(`/proc/${(await status())?.pid}/cwd`)).toBe("/");
      expect(did.built).toBe(more.length === 0 ? 1 : 0);
    }
    expect(texts[0]).toContain("copy(a)");
    expect(texts[0]).toBe(texts[1]);
    change("bad");
    const failed = [await checkout.begat(["build"]), await checkout.begat(["build", "--no-daemon"])];
    for (const one of failed)
      expect({ ...one, stdout: "" }).toEqual({ status: 1, signal: null, stdout: "", stderr: "" });
    const [mine, alone] = failed.map(({ stdout }) => withoutFacts(stdout));
    expect(mine).toContain("exit 3");
    expect(mine).toBe(alone);
  });

  test.each<readonly [string, string, RegExp]>([
    ["another variable", "export FLAVOUR=sweet", /^another \$FLAVOUR$/],
    ["another umask", "umask 077", /^other limits, masks/],
    ["other limits", "ulimit -c 0; ulimit -n 512", /^other limits, masks/],
    ["another nice value", 'exec nice -n 5 "$0" "$@"', /^other limits, masks/],
  ])("leaves %s to begat alone", async (_what, preparation, because) => {
    change();
    const did = await ofBuilder(() => expect(from(preparation).status).toBe(0));
    expect(did).toEqual({ built: 0, declined: expect.stringMatching(because) });
    expect(checkout.read("out/a")).toBe(checkout.read("src/a"));
  });

  test("does not mind another terminal or directory", async () => {
    change();
    const did = await ofBuilder(() => expect(from("export TERM=dumb COLUMNS=40; cd src").status).toBe(0));
    expect(did.built).toBe(1);
    expect(checkout.read("out/a")).toBe(checkout.read("src/a"));
  });

  test("sees a file that is written to by another name, and a directory that was put in another's place", async () => {
    const outside = join(home.path, "outside");
    mkdirSync(outside);
    writeFileSync(join(outside, "a"), "linked\n");
    checkout.remove("src/a");
    linkSync(join(outside, "a"), checkout.at("src/a"));
    await checkout.begat([]);
    await checkout.begat([]);
    writeFileSync(join(outside, "a"), "written outside\n");
    expect((await ofBuilder(() => checkout.begat([]))).built).toBe(1);
    expect(checkout.read("out/a")).toBe("written outside\n");

    mkdirSync(checkout.at("new"));
    checkout.write("new/a", "moved in\n");
    checkout.write("new/b", "beta\n");
    renameSync(checkout.at("src"), join(outside, "src"));
    renameSync(checkout.at("new"), checkout.at("src"));
    await checkout.begat([]);
    expect(checkout.read("out/a")).toBe("moved in\n");
  });

  test("heeds what another process decides, and a state home that is gone", async () => {
    checkout.write("src/a", "decided\n");
    await checkout.begat([]);
    checkout.write("src/a", "meanwhile\n");
    await checkout.begat([]);
    checkout.write("src/a", "decided\n");
    // A hit, until somebody says that it is not to be one.
    expect((await checkout.build()).cached).toEqual(["copy(a)"]);
    checkout.write("src/a", "meanwhile\n");
    await checkout.build();
    const decided = createHash("sha256").update("decided\n").digest("hex");
    const reason = ["--reason", "a test says so"];
    expect(await checkout.begat(["quarantine", `digest:${decided}`, ...reason])).toMatchObject({
      status: 0,
      stderr: "",
    });
    checkout.write("src/a", "decided\n");
    expect((await checkout.build()).executed).toEqual(["copy(a)"]);

    rmSync(home.state, { recursive: true });
    const fresh = await checkout.build();
    expect(fresh).toMatchObject({ status: 0, stderr: "" });
    expect(fresh.executed).toHaveLength(2);
    expect((await checkout.begat(["ledger", "verify"])).status).toBe(0);
  });

  test("ends what it builds at Ctrl-C, and when whoever asked is gone, and goes on", async () => {
    const { pid } = (await status()) as BuilderStatus;
    change("slow");
    const asked = checkout.start([]);
    await asked.event(({ type }) => type === "chore-started");
    asked.kill("SIGINT");
    const { status: code, summary } = await asked.done;
    expect({ code, outcome: summary?.outcome }).toEqual({ code: 130, outcome: "cancelled" });

    const gone = checkout.start([]);
    await gone.event(({ type }) => type === "chore-started");
    gone.kill("SIGKILL");
    await gone.done;
    change();
    expect((await checkout.build()).status).toBe(0);
    expect(checkout.read("out/a")).toBe(checkout.read("src/a"));
    expect((await status())?.pid).toBe(pid);
  });

  test("outlives whatever is sent to it", async () => {
    const { pid } = (await status()) as BuilderStatus;
    const random = new SeededRandom(11);
    const place = join(directory(), builderSocket(checkout.path));
    for (let i = 0; i < 150; i++) {
      const bytes = Buffer.from(random.bytes(5 + (i % 60)));
      // A plausible length, and a kind that there is, get it further; not the one that is an order to stop.
      if (i % 2 === 0) bytes.writeUInt32LE(bytes.length - 4, 0);
      if (i % 4 === 0) bytes[4] = [1, 2, 4, 5, 6][i % 5] as number;
      await new Promise<void>((resolve) => {
        const socket = connect(place, () => socket.end(bytes));
        socket.on("error", () => resolve()).on("close", () => resolve());
        socket.resume();
      });
    }
    expect((await status())?.pid).toBe(pid);
  });

  test("leaves off where nobody reads any more", async () => {
    change("slow");
    const [program, ...first] = words;
    const child = spawn(program, [...first, "build", "--json"], {
      cwd: checkout.path,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    child.stdout.destroy();
    // The next word finds that out.
    child.kill("SIGINT");
    expect(await codeOf(child)).toBe(141);
  });

  test("may be killed amid a build, which is then done without it", async () => {
    const { pid } = (await status()) as BuilderStatus;
    change("slow");
    const asked = checkout.start([]);
    await asked.event(({ type }) => type === "chore-started");
    change();
    process.kill(pid, "SIGKILL");
    const { status: code, stderr, summary } = await asked.done;
    expect({ code, stderr, outcome: summary?.outcome }).toEqual({
      code: 0,
      stderr: "note: the builder ended amid the build; building here\n",
      outcome: "ok",
    });
    expect(checkout.read("out/a")).toBe(checkout.read("src/a"));
    expect((await checkout.begat(["ledger", "verify"])).status).toBe(0);
  });

  test("takes no Ctrl-C with it when it is killed", async () => {
    change();
    await checkout.begat([]);
    await thereAgain();
    const { pid } = (await status()) as BuilderStatus;
    change("slow");
    const asked = checkout.start([]);
    await asked.event(({ type }) => type === "chore-started");
    change();
    process.kill(pid, "SIGSTOP");
    asked.kill("SIGINT");
    process.kill(pid, "SIGKILL");
    expect(await asked.done).toMatchObject({ status: null, signal: "SIGINT" });
  });

  test("is started by a build that had something to do and found none, or what a killed one left", async () => {
    expect(existsSync(join(directory(), builderSocket(checkout.path)))).toBe(true);
    change();
    expect((await checkout.begat([])).status).toBe(0);
    await thereAgain();
    change();
    expect((await ofBuilder(() => checkout.begat([]))).built).toBe(1);
  });

  test("ends when its change feed does, and leaves the build to begat alone", async () => {
    const { pid } = (await status()) as BuilderStatus;
    const feeds = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number);
    const feed = feeds.find((child) => readFileSync(`/proc/${child}/comm`, "utf8").startsWith("begat-change"));
    process.kill(feed as number, "SIGKILL");
    change();
    expect(await checkout.begat([])).toMatchObject({ status: 0, stderr: "" });
    expect(checkout.read("out/a")).toBe(checkout.read("src/a"));
    change();
    await checkout.begat([]);
    await thereAgain();
    expect((await status())?.pid).not.toBe(pid);
  });

  test("gives the terminal to no recipe", async () => {
    checkout.begatfile(
      `${BEGATFILE}dictum ask { out [ out/c ] attr [ interactive ] exec [[\n    echo asked; echo c > "$out"\n]] }\nrun ask()\n`,
    );
    const did = await ofBuilder(async () => expect((await checkout.begat([])).stdout).toContain("asked\n"));
    expect(did).toEqual({ built: 0, declined: "a recipe that wants the terminal" });
    checkout.begatfile(BEGATFILE);
  });

  test("is told of, and stopped with the engine or by itself", async () => {
    const { stdout } = await checkout.begat(["daemon", "status"]);
    const { pid } = (await status()) as BuilderStatus;
    expect(stdout).toContain(`\nbuilder  ${checkout.path}\nprocess  ${pid}, begat `);
    const again = await checkout.begat(["daemon", "start", "--foreground", "--builds", "."]);
    expect(again).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`a builder of ${checkout.path} is running already`),
    });
    process.kill(pid, "SIGTERM");
    const gone = await checkout.begat(["daemon", "start", "--foreground", "--idle", "20ms", "--builds", "src"]);
    expect([gone.stdout, again.stdout]).toEqual(["the builder ended: idle\n", ""]);
  });
});

/** As printed, but for what differs from build to build. */
const withoutFacts = (text: string): string =>
  text
    .replace(/\d+\.\d+s/g, "TIME")
    .replace(/ledger \d+/, "ledger N")
    .replace(/[0-9a-f]{12}/g, "HASH");

const codeOf = (child: ChildProcess): Promise<number | null> => new Promise((resolve) => child.on("close", resolve));
