import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ReadyQueue, upwardRanks } from "../../src/scheduler/ready-queue.ts";
import { ResourcePool } from "../../src/scheduler/resource-pool.ts";

describe("the ready queue", () => {
  test("gives the highest rank first, then the lowest number, whenever it is asked", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 30 }),
        fc.array(fc.boolean(), { maxLength: 80 }),
        (ranks, takes) => {
          const queue = new ReadyQueue(Float64Array.from(ranks));
          const model: number[] = [];
          let next = 0;
          const first = () => model.sort((a, b) => (ranks[b] as number) - (ranks[a] as number) || a - b)[0];
          for (const take of takes) {
            expect(queue.peek()).toBe(first());
            if (take) {
              expect(queue.pop()).toBe(first());
              model.shift();
            } else if (next < ranks.length) {
              queue.push(next);
              model.push(next++);
            }
            expect(queue.size).toBe(model.length);
          }
          while (model.length > 0) {
            expect(queue.pop()).toBe(first());
            model.shift();
          }
          expect(queue.pop()).toBe(undefined);
        },
      ),
    );
  });
});

describe("upward rank", () => {
  test("is the longest way to the end, what was never seen counted as asked", () => {
    // 0 and 1 are needed by 2, which 3 needs; 4 stands alone, 5 is left out.
    const needs = [[], [], [0, 1], [2, 5], [], []];
    const ranks = upwardRanks(
      [0, 1, 2, 4, 3],
      (chore) => Uint32Array.from(needs[chore] as number[]),
      Float32Array.from([10, 0, 5, 1, 3, 100]),
      (chore) => chore !== 5,
      7,
    );
    expect([...ranks]).toEqual([16, 13, 6, 1, 3, 0]);
  });
});

/** Waits for what waits for nothing but its turn. */
const turns = () => new Promise((resolve) => setImmediate(resolve));

describe("the resource pool", () => {
  const never = new AbortController().signal;

  /** Asks for each in turn; tells who got it, in order, and lets them end. */
  function asking(pool: ResourcePool) {
    const got: string[] = [];
    const ends = new Map<string, () => void>();
    return {
      got,
      async ask(name: string, wanted: Record<string, number>, exclusive = false, signal = never): Promise<void> {
        void pool.turn(wanted, exclusive, signal).then((end) => {
          got.push(name);
          ends.set(name, end);
        });
        await turns();
      },
      async end(name: string): Promise<void> {
        ends.get(name)?.();
        await turns();
      },
    };
  }

  test("runs as many as there are cores", async () => {
    const { got, ask, end } = asking(new ResourcePool({ cpu: 2 }));
    for (const name of ["a", "b", "c", "d"]) await ask(name, {});
    expect(got).toEqual(["a", "b"]);
    await end("b");
    expect(got).toEqual(["a", "b", "c"]);
    await end("a");
    expect(got).toEqual(["a", "b", "c", "d"]);
  });

  test("lets a small one past a large one that does not fit", async () => {
    const { got, ask, end } = asking(new ResourcePool({ cpu: 2 }));
    await ask("a", {});
    await ask("large", { cpu: 2 });
    await ask("b", {});
    expect(got).toEqual(["a", "b"]);
    await end("a");
    expect(got).toEqual(["a", "b"]);
    await end("b");
    expect(got).toEqual(["a", "b", "large"]);
  });

  test("gives what is more than there is when there is nothing else", async () => {
    const { got, ask, end } = asking(new ResourcePool({ cpu: 2, memory: 100 }));
    await ask("a", {});
    await ask("huge", { cpu: 64, memory: 1e12 });
    expect(got).toEqual(["a"]);
    await end("a");
    expect(got).toEqual(["a", "huge"]);
    await ask("b", {});
    expect(got).toEqual(["a", "huge"]);
    await end("huge");
    expect(got).toEqual(["a", "huge", "b"]);
  });

  test("a name it does not know is a pool of one", async () => {
    const { got, ask, end } = asking(new ResourcePool({ cpu: 4 }));
    await ask("a", { linker: 1 });
    await ask("b", { linker: 1 });
    await ask("c", { printer: 1 });
    expect(got).toEqual(["a", "c"]);
    await end("a");
    expect(got).toEqual(["a", "c", "b"]);
  });

  test("an exclusive one runs alone, and nobody overtakes it", async () => {
    const { got, ask, end } = asking(new ResourcePool({ cpu: 4 }));
    await ask("a", {});
    await ask("alone", {}, true);
    await ask("b", {});
    expect(got).toEqual(["a"]);
    await end("a");
    expect(got).toEqual(["a", "alone"]);
    await end("alone");
    expect(got).toEqual(["a", "alone", "b"]);
  });

  test("whoever is cancelled waits no more, and holds nothing", async () => {
    const { got, ask, end } = asking(new ResourcePool({ cpu: 1 }));
    const cancelled = new AbortController();
    await ask("a", {});
    await ask("b", {}, false, cancelled.signal);
    await ask("c", {});
    cancelled.abort();
    await turns();
    expect(got).toEqual(["a", "b"]);
    await end("b");
    expect(got).toEqual(["a", "b"]);
    await end("a");
    expect(got).toEqual(["a", "b", "c"]);
    await ask("d", {}, false, cancelled.signal);
    expect(got).toEqual(["a", "b", "c", "d"]);
  });

  test("never gives more than it has, and forgets nobody", async () => {
    const aWish = fc.record({
      wanted: fc.dictionary(fc.constantFrom("cpu", "memory", "linker"), fc.integer({ min: 1, max: 4 })),
      exclusive: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(aWish, { maxLength: 12 }), fc.infiniteStream(fc.nat()), async (wishes, dice) => {
        const capacity: Record<string, number> = { cpu: 2, memory: 3, linker: 1 };
        const pool = new ResourcePool({ cpu: 2, memory: 3 });
        const running = new Map<number, () => void>();
        let served = 0;
        for (const [i, { wanted, exclusive }] of wishes.entries()) {
          void pool.turn(wanted, exclusive, never).then((end) => {
            served++;
            running.set(i, end);
          });
        }
        while (served < wishes.length || running.size > 0) {
          await turns();
          expect(running.size).toBeGreaterThan(0);
          for (const [name, most] of Object.entries(capacity)) {
            let used = 0;
            for (const i of running.keys()) {
              const asked = wishes[i]?.wanted[name] ?? (name === "cpu" ? 1 : 0);
              used += Math.min(asked, most);
            }
            expect(used).toBeLessThanOrEqual(most);
          }
          if ([...running.keys()].some((i) => wishes[i]?.exclusive)) expect(running.size).toBe(1);
          expect(pool.running).toBe(running.size);
          const list = [...running.keys()];
          const one = list[(dice.next().value as number) % list.length] as number;
          running.get(one)?.();
          running.delete(one);
        }
        expect(pool.running).toBe(0);
      }),
      { numRuns: 60 },
    );
  });
});
