import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { BuildOptions } from "../../src/cli/services.ts";
import { Workbench } from "../../src/cli/wiring/workbench.ts";
import { FakeHost } from "../support/fake-host.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { fastPlace, scratchDirectory } from "../support/scratch-directory.ts";

const MINUTE_MS = 60_000;

let scratch: ReturnType<typeof scratchDirectory>;
let bench: Workbench;
let clock: ManualClock;
const host = new FakeHost();

beforeEach(() => {
  scratch = scratchDirectory(fastPlace());
  host.env.BEGAT_STATE_HOME = join(scratch.path, "state");
  host.env.BEGAT_CACHE_HOME = join(scratch.path, "cache");
  bench = new Workbench({ root: join(scratch.path, "checkout"), entries: ["begatfile"], directory: "" });
  clock = new ManualClock();
});
afterEach(async () => {
  await bench.close();
  scratch.dispose();
});

const begin = async () => {
  const rooms = await bench.rooms(host, { dryRun: false } as BuildOptions, () => {});
  return (await rooms.records()).ledger;
};

test("a ledger stays open from build to build, for three minutes after the last, however many found nothing to do", async () => {
  const ledger = await begin();
  bench.rest(clock);
  await clock.advance(2 * MINUTE_MS);
  // Found nothing to do, and so opened nothing.
  bench.rest(clock);
  await clock.advance(MINUTE_MS / 2);
  expect(await begin()).toBe(ledger);
  await clock.advance(60 * MINUTE_MS);
  expect(ledger.size()).toBeGreaterThan(0);
  bench.rest(clock);
  await clock.advance(3 * MINUTE_MS - 1);
  expect(ledger.size()).toBeGreaterThan(0);
  await clock.advance(1);
  expect(() => ledger.size()).toThrow();
  expect(await begin()).not.toBe(ledger);
});
