import { existsSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { BuildEvent } from "../../src/scheduler/index.ts";
import { BegatHome, type Built, type Workspace } from "../support/begat.ts";
import { verdicts } from "../support/verdicts.ts";

let home: BegatHome;
let workspace: Workspace;

beforeEach(() => {
  home = new BegatHome();
  workspace = home.workspace();
});
afterEach(() => home.dispose());

type Checked = Extract<BuildEvent, { type: "chore-checked" }>;

/** Label, verdict and difference of each check, by label. */
function checks(built: Built): readonly (readonly [string, string, Checked["difference"] | null])[] {
  const events = built.events.filter((event): event is Checked => event.type === "chore-checked");
  return events
    .map(({ chore, verdict, difference }) => [chore.label, verdict, difference ?? null] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

const executors = ["process", ...(existsSync("/usr/bin/bwrap") ? ["bubblewrap"] : [])];

describe.each(executors)("--check under %s", (executor) => {
  const build = (...args: string[]) => workspace.build("--executor", executor, ...args);

  test("executes again what was executed, and names the first byte that differs", async () => {
    workspace.write("in.txt", "in\n");
    workspace.begatfile(`
      dictum same(x) { in [ in.txt ] out [ "same-$x" ] exec [[[ cat in.txt >"same-$x" ]]] }
      dictum when { out [ when ] exec [[[ printf 'at %s' "$(date +%s%N)" >when ]]] }
      dictum tree { out [ t/ ] exec [[[ mkdir -p t/a; echo 1 >t/a/1; date +%s%N >t/a/2 ]]] }
      run same(1) run same(2) run when() run tree()
    `);
    const built = await build("--check");
    expect(built.status).toBe(1);
    expect(built.summary).toMatchObject({ outcome: "failed", executed: 4, failed: 0, checked: 4, differing: 2 });
    const found = checks(built);
    expect(found.map(([label, verdict]) => [label, verdict])).toEqual([
      ["same(1)", "match"],
      ["same(2)", "match"],
      ["tree()", "differ"],
      ["when()", "differ"],
    ]);
    expect(found[2]?.[2]).toMatchObject({ kind: "bytes", path: "t", member: "a/2" });
    expect(found[3]?.[2]).toMatchObject({ kind: "bytes", path: "when" });
    expect(found[3]?.[2]?.offset).toBeGreaterThanOrEqual(3);
    expect(workspace.read("same-1")).toBe("in\n");
    expect(await verdicts(workspace)).toEqual({ ledger: 0, cache: 0 });

    const { stdout } = await workspace.begat(["log", "--kind", "challenge"]);
    expect(stdout).toMatch(/when\(\): record \d+ checked: differ/);
    expect(stdout).toMatch(/same\(1\): record \d+ checked: match/);

    // What came out otherwise is not used again, here or elsewhere; the rest is.
    const next = await build();
    expect(next.executed.toSorted()).toEqual(["tree()", "when()"]);
    const decisions = next.events.flatMap((event) => (event.type === "chore-started" ? [event.decision.reason] : []));
    expect(decisions).toEqual(["quarantined", "quarantined"]);
  });

  test("shows what a name of the machine, a process id or the order of files did", async () => {
    workspace.begatfile(`
      dictum pid { out [ pid ] exec [[[ sh -c 'echo $$' >pid ]]] }
      dictum cwd { out [ cwd ] exec [[[ pwd >cwd ]]] }
      dictum host { out [ host ] exec [[[ uname -n >host ]]] }
      run pid() run cwd() run host()
    `);
    const built = await build("--check");
    const differ = checks(built).flatMap(([label, verdict]) => (verdict === "differ" ? [label] : []));
    // A sandbox has one place for every build; without one the machine's name stays as it is.
    expect(differ).toEqual(executor === "process" ? ["cwd()", "pid()"] : ["host()", "pid()"]);
  });

  test("counts a second run that fails as a difference", async () => {
    workspace.begatfile(`
      dictum d { out [ o ] exec [[[ echo x >o; case "$PWD $(uname -n)" in *varied*|*other-*) exit 3;; esac ]]] }
      run d()
    `);
    const built = await build("--check");
    expect(checks(built)).toMatchObject([["d()", "differ", { kind: "failed", path: "", detail: "exit 3" }]]);
  });
});

describe("a sample", () => {
  beforeEach(() => {
    workspace.begatfile(`
      dictum d(x) { out [ "o$x" ] exec [[[ echo "$x" >"o$x" ]]] }
      dictum v { attr [ volatile ] out [ v ] exec [[[ date +%s%N >v ]]] }
      apply(d [ 1 2 3 4 5 6 ])
      run v()
    `);
  });

  test.each([
    ["--check=2", 2],
    ["--check=100%", 6],
    ["--check", 6],
  ])("%s takes %i", async (option, count) => {
    const built = await workspace.build(option);
    expect(built.status).toBe(0);
    expect(built.summary).toMatchObject({ checked: count, differing: 0 });
  });

  test("is of what is executed; --force executes everything", async () => {
    await workspace.build();
    const volatileOnly = await workspace.build("--check");
    expect(volatileOnly.summary).toMatchObject({ executed: 1, checked: 0 });
    const { stdout, status } = await workspace.begat(["build", "--force", "--check"]);
    expect([status, stdout.split("\n").at(-2)]).toEqual([0, expect.stringContaining("checked 6, all alike")]);
  });

  test("must be a share or a number", async () => {
    const { status, stderr } = await workspace.begat(["build", "--check=0%"]);
    expect([status, stderr.split("\n")[0]]).toEqual([
      2,
      'error: --check expects a share such as 10% or a whole number, 1 or more; found "0%"',
    ]);
  });
});
