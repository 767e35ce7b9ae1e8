import { describe, expect, it } from "vitest";
import { BegatError } from "../../src/base/index.ts";
import { type BuildOptions, runCommand, type Services } from "../../src/cli/index.ts";
import { VERB_NAMES } from "../../src/cli/verb-table.ts";
import type { BuilderStatus, EngineStatus } from "../../src/engine/index.ts";
import { FileTreeError, type FileTreeErrorCode } from "../../src/ports/index.ts";
import type { BuildEvent } from "../../src/scheduler/index.ts";
import {
  CHECK,
  COLLECTION,
  DIAGNOSTICS,
  DOCTOR,
  EXECUTION,
  FAILED_EXECUTION,
  FORMAT,
  GRAPH,
  LOG,
  LOG_OF_ONE,
  PROV,
  STATS,
  TREE,
  VERDICT,
  WHY,
} from "../support/command-views.ts";
import { FakeHost, MemoryOutput, scriptedBuild } from "../support/fake-host.ts";
import { DRY_RUN, FAILED_BUILD, REFUSED, summary } from "../support/scripted-events.ts";

async function run(line: string, services: Partial<Services> = {}) {
  const host = new FakeHost(services);
  const exitCode = await runCommand(line === "" ? [] : line.split(" "), host);
  return { exitCode, stdout: host.stdout.text, stderr: host.stderr.text, host };
}

const found = <T>(answer: T) => ({ found: true, answer }) as const;
const absent = { found: false, because: "no record made nothing.o", hint: "begat log lists what is known" } as const;

const STANDING_BY = { version: "1.2.3", startedAtMs: 0, idleMs: 1000, rssBytes: 1, asked: 0, declined: undefined };
const BUILDER: BuilderStatus = { ...STANDING_BY, pid: 78, root: "/home/user/project", built: 0 };
const REMEMBERED = { answers: 0, files: 0, directories: 0, checkouts: [] };
const ENGINE: EngineStatus = { ...STANDING_BY, ...REMEMBERED, pid: 77, answered: 0, handed: 0 };

type Answer = readonly [name: string, line: string, services: Partial<Services>, exitCode: number];
const answers: readonly Answer[] = [
  ["why", "why prog", { why: async () => found(WHY) }, 0],
  [
    "why-first",
    "why prog",
    { why: async () => found({ ...WHY, previous: undefined, changes: [], now: undefined }) },
    0,
  ],
  ["why-absent", "why nothing.o", { why: async () => absent }, 1],
  [
    "why-unused",
    "why --unused all",
    {
      unused: async () =>
        found({
          chores: [
            { chore: "compile(src/a.c)", at: "begatfile:14:1", declared: 4, unused: ["include/y.h", "docs/"] },
            { chore: "link(prog)", at: "begatfile:20:1", declared: 1, unused: [] },
            { chore: "stamp()", at: "begatfile:30:1", declared: 0, unused: [] },
          ],
        }),
    },
    0,
  ],
  [
    "why-unused-untraced",
    "why --unused prog",
    { unused: async () => ({ found: false, because: "strace is not installed", hint: undefined }) },
    1,
  ],
  ["log", "log", { log: async () => LOG }, 0],
  ["log-one", "log prog", { log: async () => LOG_OF_ONE }, 0],
  ["log-nothing", "log x", { log: async () => ({ ...LOG, lines: [] }) }, 1],
  ["prov-show", "prov show prog", { provShow: async () => found(PROV) }, 1],
  ["prov-tree", "prov tree prog", { provTree: async () => found(TREE) }, 0],
  ["prov-tree-sources", "prov tree prog --sources", { provTree: async () => found(TREE) }, 0],
  ["ledger-verify", "ledger verify", { ledgerVerify: async () => VERDICT }, 0],
  [
    "ledger-verify-tampered",
    "ledger verify",
    {
      ledgerVerify: async () => ({
        ...VERDICT,
        verdict: "tampered",
        signatures: 0,
        problems: [{ seq: 7, message: "its leaf is aaaa, record 8 names bbbb" }],
      }),
    },
    3,
  ],
  ["cache-stats", "cache stats", { cacheStats: async () => STATS }, 0],
  [
    "cache-verify",
    "cache verify",
    { cacheVerify: async () => ({ blobs: 10, sizeBytes: 4096, bad: [], durationMs: 20 }) },
    0,
  ],
  ["cache-gc", "cache gc --max-size 50M", { cacheGc: async () => COLLECTION }, 0],
  ["doctor", "doctor", { doctor: async () => DOCTOR }, 0],
  ["check", "check", { check: async () => CHECK }, 0],
  ["check-mistakes", "check", { check: async () => ({ ...CHECK, diagnostics: DIAGNOSTICS }) }, 1],
  ["fmt", "fmt", { format: async () => FORMAT }, 0],
  ["graph", "graph", { graph: async () => GRAPH }, 0],
];

