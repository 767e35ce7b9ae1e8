import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { digestOf, type Sha256 } from "../../src/base/index.ts";
import {
  BuildLeases,
  type CacheIndex,
  type CollectorOptions,
  cacheStatistics,
  collectGarbage,
  FileBlobStore,
  openIndex,
  verifyCache,
} from "../../src/cache/index.ts";
import { NodeFileTree } from "../../src/platform/index.ts";
import { FakeProcessTable } from "../support/fake-process-table.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { MemoryBulkFiles } from "../support/memory-bulk-files.ts";
import { MemoryFileTree } from "../support/memory-file-tree.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";
import { SeededRandom } from "../support/seeded-random.ts";

/** Blobs in memory, under a clock that is moved by hand; only SQLite's own file is on the disk. */
describe("collectGarbage", () => {
  let clock: ManualClock;
  let fs: MemoryFileTree;
  let processes: FakeProcessTable;
  let collectorsIndex: CacheIndex;
  let buildsIndex: CacheIndex;
  let store: FileBlobStore;
  let dispose: () => void;

  beforeEach(async () => {
    const scratch = scratchDirectory();
    clock = new ManualClock();
    fs = new MemoryFileTree(clock);
    processes = new FakeProcessTable(1000);
    const open = (table: FakeProcessTable) =>
      openIndex({ fs: new NodeFileTree(), clock, processes: table, cacheHome: scratch.path });
    collectorsIndex = await open(processes.asSeenBy(2000));
    buildsIndex = await open(processes);
    store = newStore();
    dispose = () => {
      collectorsIndex.close();
      buildsIndex.close();
      scratch.dispose();
    };
  });
  afterEach(() => dispose());

  function newStore(): FileBlobStore {
    const bulk = new MemoryBulkFiles(fs);
    const made = new FileBlobStore({ fs, bulk, processes, random: new SeededRandom(3), cacheHome: "/cache" });
    made.attachIndex(buildsIndex.blobs);
    return made;
  }

  const collect = (over: Partial<CollectorOptions> = {}) =>
    collectGarbage({
      fs,
      clock,
      processes: processes.asSeenBy(2000),
      cacheHome: "/cache",
      index: collectorsIndex,
      maxSizeBytes: 0,
      ...over,
    });

  /** A blob of ten bytes, a second after the one before. */
  function put(name: string): { hash: Sha256; sizeBytes: number } {
    clock.tick(1000);
    return store.write(Buffer.from(name.padEnd(10)));
  }

  test("keeps to the budget, least recently used first, and says what it did", async () => {
    const [a, b, c] = [put("a"), put("b"), put("c")];
    clock.tick(1000);
    store.read(a);
    store.flush();
    const result = await collect({ maxSizeBytes: 20 });
    expect(result).toMatchObject({ removed: 1, freedBytes: 10, kept: 2, keptBytes: 20, leased: 0, leftovers: 0 });
    expect([a, b, c].map((digest) => store.has(digest))).toEqual([true, false, true]);
    expect(result.decisions.map((one) => one.hash)).toEqual([b.hash, c.hash, a.hash]);
    expect(await collect({ maxSizeBytes: 20 })).toMatchObject({ removed: 0, kept: 2 });
  });

  test("an empty or missing cache home is nothing to collect", async () => {
    expect(await collect()).toMatchObject({ removed: 0, kept: 0, leftovers: 0 });
  });

  test("what a running build has used stays; what it has not goes", async () => {
    const [old, reused] = [put("old"), put("reused")];
    store.flush();
    clock.tick(1000);
    const lease = new BuildLeases(buildsIndex.leases, clock, store).begin();
    expect(store.has(reused)).toBe(true);
    const made = put("made");
    const collecting = collect();
    await clock.advance(5000);
    expect(await collecting).toMatchObject({ removed: 1, kept: 2, leased: 2, leasedBytes: 20 });
    expect([old, reused, made].map((digest) => store.has(digest))).toEqual([false, true, true]);
    lease.release();
    clock.tick(1);
    expect(await collect()).toMatchObject({ removed: 2, leased: 0 });
  });

  test("a blob that is on its way out is still read, and stays", async () => {
    const blob = put("wanted");
    clock.tick(1000);
    const lease = new BuildLeases(buildsIndex.leases, clock, store).begin();
    const collecting = collect();
    await clock.advance(100);
    expect(fs.list("/cache/trash").size).toBe(1);
    expect(store.read(blob).toString()).toBe("wanted    ");
    await clock.advance(5000);
    const result = await collecting;
    expect(result.decisions).toMatchObject([{ hash: blob.hash, remove: false, reason: "in-use" }]);
    expect(store.has(blob)).toBe(true);
    lease.release();
  });

  test("a blob somebody was told of before it went to the trash comes back", async () => {
    const blob = put("told of");
    store.flush();
    clock.tick(1000);
    const lease = new BuildLeases(buildsIndex.leases, clock, store).begin();
    // Only in the holder's memory until its second is over.
    expect(store.has(blob)).toBe(true);
    const collecting = collect();
    await clock.advance(10);
    expect(fs.list("/cache/trash").size).toBe(1);
    await clock.advance(5000);
    expect(await collecting).toMatchObject({ removed: 0, kept: 1, leased: 1 });
    expect(fs.list("/cache/trash").size).toBe(0);
    lease.release();
  });

  test("a build that begins while the collector looks is waited for too", async () => {
    const blob = put("in between");
    clock.tick(1000);
    const lift = fs.onCall;
    fs.onCall = (method) => {
      if (method !== "rename") return;
      fs.onCall = lift;
      new BuildLeases(buildsIndex.leases, clock, store).begin().hold([blob.hash]);
    };
    const collecting = collect();
    await clock.advance(5000);
    expect(await collecting).toMatchObject({ removed: 0, kept: 1, leased: 1 });
    expect(store.has(blob)).toBe(true);
  });

  test("a lease whose process is gone protects nothing", async () => {
    new BuildLeases(buildsIndex.leases, clock, store).begin();
    const blob = put("orphan");
    store.flush();
    processes.die(1000);
    expect(await collect()).toMatchObject({ removed: 1, leased: 0 });
    expect(store.has(blob)).toBe(false);
  });

  test("what a collector left in the trash when it died is removed, or taken back by who wants it", async () => {
    const [a, b] = [put("a"), put("b")];
    fs.makeDirectory("/cache/trash");
    for (const { hash } of [a, b]) fs.rename(store.layout.blob(hash), store.layout.trashed(hash));
    expect(newStore().has(a)).toBe(true);
    expect(await collect({ maxSizeBytes: 100 })).toMatchObject({ removed: 0, kept: 1 });
    expect([store.has(a), store.has(b)]).toEqual([true, false]);
    expect(fs.list("/cache/trash").size).toBe(0);
  });

  test("temporary files of processes that are gone go; those of the living, and young ones of nobody, stay", async () => {
    fs.makeDirectory("/cache/tmp");
    for (const name of ["begat-1000-77-ab-1", "begat-3000-77-ab-1", "begat-1000-76-ab-1", "whatever"]) {
      fs.writeFile(`/cache/tmp/${name}`, "half");
    }
    processes.die(3000);
    expect((await collect()).leftovers).toBe(2);
    expect([...fs.list("/cache/tmp").keys()]).toEqual(["/cache/tmp/begat-1000-77-ab-1", "/cache/tmp/whatever"]);
    clock.tick(25 * 3_600_000);
    expect((await collect()).leftovers).toBe(1);
  });

  test("names in the store that are no blob's are let alone", async () => {
    put("a");
    fs.makeDirectory("/cache/cas/zz");
    fs.writeFile("/cache/cas/zz/README", "not ours");
    fs.writeFile("/cache/cas/stray", "not ours");
    expect(await collect()).toMatchObject({ removed: 1, kept: 0 });
    expect(fs.readFile("/cache/cas/zz/README").toString()).toBe("not ours");
  });

  test("what the ledger needs is never removed", async () => {
    const [a, b] = [put("a"), put("b")];
    expect(await collect({ isRequired: (hash) => hash === a.hash })).toMatchObject({ removed: 1, kept: 1, leased: 0 });
    expect([store.has(a), store.has(b)]).toEqual([true, false]);
  });

  test("a cache that cannot be written is told by its directory and the way out", async () => {
    put("a");
    fs.fail({ method: "rename", code: "FILE_SYSTEM_READ_ONLY" });
    await expect(collect()).rejects.toMatchObject({
      code: "BLOB_STORE_UNUSABLE",
      message: expect.stringContaining("/cache"),
      hint: expect.stringContaining("BEGAT_CACHE_HOME"),
    });
  });

  test("cancelling while it waits leaves the blobs where the next reader finds them", async () => {
    const blob = put("a");
    clock.tick(1000);
    const lease = new BuildLeases(buildsIndex.leases, clock, store).begin();
    const controller = new AbortController();
    const collecting = collect({ signal: controller.signal });
    await clock.advance(10);
    controller.abort(new Error("enough"));
    await expect(collecting).rejects.toThrow("enough");
    expect(store.has(blob)).toBe(true);
    lease.release();
  });

  test("statistics count what is there", async () => {
    put("a");
    const b = put("b");
    fs.makeDirectory("/cache/tmp");
    fs.writeFile("/cache/tmp/begat-1-1-x-1", "half");
    fs.replaceFile(store.layout.blob(b.hash), "damaged");
    expect(() => newStore().read(b)).toThrow();
    const lease = new BuildLeases(buildsIndex.leases, clock, store).begin();
    expect(cacheStatistics(fs, "/cache", collectorsIndex)).toMatchObject({
      blobs: 1,
      blobBytes: 10,
      quarantined: 1,
      quarantinedBytes: 7,
      temporaries: 1,
      executions: 0,
      leases: 1,
    });
    lease.release();
  });

  test("verifying hashes every blob again and sets aside what is wrong", async () => {
    const sound = put("sound");
    const flipped = put("flipped");
    const large = store.write(Buffer.alloc(5 << 20, "large"));
    fs.replaceFile(store.layout.blob(flipped.hash), "flopped   ");
    fs.replaceFile(store.layout.blob(large.hash), Buffer.alloc(5 << 20, "lard"));
    const progress: number[] = [];
    const verifying = verifyCache({
      fs,
      bulk: new MemoryBulkFiles(fs),
      clock,
      processes,
      random: new SeededRandom(1),
      cacheHome: "/cache",
      index: collectorsIndex,
      onProgress: (checked, of) => progress.push(checked, of),
    });
    await clock.advance(10);
    const result = await verifying;
    expect(result).toMatchObject({ checked: 3, indexIsSound: true });
    expect(result.corrupt.map((one) => one.digest.hash).sort()).toEqual([flipped.hash, large.hash].sort());
    expect(result.corrupt.find((one) => one.digest.hash === flipped.hash)?.found).toBe(digestOf("flopped   ").hash);
    expect([sound, flipped, large].map((digest) => store.has(digest))).toEqual([true, false, false]);
    expect(progress).toEqual([3, 3]);
  });
});
