import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ownRooms } from "../../src/cli/wiring/build-service.ts";
import { builderServe } from "../../src/cli/wiring/builder-service.ts";
import { Machine } from "../../src/cli/wiring/machine.ts";
import type { ChosenExecutor } from "../../src/scheduler/index.ts";
import { FakeExecutor } from "../support/fake-executor.ts";
import { FakeHost } from "../support/fake-host.ts";
import { fastPlace, scratchDirectory } from "../support/scratch-directory.ts";

let scratch: ReturnType<typeof scratchDirectory>;
let machine: Machine;
let root: string;

beforeEach(() => {
  scratch = scratchDirectory(fastPlace());
  root = join(scratch.path, "checkout");
  mkdirSync(root);
  writeFileSync(join(root, "begatfile"), "");
  const host = new FakeHost();
  host.env.BEGAT_CACHE_HOME = scratch.path;
  machine = new Machine(host);
});
afterEach(() => scratch.dispose());

test("a builder that cannot start leaves word why, for whoever wonders", async () => {
  // Among its sources begat has no change feed.
  const started = builderServe(machine, root, 1000, new AbortController().signal);
  await expect(started).rejects.toMatchObject({ code: "FEED_UNAVAILABLE" });
  const failure = readFileSync(join(scratch.path, "engine/failure"), "utf8");
  expect(failure).toMatch(/^the change feed does not work: .*begat-change-feed ENOENT\n$/);
});

test("an executor is chosen once for all builds of a process, and anew for the first one with images", async () => {
  const rooms = ownRooms(machine, { root, entries: ["begatfile"], directory: "" });
  let count = 0;
  const choose = async (): Promise<ChosenExecutor> => {
    count++;
    const executor = new FakeExecutor({ blobs: rooms.blobs, clock: machine.clock, recipe: async () => 0 });
    return { executor, hostLevel: "contained", imageLevel: "hermetic" };
  };
  const chosen: ChosenExecutor[] = [];
  for (const images of [false, false, true, false, true]) chosen.push(await rooms.executor(images, choose));
  expect(count).toBe(2);
  expect(chosen.map((one) => one === chosen[0])).toEqual([true, true, false, false, false]);
  expect(new Set(chosen).size).toBe(2);
});