describe("answers", () => {
  for (const [name, line, services, exitCode] of answers) {
    it(name, async () => {
      const result = await run(line, services);
      expect(result.exitCode).toBe(exitCode);
      expect(result.host.closed).toBe(1);
      await expect(result.stdout + result.stderr).toMatchFileSnapshot(`golden/${name}.txt`);
    });

    it(`${name} --json is one document`, async () => {
      const result = await run(`${line} --json`, services);
      expect(result.exitCode).toBe(exitCode);
      expect(result.stderr).toBe("");
      const document = JSON.parse(result.stdout);
      expect(document.v).toBe(1);
      expect(VERB_NAMES).toContain(document.verb);
    });
  }

  const codes: readonly (readonly [line: string, services: Partial<Services>, exitCode: number])[] = [
    ["prov show p", { provShow: async () => found({ ...PROV, execution: FAILED_EXECUTION }) }, 3],
    [
      "prov show p",
      { provShow: async () => found({ ...PROV, execution: { ...EXECUTION, signature: "unknown key" } }) },
      1,
    ],
    ["prov show p", { provShow: async () => absent }, 1],
    ["ledger verify", { ledgerVerify: async () => ({ ...VERDICT, verdict: "not proven" }) }, 1],
    ["ledger verify", { ledgerVerify: async () => ({ ...VERDICT, verdict: "rolled back" }) }, 4],
    ["ledger verify", { ledgerVerify: async () => ({ ...VERDICT, verdict: "could not check" }) }, 5],
    [
      "cache verify",
      {
        cacheVerify: async () => ({
          blobs: 1,
          sizeBytes: 1,
          bad: [{ hash: "a", found: "b", movedTo: "c" }],
          durationMs: 1,
        }),
      },
      3,
    ],
    [
      "fmt --check",
      { format: async () => ({ files: [{ path: "begatfile", state: "unformatted" }], diagnostics: [] }) },
      1,
    ],
    [
      "fmt",
      { format: async () => ({ files: [{ path: "begatfile", state: "mistaken" }], diagnostics: DIAGNOSTICS }) },
      1,
    ],
    ["graph", { graph: async () => ({ diagnostics: DIAGNOSTICS, chores: [] }) }, 1],
    [
      "doctor",
      {
        doctor: async () => ({
          findings: [{ subject: "ledger", state: "bad", text: "unreadable", hint: undefined }],
          executors: [],
        }),
      },
      1,
    ],
    ["cache gc", {}, 2],
    ["version", {}, 0],
    ["completion bash", {}, 0],
    ["completion tcsh", {}, 2],
    ["help nonsense", {}, 2],
  ];
  for (const [line, services, exitCode] of codes) {
    it(`begat ${line} can exit ${exitCode}`, async () => expect((await run(line, services)).exitCode).toBe(exitCode));
  }
});

describe("help", () => {
  it("begat help", async () => {
    const { stdout, exitCode } = await run("help");
    expect(exitCode).toBe(0);
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
    for (const verb of VERB_NAMES) expect(stdout).toMatch(new RegExp(`^  ${verb}  `, "m"));
    for (const same of ["--help", "-h"]) expect((await run(same)).stdout).toBe(stdout);
    await expect(stdout).toMatchFileSnapshot("golden/help.txt");
  });

  for (const verb of VERB_NAMES) {
    it(`begat help ${verb}`, async () => {
      const { stdout, exitCode } = await run(`help ${verb}`);
      expect(exitCode).toBe(0);
      expect((await run(`${verb} --help`)).stdout).toBe(stdout);
      await expect(stdout).toMatchFileSnapshot(`golden/help-${verb.replace(" ", "-")}.txt`);
    });
  }

  for (const shell of ["bash", "zsh", "fish"]) {
    it(`completion for ${shell} knows every command`, async () => {
      const { stdout } = await run(`completion ${shell}`);
      for (const verb of VERB_NAMES) for (const word of verb.split(" ")) expect(stdout).toContain(word);
      expect(stdout).toContain("keep-going");
    });
  }
});

class Sad extends BegatError {}

