import { existsSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { FailureReport } from "../../src/scheduler/index.ts";
import { BegatHome, type Built, type Workspace } from "../support/begat.ts";
import { HAS_STRACE, WITHOUT_STRACE } from "../support/skip-reason.ts";

let home: BegatHome;
let workspace: Workspace;

beforeEach(() => {
  home = new BegatHome();
  workspace = home.workspace();
});
afterEach(() => home.dispose());

const executors = ["process", ...(existsSync("/usr/bin/bwrap") ? ["bubblewrap"] : [])];

function failures(built: Built): FailureReport[] {
  return built.events.flatMap((event) => (event.type === "chore-failed" ? [event.failure] : []));
}

describe.skipIf(!HAS_STRACE).each(executors)(`a failure under %s${WITHOUT_STRACE}`, (executor) => {
  const build = (...args: string[]) => workspace.build("--executor", executor, ...args);

  test("names the undeclared file of the checkout, and the output of another chore", async () => {
    workspace.write("src/a.c", '#include "a.h"\n');
    workspace.write("include/a.h", "");
    workspace.begatfile(`
      dictum gen { out [ gen/b.txt ] exec [[[ echo b >gen/b.txt ]]] }
      dictum tree { out [ made/ ] exec [[[ mkdir -p made/deep; echo c >made/deep/c.txt ]]] }
      dictum head { in [ src/a.c ] out [ a ] exec [[[ cat include/a.h src/a.c >a ]]] }
      dictum join { in [ src/a.c ] out [ b ] exec [[[ cd src; cat ../gen/b.txt ../made/deep/c.txt >../b ]]] }
      run gen() run tree() run head() run join()
    `);
    const built = await build("-k");
    const [head, join] = ["head()", "join()"].map((label) =>
      failures(built).find(({ chore }) => chore.label === label),
    );
    expect(head?.explanation).toEqual([{ kind: "file", path: "include/a.h" }]);
    expect(join?.explanation).toEqual([
      { kind: "output", path: "made/deep/c.txt", madeBy: "tree()" },
      { kind: "output", path: "gen/b.txt", madeBy: "gen()" },
    ]);
    expect((await workspace.begat(["log", "--kind", "fail"])).stdout.match(/\bfail\b/g)).toHaveLength(2);
  });

  test("tells how to mend it, in words", async () => {
    workspace.write("x.h", "");
    workspace.begatfile("dictum d { out [ o ] exec [[[ cat x.h >o ]]] } run d()");
    const { stdout, status } = await workspace.begat(["build", "--executor", executor]);
    expect(status).toBe(1);
    expect(stdout).toContain("  hint    declare x.h in in[]\n");
    const silent = await workspace.begat(["build", "--executor", executor, "--no-explain"]);
    expect(silent.stdout).not.toContain("declare x.h");
  });

  test("is not explained where it was not for want of anything, nor where nobody asked", async () => {
    workspace.write("x.h", "");
    workspace.begatfile("dictum d { in [ x.h ] out [ o ] exec [[[ cat x.h; exit 3 ]]] } run d()");
    expect(failures(await build())[0]?.explanation).toBeNull();
  });

  test("does not ask for what the chore is to make itself, though an earlier one stands in the checkout", async () => {
    workspace.write("o", "made before");
    workspace.write("x.h", "");
    workspace.begatfile("dictum d { out [ o ] exec [[[ cat o || cat x.h >o ]]] } run d()");
    expect(failures(await build())[0]?.explanation).toEqual([{ kind: "file", path: "x.h" }]);
  });

  test("is the first run's, however the second goes", async () => {
    workspace.begatfile("dictum d { out [ o ] exec [[[ echo said; sleep 0.2; exit 3 ]]] } run d()");
    const [failure] = failures(await build());
    expect([failure?.detail, failure?.stdout]).toEqual(["exit 3", "said\n"]);
  });
});
