import { afterAll } from "vitest";
import { BuildLeases, type CacheIndex, openIndex } from "../../src/cache/index.ts";
import { NodeFileTree } from "../../src/platform/index.ts";
import { actionIndexContract } from "../contracts/action-index.contract.ts";
import { leasesContract } from "../contracts/leases.contract.ts";
import { FakeProcessTable } from "../support/fake-process-table.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { MemoryActionIndex } from "../support/memory-action-index.ts";
import { MemoryLeases } from "../support/memory-leases.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";

const opened: { close(): void }[] = [];
const scratch = scratchDirectory();
let homes = 0;

async function open(clock: ManualClock, processes: FakeProcessTable, home: string): Promise<CacheIndex> {
  const index = await openIndex({ fs: new NodeFileTree(), clock, processes, cacheHome: home });
  opened.push(index);
  return index;
}

afterAll(() => {
  for (const one of opened) one.close();
  scratch.dispose();
});

actionIndexContract("SqliteActionIndex", async () => {
  const index = await open(new ManualClock(), new FakeProcessTable(), `${scratch.path}/${++homes}`);
  return index.actions;
});
actionIndexContract("MemoryActionIndex", () => new MemoryActionIndex());

leasesContract("BuildLeases over index.db, seen from another process", async () => {
  const clock = new ManualClock();
  const processes = new FakeProcessTable(1000);
  const home = `${scratch.path}/${++homes}`;
  const ours = await open(clock, processes, home);
  const theirs = await open(clock, processes.asSeenBy(2000), home);
  return {
    leases: new BuildLeases(ours.leases, clock, { flush() {} }),
    use: (hash) => ours.blobs.recordUses([{ hash, sizeBytes: undefined }]),
    isProtected: (hash) => {
      const { sinceMs, held } = theirs.leases.protection();
      return held.has(hash) || (theirs.blobs.lastUsesMs().get(hash) ?? Number.NEGATIVE_INFINITY) >= sinceMs;
    },
    tick: (ms) => clock.tick(ms),
    setWallMs: (ms) => clock.setWallMs(ms),
    nowMs: () => clock.nowMs(),
    die: () => processes.die(1000),
  };
});

leasesContract("MemoryLeases", () => {
  const clock = new ManualClock();
  const leases = new MemoryLeases(clock);
  return {
    leases,
    use: (hash) => leases.use(hash),
    isProtected: (hash) => leases.isProtected(hash),
    tick: (ms) => clock.tick(ms),
    setWallMs: (ms) => clock.setWallMs(ms),
    nowMs: () => clock.nowMs(),
    die: () => leases.die(),
  };
});
