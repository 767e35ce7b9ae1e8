import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as after } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/base/index.ts";
import { collectGarbage, openIndex } from "../../src/cache/index.ts";
import { NodeClock, NodeFileTree, NodeProcessTable } from "../../src/platform/index.ts";
import { childScript, startChild } from "../support/child-script.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";

/** What a child printed, once it has ended. */
async function outcome(child: ChildProcess): Promise<{ code: number | null; text: string }> {
  let text = "";
  child.stdout?.on("data", (piece) => {
    text += piece;
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, text };
}

function expectWholeBlobs(home: string): void {
  for (const directory of readdirSync(`${home}/cas`)) {
    for (const name of readdirSync(`${home}/cas/${directory}`)) {
      expect(sha256(readFileSync(`${home}/cas/${directory}/${name}`))).toBe(directory + name);
    }
  }
}

describe("several processes over one cache home", () => {
  test("opening a new index at the same moment, each gets it", async () => {
    const scratch = scratchDirectory();
    const script = await childScript("test/cache/child-open.ts");
    const children = Array.from({ length: 3 }, () =>
      spawn(process.execPath, [script, scratch.path, "40"], { stdio: ["pipe", "pipe", "inherit"] }),
    );
    const outcomes = children.map(outcome);
    await Promise.all(children.map((child) => once(child.stdout, "data")));
    for (const child of children) child.stdin.write("go\n");
    for (const done of await Promise.all(outcomes)) expect(done).toEqual({ code: 0, text: "ready\n" });
    scratch.dispose();
  });

  test("writing, reading and collecting the same blobs yields right bytes or none", async () => {
    const scratch = scratchDirectory();
    const home = `${scratch.path}/cache`;
    const script = await childScript("test/cache/child-store.ts");
    const children = ["1", "2", "3"].map((seed) => startChild(script, [home, seed, "300"]));
    for (const done of await Promise.all(children.map(outcome))) expect(done).toEqual({ code: 0, text: "done\n" });
    expectWholeBlobs(home);
    expect(readdirSync(`${home}/tmp`)).toEqual([]);
    scratch.dispose();
  });

  test("killed at any moment they leave whole blobs, and leftovers that the collector knows", async () => {
    const scratch = scratchDirectory();
    const home = `${scratch.path}/cache`;
    const script = await childScript("test/cache/child-store.ts");
    for (let round = 0; round < 6; round++) {
      const child = startChild(script, [home, String(2 + round), "100000"]);
      const ended = outcome(child);
      // A busy machine may not have started a child before its moment: the first one is let at least begin.
      await expect.poll(() => existsSync(`${home}/cas`), { timeout: 30_000 }).toBe(true);
      // The moment is arbitrary on purpose; what must hold does not depend on it.
      await after(120 + 40 * round);
      child.kill("SIGKILL");
      await ended;
    }
    expectWholeBlobs(home);
    const machine = {
      fs: new NodeFileTree(),
      clock: new NodeClock(),
      processes: new NodeProcessTable(),
      cacheHome: home,
    };
    const index = await openIndex(machine);
    await collectGarbage({ ...machine, index, maxSizeBytes: 0 });
    expect(readdirSync(`${home}/tmp`)).toEqual([]);
    expect(index.isSound()).toBe(true);
    index.close();
    scratch.dispose();
  });
});
