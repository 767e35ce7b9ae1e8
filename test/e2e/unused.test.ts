import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BegatHome, type Workspace } from "../support/begat.ts";
import { HAS_STRACE, WITHOUT_STRACE } from "../support/skip-reason.ts";

let home: BegatHome;
let workspace: Workspace;

beforeEach(() => {
  home = new BegatHome();
  workspace = home.workspace();
  for (const name of ["read.txt", "asked.txt", "linked.txt", "never.txt"]) workspace.write(name, `${name}\n`);
  for (const name of ["used/a", "used/b", "idle/a"]) workspace.write(name, "");
  workspace.begatfile(`
    dictum gen { out [ made.txt ] exec [[[ echo made >made.txt ]]] }
    dictum join {
      in [ read.txt asked.txt never.txt made.txt used/ idle/ ]
      out [ out.txt ]
      exec [[
        test -s asked.txt
        ls idle >/dev/null
        cat read.txt used/a >out.txt
      ]]
    }
    dictum bad { in [ read.txt ] out [ bad.txt ] exec [[[ exit 3 ]]] }
    run gen() run join() run bad()
    group all = [ out.txt ]
  `);
});
afterEach(() => home.dispose());

describe.skipIf(!HAS_STRACE)(`why --unused${WITHOUT_STRACE}`, () => {
  test("lists what a chore declares and does not look at, and leaves no trace", async () => {
    await workspace.build();
    const before = [workspace.files(), (await workspace.begat(["log"])).stdout];
    for (const about of ["out.txt", "join()"]) {
      const { stdout, status } = await workspace.begat(["why", "--unused", about]);
      expect([status, stdout]).toEqual([
        0,
        "join() did not read 3 of its 6 declared inputs  begatfile:13:15\n  never.txt\n  made.txt\n  idle/\n",
      ]);
    }
    const json = JSON.parse((await workspace.begat(["why", "--unused", "--json", "out.txt"])).stdout);
    expect(json).toMatchObject({
      found: true,
      answer: { chores: [{ chore: "join()", declared: 6, unused: ["never.txt", "made.txt", "idle/"] }] },
    });
    expect([workspace.files(), (await workspace.begat(["log"])).stdout]).toEqual(before);
    // Half a dozen commands, one after another, and the bundle where this file is the first to need it.
  }, 90_000);

  test("says what is in the way", async () => {
    const early = await workspace.begat(["why", "--unused", "out.txt"]);
    expect(early.status).toBe(1);
    expect(early.stderr).toContain("hint: `begat build 'join()'` makes what it needs");
    const failing = await workspace.begat(["why", "--unused", "bad.txt"]);
    expect([failing.status, failing.stderr.split("\n")[0]]).toEqual([
      1,
      "error: bad() failed when it was traced: exit 3",
    ]);
  });
});
