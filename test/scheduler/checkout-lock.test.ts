import { describe, expect, test } from "vitest";
import { Checkout, CheckoutLock } from "../../src/scheduler/index.ts";
import { FakeProcessTable } from "../support/fake-process-table.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { MemoryFileTree } from "../support/memory-file-tree.ts";
import { SeededRandom } from "../support/seeded-random.ts";

const never = new AbortController().signal;

function place() {
  const clock = new ManualClock();
  const fs = new MemoryFileTree(clock);
  fs.makeDirectory("/w");
  const processes = new FakeProcessTable(1);
  const checkout = new Checkout(fs, "/w");
  const acquire = (pid: number, onWait: (pid: number | undefined) => void = () => {}, signal = never) =>
    CheckoutLock.acquire(
      checkout,
      { clock, random: new SeededRandom(pid), processes: processes.asSeenBy(pid) },
      onWait,
      signal,
    );
  return { clock, fs, processes, acquire };
}

describe("the lock of a checkout", () => {
  test("is held by one, and whoever waits is told once for whom", async () => {
    const { clock, acquire } = place();
    const first = await acquire(10);
    const waited: (number | undefined)[] = [];
    let second: CheckoutLock | undefined;
    const coming = acquire(11, (pid) => waited.push(pid)).then((lock) => {
      second = lock;
    });
    await clock.advance(1000);
    expect(second).toBe(undefined);
    expect(waited).toEqual([10]);
    first.release();
    await clock.advance(100);
    await coming;
    expect(second).toBeDefined();
  });

  test("leaves nothing behind but itself", async () => {
    const { fs, acquire } = place();
    const lock = await acquire(10);
    expect(fs.paths("/w/.begat")).toEqual(["/w/.begat/lock"]);
    lock.release();
    expect(fs.paths("/w/.begat")).toEqual([]);
    lock.release();
  });

  test("of a holder that is gone is taken over at once", async () => {
    const { fs, processes, acquire } = place();
    const first = await acquire(10);
    processes.die(10);
    const second = await acquire(11);
    // The dead one's late release must not take the lock from the living.
    first.release();
    expect(JSON.parse(fs.readFile("/w/.begat/lock").toString())).toMatchObject({ pid: 11 });
    second.release();
  });

  test.each([["{"], [""], ['{"pid":10,"startedAt":1}']])("with %j in it is nobody's", async (text) => {
    const { fs, acquire } = place();
    fs.makeDirectory("/w/.begat");
    fs.writeFile("/w/.begat/lock", text);
    await acquire(10);
    expect(JSON.parse(fs.readFile("/w/.begat/lock").toString())).toMatchObject({ pid: 10 });
  });

  test("can be waited for no longer", async () => {
    const { clock, fs, acquire } = place();
    await acquire(10);
    const cancelled = new AbortController();
    const coming = acquire(11, () => {}, cancelled.signal);
    await clock.advance(50);
    cancelled.abort();
    await expect(coming).rejects.toThrow();
    expect(fs.paths("/w/.begat")).toEqual(["/w/.begat/lock"]);
  });

  test("cannot be had where nothing can be written", async () => {
    const { fs, acquire } = place();
    fs.fail({ method: "writeFile", code: "FILE_SYSTEM_READ_ONLY" });
    await expect(acquire(10)).rejects.toMatchObject({ code: "CHECKOUT_NOT_WRITABLE" });
  });

  test("leaves nothing on a full disk", async () => {
    const { fs, acquire } = place();
    fs.capacityBytes = 3;
    await expect(acquire(10)).rejects.toMatchObject({ code: "CHECKOUT_NOT_WRITABLE" });
    expect(fs.paths("/w/.begat")).toEqual([]);
  });

  test("is never held by two, whoever dies when", async () => {
    for (let seed = 0; seed < 200; seed++) {
      const { clock, fs, processes, acquire } = place();
      const dice = new SeededRandom(seed);
      const holders = new Set<number>();
      const wanting = new Map<number, Promise<void>>();
      const locks = new Map<number, CheckoutLock>();
      let pid = 100;
      for (let step = 0; step < 40; step++) {
        const what = dice.below(4);
        if (what === 0) {
          const mine = pid++;
          wanting.set(
            mine,
            acquire(mine).then((lock) => {
              for (const other of holders) expect(processes.isAlive({ pid: other, startedAt: 77 })).toBe(false);
              holders.add(mine);
              locks.set(mine, lock);
            }),
          );
        } else if (what === 1 && locks.size > 0) {
          const mine = dice.pick([...locks.keys()]);
          holders.delete(mine);
          locks.get(mine)?.release();
          locks.delete(mine);
        } else if (what === 2 && locks.size > 0) {
          const mine = dice.pick([...locks.keys()]);
          processes.die(mine);
          holders.delete(mine);
          locks.delete(mine);
        } else await clock.advance(dice.below(60));
      }
      for (const mine of [...locks.keys()]) locks.get(mine)?.release();
      holders.clear();
      // Everybody comes to his turn.
      for (let rounds = 0; rounds < 60 && locks.size < wanting.size; rounds++) {
        await clock.advance(30);
        for (const [mine, lock] of locks) {
          lock.release();
          holders.delete(mine);
        }
      }
      await Promise.all(wanting.values());
      for (const lock of locks.values()) lock.release();
      const last = acquire(1);
      await clock.advance(100);
      (await last).release();
      expect(fs.paths("/w/.begat"), `seed ${seed}`).toEqual([]);
    }
  });
});