describe("failures", () => {
  const throwing = (error: unknown): Partial<Services> => ({
    build: () => Promise.reject(error),
    why: () => Promise.reject(error),
  });

  it("prints the chain of causes once, and the hint", async () => {
    const cause = new Sad("FILE_NOT_FOUND", "no file begatfile", { hint: "begat init writes one" });
    const result = await run("build", throwing(new Sad("X", "cannot plan", { cause })));
    expect(result.stderr).toBe("error: cannot plan: no file begatfile\nhint: begat init writes one\n");
    expect([result.exitCode, result.stdout, result.host.closed]).toEqual([1, "", 1]);
  });

  it("says where more is to be read about a mistaken command line", async () => {
    const result = await run("build --jbos 3");
    expect(result.stderr).toBe(
      'error: begat build has no option --jbos\nhint: did you mean "--jobs"?\nusage: begat help build\n',
    );
    expect([result.exitCode, result.host.opened]).toEqual([2, 0]);
  });

  it("wonders about a target that looks like a command", async () => {
    const result = await run("bulid", throwing(new Sad("TARGET_UNKNOWN", 'no target "bulid"')));
    expect(result.exitCode).toBe(2);
    expect(result.stderr).toBe(
      'note: "bulid" is no command, so it was taken as a target; did you mean "begat build"?\nerror: no target "bulid"\n',
    );
  });

  it("has the failure as JSON too", async () => {
    const tampered = new Sad("LEDGER_TAMPERED", "record 7 is not what it was");
    const build = await run("build --json", throwing(tampered));
    expect(JSON.parse(build.stdout)).toEqual({
      v: 1,
      type: "error",
      code: "LEDGER_TAMPERED",
      message: "record 7 is not what it was",
      hint: null,
      exitCode: 3,
    });
    const why = await run("why x --json", throwing(tampered));
    expect(JSON.parse(why.stdout)).toMatchObject({ verb: "why", error: { code: "LEDGER_TAMPERED" }, exitCode: 3 });
    const usage = await run("why --json");
    expect(JSON.parse(usage.stdout)).toMatchObject({ type: "error", code: "USAGE", exitCode: 2 });
  });

  it("shows the place of a failure nobody foresaw", async () => {
    const result = await run("why x", throwing(new TypeError("x is not a function")));
    expect(result.stderr).toMatch(/^error: internal error: x is not a function\n {4}at /);
    expect(result.exitCode).toBe(5);
  });
});

describe("init", () => {
  it("writes a begatfile and ignores begat's own state", async () => {
    const { host, stdout, exitCode } = await run("init");
    expect(exitCode).toBe(0);
    expect(stdout).toBe(
      "wrote begatfile and a line in .gitignore\nnext: `begat` builds it; `begat -n` says first what it would do\n",
    );
    expect(host.files.readFile(`${host.cwd}/.gitignore`).toString()).toBe(".begat/\n");
    await expect(host.files.readFile(`${host.cwd}/begatfile`).toString()).toMatchFileSnapshot("golden/init.begat");
  });

  it("refuses to overwrite, and leaves everything as it was", async () => {
    const host = new FakeHost();
    host.files.writeFile(`${host.cwd}/begatfile`, "mine");
    expect(await runCommand(["init"], host)).toBe(1);
    expect(host.stderr.text).toBe(
      "error: /home/user/project/begatfile exists; nothing was changed\nhint: begat check reads it and reports every mistake\n",
    );
    expect(host.files.readFile(`${host.cwd}/begatfile`).toString()).toBe("mine");
    expect(host.files.stat(`${host.cwd}/.gitignore`)).toBeUndefined();
  });

  for (const [before, after] of [
    ["dist/", "dist/\n.begat/\n"],
    ["dist/\n", "dist/\n.begat/\n"],
    ["/.begat\n", "/.begat\n"],
  ] as const) {
    it(`adds one line to ${JSON.stringify(before)}`, async () => {
      const host = new FakeHost();
      host.files.makeDirectory(`${host.cwd}/sub`);
      host.files.writeFile(`${host.cwd}/sub/.gitignore`, before);
      expect(await runCommand(["-C", "sub", "init"], host)).toBe(0);
      expect(host.files.readFile(`${host.cwd}/sub/.gitignore`).toString()).toBe(after);
    });
  }
});

