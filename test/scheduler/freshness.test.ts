import { describe, expect, test } from "vitest";
import { checkReads, signRead } from "../../src/scheduler/freshness.ts";
import { Checkout } from "../../src/scheduler/index.ts";
import { SourceDigests } from "../../src/scheduler/source-digests.ts";
import { CheckoutState } from "../../src/scheduler/state.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { MemoryBulkFiles } from "../support/memory-bulk-files.ts";
import { MemoryFileTree } from "../support/memory-file-tree.ts";
import { plannedChore, planOf } from "../support/planned-chore.ts";

/** A checkout on a file clock that ticks every 4 ms, as a kernel's does. */
function place() {
  const clock = new ManualClock();
  const fs = new MemoryFileTree({
    nowMs: () => Math.floor(clock.nowMs() / 4) * 4,
    monotonicMs: () => clock.monotonicMs(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
  });
  fs.makeDirectory("/w");
  return { clock, fs, now: () => new Checkout(fs, "/w") };
}

describe("what an evaluation has read", () => {
  test("is fresh while nothing was written to it, at the price of a stat", () => {
    const { clock, fs, now } = place();
    fs.writeFile("/w/a", "1");
    fs.makeDirectory("/w/d");
    clock.tick(1000);
    const reads = [signRead(now(), "a", "file"), signRead(now(), "d", "directory"), signRead(now(), "gone", "file")];
    const before = fs.calls.get("readFile") ?? 0;
    expect(checkReads(now(), reads)).toEqual({ fresh: true, refreshed: undefined, stale: undefined });
    expect(fs.calls.get("readFile") ?? 0).toBe(before);
  });

  test.each<readonly [what: string, change: (fs: MemoryFileTree) => void, stale: string]>([
    ["a file is written", (fs) => fs.writeFile("/w/a", "2"), "a"],
    ["a file is removed", (fs) => fs.remove("/w/a"), "a"],
    ["a file comes into a directory", (fs) => fs.writeFile("/w/d/new", ""), "d"],
    ["a file leaves a directory", (fs) => fs.remove("/w/d/x"), "d"],
    [
      "a file turns into a directory",
      (fs) => {
        fs.remove("/w/d/x");
        fs.makeDirectory("/w/d/x");
      },
      "d",
    ],
    ["what was not there comes", (fs) => fs.writeFile("/w/gone", ""), "gone"],
  ])("is stale when %s", (_, change, stale) => {
    const { clock, fs, now } = place();
    fs.writeFile("/w/a", "1");
    fs.makeDirectory("/w/d");
    fs.writeFile("/w/d/x", "");
    clock.tick(1000);
    const reads = [signRead(now(), "a", "file"), signRead(now(), "d", "directory"), signRead(now(), "gone", "file")];
    clock.tick(1000);
    change(fs);
    expect(checkReads(now(), reads)).toEqual({ fresh: false, refreshed: undefined, stale });
  });

  test("that was only touched is fresh, and signed anew", () => {
    const { clock, fs, now } = place();
    fs.writeFile("/w/a", "1");
    clock.tick(1000);
    const reads = [signRead(now(), "a", "file")];
    fs.writeFile("/w/a", "1");
    clock.tick(1000);
    const checked = checkReads(now(), reads);
    expect(checked.fresh).toBe(true);
    expect(checkReads(now(), checked.refreshed ?? [])).toMatchObject({ fresh: true, refreshed: undefined });
  });

  test("begat's own directory in a listing means nothing", () => {
    const { clock, fs, now } = place();
    fs.writeFile("/w/a", "1");
    clock.tick(1000);
    const reads = [signRead(now(), "", "directory")];
    fs.makeDirectory("/w/.begat");
    fs.writeFile("/w/.begat/state.bin", "");
    expect(checkReads(now(), reads)).toMatchObject({ fresh: true });
    fs.writeFile("/w/b", "");
    expect(checkReads(now(), reads)).toMatchObject({ fresh: false });
  });

  test.each([0, 1, 3, 20])("a second change %i ms after the reading, of the same size, is seen", (ms) => {
    const { clock, fs, now } = place();
    fs.writeFile("/w/a", "1");
    const reads = [signRead(now(), "a", "file")];
    clock.tick(ms);
    fs.writeFile("/w/a", "2");
    expect(checkReads(now(), reads)).toMatchObject({ fresh: false, stale: "a" });
  });
});

describe("digests of sources", () => {
  const plan = planOf(plannedChore("use()", ["a", "t/"], ["o"]));
  const A = { path: 0, name: plan.path(0), tree: false };
  const T = { path: 1, name: plan.path(1), tree: true };

  function sources() {
    const world = place();
    const state = new CheckoutState("p", plan.pathCount, plan.choreCount);
    const refresh = () => new SourceDigests(world.now(), state, new MemoryBulkFiles(world.fs), plan).refresh([A, T]);
    world.fs.writeFile("/w/a", "1");
    world.fs.makeDirectory("/w/t");
    world.fs.writeFile("/w/t/x", "1");
    return { ...world, state, refresh };
  }

  test("are read once, and not again while nothing was written", async () => {
    const { clock, fs, refresh } = sources();
    clock.tick(1000);
    expect([...(await refresh()).changed]).toEqual([0, 1]);
    const before = fs.calls.get("readFile");
    expect([...(await refresh()).changed]).toEqual([]);
    expect(fs.calls.get("readFile")).toBe(before);
  });

  test.each([0, 1, 3, 20])("see a second change %i ms after the first, of the same size", async (ms) => {
    const { clock, fs, refresh } = sources();
    await refresh();
    clock.tick(ms);
    fs.writeFile("/w/a", "2");
    fs.writeFile("/w/t/x", "2");
    expect([...(await refresh()).changed]).toEqual([0, 1]);
  });

  test("see a change dated before the last one: the clock was turned back", async () => {
    const { clock, fs, refresh } = sources();
    clock.tick(1000);
    await refresh();
    clock.setWallMs(clock.nowMs() - 86_400_000);
    fs.writeFile("/w/a", "2");
    fs.writeFile("/w/t/x", "2");
    expect([...(await refresh()).changed]).toEqual([0, 1]);
    fs.writeFile("/w/a", "3");
    expect([...(await refresh()).changed]).toEqual([0]);
  });

  test("that date from the future are read every time, and believed never", async () => {
    const { clock, fs, refresh } = sources();
    fs.setTimes("/w/a", 0, clock.nowMs() + 1e9);
    clock.setWallMs(clock.nowMs() + 1e9);
    fs.writeFile("/w/t/x", "2");
    clock.setWallMs(clock.nowMs() - 1e9);
    await refresh();
    expect([...(await refresh()).changed]).toEqual([]);
    fs.writeFile("/w/t/x", "3");
    expect([...(await refresh()).changed]).toEqual([1]);
  });

  test("of a file that changes at every look are given up", async () => {
    const { fs, refresh } = sources();
    let n = 0;
    let busy = false;
    fs.onCall = (method, path) => {
      if (method !== "readFile" || path !== "/w/a" || busy) return;
      busy = true;
      fs.writeFile("/w/a", "x".repeat(++n + 1));
      busy = false;
    };
    expect((await refresh()).problems).toEqual([
      { path: "a", code: "INPUT_UNSTABLE", message: "a changed 3 times while it was read" },
    ]);
    fs.onCall = undefined;
    expect((await refresh()).problems).toEqual([]);
  });

  test("of a file that changes once while it is read are those of what it is then", async () => {
    const { fs, state, refresh } = sources();
    let done = false;
    fs.onCall = (method, path) => {
      if (method !== "readFile" || path !== "/w/a" || done) return;
      done = true;
      fs.writeFile("/w/a", "newer");
    };
    expect((await refresh()).problems).toEqual([]);
    expect(state.digest(0)?.sizeBytes).toBe(5);
  });
});
