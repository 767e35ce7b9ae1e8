import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { BuildEvent } from "../../src/scheduler/index.ts";
import { BegatHome, type Workspace } from "../support/begat.ts";
import { verdicts } from "../support/verdicts.ts";

let home: BegatHome;
let workspace: Workspace;

beforeEach(() => {
  home = new BegatHome();
  workspace = home.workspace();
  workspace.write("in.txt", "in\n");
  workspace.begatfile(`
    dictum first { in [ in.txt ] out [ mid ] up [ n ] exec [[[ cat in.txt >mid; echo n=1 >"$BEGAT_UP" ]]] }
    dictum second { in [ mid ] out [ app ] exec [[[ cat mid mid >app ]]] }
    dictum when { out [ when ] exec [[[ date +%s%N >when ]]] }
    dictum other { out [ other ] exec [[[ echo other >other ]]] }
    run first() run second() run when() run other()
  `);
});
afterEach(() => home.dispose());

type Checked = Extract<BuildEvent, { type: "chore-checked" }>;

async function challenge(...args: string[]) {
  const { status, stdout, stderr } = await workspace.begat(["challenge", "--executor", "process", "--json", ...args]);
  const events = stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as BuildEvent);
  const checked = events.filter((event): event is Checked => event.type === "chore-checked");
  return { status, stderr, checked, verdicts: checked.map(({ chore, verdict }) => `${chore.label} ${verdict}`).sort() };
}

describe("begat challenge", () => {
  test("executes again what is behind an artifact, and records how it came out", async () => {
    await workspace.build("--executor", "process");
    const { status, checked, verdicts: found } = await challenge("app");
    expect([status, found]).toEqual([0, ["first() match", "second() match"]]);
    // Each line rests on a record that anybody can look up.
    const log = await workspace.begat(["log", "--kind", "challenge", "--json"]);
    const lines = (JSON.parse(log.stdout) as { lines: { seq: number; leaf: string; detail: string }[] }).lines;
    for (const { of, record } of checked) {
      const line = lines.find(({ seq }) => seq === record?.seq);
      expect(line).toMatchObject({ leaf: record?.leaf, detail: `record ${of} checked: match` });
    }
    expect(await verdicts(workspace)).toEqual({ ledger: 0, cache: 0 });
    // Two executions agree now, the first and the challenge: who asks for that is given the earlier result.
    const trusting = await workspace.build("--executor", "process", "--trust", "k=2", "app");
    expect([trusting.status, trusting.executed]).toEqual([0, []]);
  });

  test("says so where something came out otherwise, and uses that no more", async () => {
    await workspace.build("--executor", "process");
    const { status, checked } = await challenge("when", "app", "--k", "2");
    expect(status).toBe(1);
    expect(checked.map(({ chore, verdict }) => `${chore.label} ${verdict}`).sort()).toEqual([
      "first() match",
      "first() match",
      "second() match",
      "second() match",
      "when() differ",
      "when() differ",
    ]);
    const { stdout } = await workspace.begat(["challenge", "--executor", "process", "other"]);
    expect(stdout).toMatch(/^agrees {2}other\(\) {2}record \d+ [0-9a-f]{12}, of record \d+$/m);
    const next = await workspace.build("--executor", "process");
    expect(next.executed).toEqual(["when()"]);
    expect(await verdicts(workspace)).toEqual({ ledger: 0, cache: 0 });
  });

  test("builds first what is not there, and takes a sample where one is asked for", async () => {
    const { status, verdicts: found } = await challenge("app", "--sample", "1");
    expect([status, found.length]).toEqual([0, 1]);
    expect(workspace.read("app")).toBe("in\nin\n");
  });

  test.each([
    [["nothing-makes-this"], 2],
    [[], 2],
    [["app", "--k", "0"], 2],
    [["app", "--sample", "0%"], 2],
  ] as const)("refuses %j with exit code %i", async (args, code) => {
    const { status, stderr, stdout } = await workspace.begat(["challenge", ...args]);
    expect([status, stdout]).toEqual([code, ""]);
    expect(stderr).toMatch(/^error: /);
  });
});
