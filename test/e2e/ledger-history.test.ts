import { copyFileSync, cpSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BegatHome, type Workspace } from "../support/begat.ts";

let home: BegatHome;
let workspace: Workspace;
beforeEach(() => {
  home = new BegatHome();
  // The ledger is exchanged under it: nothing that stays awake may have it open.
  home.env.BEGAT_DAEMON = "0";
  workspace = home.workspace();
  workspace.write("in.txt", "1\n");
  workspace.begatfile(`
    dictum d { in [ in.txt ] out [ o ] exec [[[ cat in.txt >o ]]] }
    run d()
  `);
});
afterEach(() => home.dispose());

const begat = async (...args: string[]) => {
  const { status, stdout, stderr } = await workspace.begat(args);
  return { status, said: stdout + stderr };
};
const build = async (content: string) => {
  workspace.write("in.txt", content);
  expect((await workspace.build("--executor", "process")).status).toBe(0);
};

test("one ledger goes two ways: each is told from the other, and a stranger sees it from the proof", {
  timeout: 120_000,
}, async () => {
  await build("1\n");
  cpSync(home.state, join(home.path, "theirs"), { recursive: true });
  await build("2\n");
  const ours = await begat("ledger", "checkpoint");
  writeFileSync(workspace.at("ours"), ours.said);
  // The other history, signed with the same key by whoever had a copy of everything.
  rmSync(home.state, { recursive: true });
  rmSync(home.cache, { recursive: true });
  cpSync(join(home.path, "theirs"), home.state, { recursive: true });
  await build("3\n");
  const compared = await begat("ledger", "compare", "ours", "--proof", "fork.json");
  expect(compared.said).toMatch(/^forked: the log key signed two histories of 7 records$/m);
  expect(compared.status).toBe(4);
  expect(await begat("ledger", "pin", "--add", "ours")).toMatchObject({ status: 4 });

  const stranger = new BegatHome();
  try {
    const elsewhere = stranger.workspace();
    copyFileSync(workspace.at("fork.json"), elsewhere.at("fork.json"));
    const judged = await elsewhere.begat(["ledger", "fork-proof", "fork.json"]);
    expect([judged.status, judged.stdout]).toEqual([4, expect.stringMatching(/^forked: .* signed two histories of 7/)]);
  } finally {
    stranger.dispose();
  }
});

test("a ledger that was rolled back is used for nothing, until the root key says that it was meant", {
  timeout: 120_000,
}, async () => {
  await build("1\n");
  copyFileSync(join(home.state, "ledger.db"), join(home.path, "backup.db"));
  await build("2\n");
  copyFileSync(join(home.path, "backup.db"), join(home.state, "ledger.db"));
  for (const args of [
    ["ledger", "verify"],
    ["build", "--force"],
    ["prov", "show", "o"],
    ["ledger", "checkpoint"],
  ]) {
    const { status, said } = await begat(...args);
    expect([args, status, said.includes("begat ledger restore --reason TEXT")]).toEqual([args, 4, true]);
  }
  expect((await begat("ledger", "restore")).status).toBe(2);
  const restored = await begat("ledger", "restore", "--reason", "disk died", "--json");
  expect(restored.status).toBe(0);
  const { decisions } = JSON.parse(restored.said) as { decisions: { kind: string; seq: number; leaf: string }[] };
  expect(decisions.map(({ kind }) => kind)).toEqual(["restore", "key.rotate"]);
  expect((await begat("ledger", "restore", "--reason", "again")).said).toContain("there is nothing to give up");
  await build("3\n");
  const verified = await begat("ledger", "verify");
  expect([verified.status, verified.said]).toEqual([
    0,
    expect.stringContaining("gave up an earlier history of 7 records: disk died"),
  ]);
  expect((await begat("prov", "show", "o")).said).toMatch(/^slsa +Build L1: /m);
});
