import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync, realpathSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { BegatHome, type Workspace } from "../support/begat.ts";
import { ClientInstallation } from "../support/client-installation.ts";
import { HAS_COMPILER, WITHOUT_COMPILER } from "../support/native-program.ts";
import { engineStatus } from "../support/shared-engine.ts";

/** What Node is given, told by the environment of a real one that runs begat. */
const FAKE_NODE = `#!/bin/sh\necho "node $BEGAT_ASKED \${NODE_EXTRA_CA_CERTS-none} \${BEGAT_EXTRA_CA_CERTS-none}:" "$@"\n`;

describe.skipIf(!HAS_COMPILER)(`begat-client${WITHOUT_COMPILER}`, () => {
  let home: BegatHome;
  let checkout: Workspace;
  let installation: ClientInstallation;
  let env: Record<string, string>;

  beforeAll(async () => {
    home = new BegatHome();
    home.env.BEGAT_DAEMON = "1";
    checkout = home.workspace();
    checkout.begatfile("dictum copy { in [ a ] out [ b ] exec [[\n    cp a b\n]] }\nrun copy()\n");
    checkout.write("a", "a");
    installation = new ClientInstallation(home.path, FAKE_NODE);
    env = { ...home.environment(), PATH: `${installation.bin}:/usr/bin:/bin` };
    expect((await checkout.build("--no-daemon")).status).toBe(0);
    await checkout.build("--no-daemon");
    expect((await checkout.begat(["daemon", "start"])).status).toBe(0);
  });
  beforeEach(() => installation.settle());
  afterAll(async () => {
    await checkout.begat(["daemon", "stop"]);
    home.dispose();
  });

  function run(args: readonly string[], more: Record<string, string> = {}, cwd = checkout.path) {
    const { status, stdout, stderr } = spawnSync(installation.client, [installation.root, ...args], {
      cwd,
      env: { ...env, ...more },
      encoding: "utf8",
    });
    return { status, stdout, stderr };
  }

  const program = () => join(installation.root, "dist/begat.cjs");

  test("prints the engine's answer, and ends with its exit code", async () => {
    const before = (await engineStatus(env))?.answered ?? 0;
    expect(run([])).toEqual({
      status: 0,
      stdout: expect.stringMatching(/^nothing to do: 1 chore up to date {2}\(\d+\.\d+s\)\n$/),
      stderr: "",
    });
    expect(run(["build", "--color"]).stdout).toContain("\u001b[32m");
    expect(run(["build", "--json", "copy()"]).stdout).toMatch(/^\{"v":1,"type":"build-finished"/);
    expect((await engineStatus(env))?.answered).toBe(before + 3);
  });

  test("becomes Node for whatever the engine declines, and says that it has asked", () => {
    expect(run(["log", "two words"])).toEqual({
      status: 0,
      stdout: `node yes none none: ${program()} log two words\n`,
      stderr: "",
    });
    expect(run(["build", "-n"]).stdout).toBe(`node yes none none: ${program()} build -n\n`);
    expect(run([], { NODE_EXTRA_CA_CERTS: "/ca.pem" }).stdout).toMatch(/^nothing to do/);
    expect(run(["log"], { NODE_EXTRA_CA_CERTS: "/ca.pem" }).stdout).toBe(`node yes none /ca.pem: ${program()} log\n`);
  });

  test("leaves a fulcrum to the launcher, which starts it so that it keeps little memory", () => {
    expect(run(["fulcrum", "serve"]).stdout).toBe("launcher yes: fulcrum serve\n");
  });

  test.each<readonly [string, readonly string[], Record<string, string>]>([
    ["an option says so", ["log", "--no-daemon"], {}],
    ["BEGAT_DAEMON is 0", ["log"], { BEGAT_DAEMON: "0" }],
    ["CI is set", ["log"], { BEGAT_DAEMON: "", CI: "true" }],
  ])("asks nobody when %s", (_why, args, more) => {
    expect(run(args, more).stdout).toMatch(/^node no none none: /);
  });

  test("asks nevertheless where --no-daemon is a target, and where CI is off", () => {
    expect(run(["--", "--no-daemon"]).stdout).toMatch(/^node yes /);
    expect(run([], { BEGAT_DAEMON: "", CI: "false" }).stdout).toMatch(/^nothing to do/);
    expect(run([], { CI: "true" }).stdout).toMatch(/^nothing to do/);
  });

  test.each<readonly [string, Record<string, string>]>([
    ["nobody listens", { BEGAT_RUNTIME_HOME: "/nowhere" }],
    ["the place is no absolute path", { BEGAT_RUNTIME_HOME: "relative" }],
    ["its path is too long for a socket", { BEGAT_RUNTIME_HOME: `/tmp/${"x".repeat(200)}` }],
  ])("becomes Node when %s", (_why, more) => {
    expect(run([], more).stdout).toMatch(/^node absent none none: /);
  });

  test("talks to nobody whose socket others can reach", () => {
    const directory = join(home.cache, "engine");
    chmodSync(directory, 0o755);
    try {
      expect(run([]).stdout).toMatch(/^node absent /);
    } finally {
      chmodSync(directory, 0o700);
    }
  });

  test.each<readonly [string, () => void]>([
    ["a source is newer", () => writeFileSync(join(installation.root, "src/cli/main.ts"), "")],
    ["a source is gone or new", () => writeFileSync(join(installation.root, "tools/new.mjs"), "")],
    ["the lock is newer", () => writeFileSync(join(installation.root, "package-lock.json"), "")],
    ["Node is newer", () => utimesSync(join(installation.bin, "node"), new Date(), new Date())],
    ["there is no stamp", () => spawnSync("rm", [join(installation.root, "dist/stamp")])],
    [
      "the bundle was made with another Node",
      () => writeFileSync(join(installation.root, "dist/stamp"), "/usr/bin/other\n"),
    ],
  ])("leaves it to the launcher when %s", (_what, change) => {
    change();
    expect(run(["build", "x"])).toEqual({ status: 0, stdout: "launcher stale: build x\n", stderr: "" });
  });

  test("does not mind names that begin with a dot, as the launcher's find does not", () => {
    writeFileSync(join(installation.root, "src/cli/.swap"), "");
    for (const path of ["src/cli", "src"]) utimesSync(join(installation.root, path), 1_700_000_000, 1_700_000_000);
    expect(run([]).stdout).toMatch(/^nothing to do/);
  });

  test("answers by itself where the environment is that of the last one who found nothing to do", async () => {
    const ask = (TERM: string) => run(["--no-daemon"], { TERM }).stdout;
    for (const TERM of ["first", "second", "first"]) {
      expect(ask(TERM)).toMatch(/^node no /);
      expect((await checkout.begat(["--no-daemon"], { env: { TERM } })).status).toBe(0);
      expect(ask(TERM)).toMatch(/^nothing to do: 1 chore/);
    }
  });

  test("hands standard output's end on, and takes part of nothing", () => {
    const closed = spawnSync(
      "sh",
      ["-c", '"$0" "$1" --json > /dev/full; echo $?', installation.client, installation.root],
      {
        cwd: checkout.path,
        env,
        encoding: "utf8",
      },
    );
    expect(closed).toMatchObject({ stdout: "141\n", stderr: "" });
    const nowhere = run(["build"], {}, "/");
    expect(nowhere.stdout).toMatch(/^node yes /);
  });

  test("is the same program that the launcher starts", () => {
    const launcher = readFileSync(join(import.meta.dirname, "../../begat"), "utf8");
    expect(launcher).toContain('exec "$client" "$root" "$@"');
    expect(realpathSync(join(installation.root, "dist/begat-client"))).toBe(realpathSync(installation.client));
  });
});