describe("build", () => {
  it("hands on what was asked for", async () => {
    let asked: BuildOptions | undefined;
    const build: Services["build"] = async (options) => {
      asked = options;
      return summary();
    };
    const line =
      "-C sub build prog -j3 -k -n --force --min-isolation contained --executor process --outputs all --offline --timeout 2m --no-explain --check=12.5% -f x.begat -v CC=[gcc -m32]";
    const host = new FakeHost({ build });
    expect(await runCommand([...line.split(" ").slice(0, -2), "CC=[gcc -m32]"], host)).toBe(0);
    expect(asked).toEqual({
      told: expect.any(Function),
      directory: "/home/user/project/sub",
      begatfiles: ["x.begat"],
      overrides: { CC: ["gcc", "-m32"] },
      targets: ["prog"],
      jobs: 3,
      keepGoing: true,
      dryRun: true,
      force: true,
      minIsolation: "contained",
      executor: "process",
      outputs: "all",
      offline: true,
      daemon: true,
      timeoutMs: 120_000,
      verbose: true,
      explain: false,
      check: { percent: 12.5 },
    });
  });

  it.each<readonly [FileTreeErrorCode, boolean]>([
    ["FILE_NOT_FOUND", true],
    ["FILE_SYSTEM_FULL", false],
  ])("after %s it goes on watching: %s", async (code, goesOn) => {
    let went: unknown;
    const watch: Services["watch"] = async (_options, observer) => {
      observer.begin([]);
      went = observer.end(new FileTreeError(code, "cannot write out/a"));
    };
    const { exitCode, stderr } = await run("build --watch", { watch });
    expect({ exitCode, went, stderr }).toEqual({
      exitCode: 1,
      went: goesOn || undefined,
      stderr: "error: cannot write out/a\n",
    });
  });

  it.each<readonly [string, { readonly builder?: BuilderStatus; readonly problem?: string }, string, number]>([
    [
      "no builder",
      { problem: "no inotify to be had" },
      "no builder of /home/user/project was started: no inotify to be had\n",
      1,
    ],
    ["a builder", { builder: BUILDER }, "the builder of /home/user/project: process 78\n", 0],
  ])("says that %s was started", async (_what, found, told, exitCode) => {
    const daemonStart: Services["daemonStart"] = async ({ builds }) => {
      expect(builds).toBe("/home/user/project");
      return {
        state: "running",
        socket: "/run/s",
        status: ENGINE,
        fresh: false,
        builder: undefined,
        problem: undefined,
        ...found,
      };
    };
    const { stdout, ...ended } = await run("daemon start --builds .", { daemonStart });
    expect(stdout).toBe(`the warm engine is running already: process 77\n${told}`);
    expect(ended).toMatchObject({ exitCode, stderr: "" });
    const json = await run("daemon start --builds . --json", { daemonStart });
    expect(JSON.parse(json.stdout)).toMatchObject({ ...(found.problem && { problem: found.problem }) });
    expect(json.exitCode).toBe(exitCode);
  });

  const outcomes: readonly (readonly [events: readonly BuildEvent[], exitCode: number])[] = [
    [FAILED_BUILD, 1],
    [DRY_RUN, 0],
    [REFUSED, 1],
  ];
  for (const [events, exitCode] of outcomes) {
    it(`exits ${exitCode} and is complete as JSON`, async () => {
      expect((await run("build", scriptedBuild(events))).exitCode).toBe(exitCode);
      const json = await run("build --json", scriptedBuild(events));
      expect(json.exitCode).toBe(exitCode);
      const types = json.stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).type);
      expect(types).toEqual(events.map((event) => event.type));
    });
  }

  it("does not take --quiet and --verbose together", async () => {
    expect((await run("-q -v")).exitCode).toBe(2);
  });

  /** A build that runs until it is cancelled, and has begun. */
  async function patient(isDeaf = false) {
    let begun: () => void = () => {};
    const hasBegun = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const build: Services["build"] = (_options, listener, signal) =>
      new Promise((resolve) => {
        begun();
        if (isDeaf) return;
        signal.addEventListener("abort", () => {
          const end = summary({ outcome: "cancelled", executed: 1 });
          listener({ type: "build-finished", summary: end });
          resolve(end);
        });
      });
    const host = new FakeHost({ build });
    const exitCode = runCommand(["build"], host);
    await hasBegun;
    return { host, exitCode };
  }

  for (const [signal, exitCode] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    it(`is cancelled by ${signal}, and says so`, async () => {
      const { host, exitCode: answer } = await patient();
      expect(host.signal(signal)).toBe(true);
      expect(await answer).toBe(exitCode);
      expect(host.stdout.text).toMatch(
        /^cancelling: ending what runs \(.* again stops at once\)\ncancelled: 1 executed, 4 not reached/,
      );
      expect([host.abandoned, host.closed]).toEqual([[], 1]);
      // What comes after the build is the signal's default again.
      expect(host.signal(signal)).toBe(false);
    });
  }

  it("stops at once the second time", async () => {
    const { host } = await patient(true);
    host.signal("SIGINT");
    expect(host.abandoned).toEqual([]);
    host.signal("SIGINT");
    expect(host.abandoned).toEqual([130]);
  });

  it("ends quietly when nobody reads any more", async () => {
    const { host, exitCode } = await patient();
    host.closeOutput();
    expect(await exitCode).toBe(141);
    expect(host.stderr.text).toBe("");
  });

  it("colours a terminal, and not a pipe", async () => {
    const terminal = new FakeHost(scriptedBuild(FAILED_BUILD), new MemoryOutput({ isTerminal: true }));
    await runCommand(["build"], terminal);
    expect(terminal.stdout.text).toContain("\x1b[31m");
    expect((await run("build", scriptedBuild(FAILED_BUILD))).stdout).not.toContain("\x1b");
    expect((await run("build --color", scriptedBuild(FAILED_BUILD))).stdout).toContain("\x1b[31m");
  });
});
