import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { ProcessorShares } from "../../src/executor/sandbox/processor-shares.ts";
import { allowedProcessors } from "../../src/executor/sandbox/processors.ts";
import { executionRequest } from "../support/execution-request.ts";
import { makeHostImage } from "../support/host-image.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";
import { realExecutors } from "./real-executors.ts";

describe("processors for recipes that see a few", () => {
  test("are taken in turn, from the first on, and in rising order", () => {
    const shares = new ProcessorShares([4, 5, 7], 1);
    expect(shares.take(1).numbers).toEqual([5]);
    expect(shares.take(2).numbers).toEqual([4, 7]);
    expect(shares.take(9).numbers).toEqual([4, 5, 7]);
  });

  test("are those that the fewest use, and freed once", () => {
    const shares = new ProcessorShares([0, 1], 0);
    const first = shares.take(1);
    expect(shares.take(1).numbers).toEqual([1]);
    first.free();
    first.free();
    // Had it counted twice, both would be the first.
    expect([shares.take(1), shares.take(1)].map(({ numbers }) => numbers)).toEqual([[0], [1]]);
  });

  test("are never shared while another one is idle, whatever comes and goes", () => {
    const step = fc.record({ count: fc.integer({ min: 1, max: 3 }), ends: fc.nat() });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.nat(),
        fc.array(step, { maxLength: 40 }),
        (processors, first, steps) => {
          const all = Array.from({ length: processors }, (_, n) => n * 2);
          const shares = new ProcessorShares(all, first);
          const running: ReturnType<ProcessorShares["take"]>[] = [];
          const loads = () => all.map((number) => running.filter(({ numbers }) => numbers.includes(number)).length);
          for (const { count, ends } of steps) {
            if (ends % 3 === 0) running.splice(ends % Math.max(1, running.length), 1)[0]?.free();
            const before = loads();
            const share = shares.take(count);
            const taken = all.map((number) => share.numbers.includes(number));
            expect(share.numbers.length).toBe(Math.min(count, processors));
            const most = Math.max(...before.filter((_, i) => taken[i]));
            expect(before.every((load, i) => taken[i] || load >= most)).toBe(true);
            running.push(share);
          }
        },
      ),
    );
  });
});

const several = allowedProcessors().length > 1;

describe("two recipes in an image", () => {
  const scratch = scratchDirectory();
  const image = `${scratch.path}/image`;
  makeHostImage(image);
  const reals = realExecutors({ slots: 4 }).filter(({ isSandbox }) => isSandbox);
  afterAll(() => {
    for (const real of reals) real.dispose();
    scratch.dispose();
  });

  for (const real of reals)
    test.skipIf(!several)(
      `have a processor each, whichever slots they are in: ${real.name}${several ? "" : " (skipped: one processor)"}`,
      async () => {
        const { executor } = real.make();
        const stop = new AbortController();
        const seen: string[] = [];
        let sawBoth = (): void => {};
        const both = new Promise<void>((resolve) => {
          sawBoth = resolve;
        });
        const recipe = "grep Cpus_allowed_list: /proc/self/status; exec sleep 600";
        const request = executionRequest(recipe, { imageRoot: image });
        // Of four that are staged, two that are not neighbours are let go.
        const runs = [true, false, true, false].map((isLetGo) =>
          executor.execute(request, {
            signal: stop.signal,
            turn: () =>
              isLetGo
                ? Promise.resolve(() => {})
                : new Promise((_, reject) =>
                    stop.signal.addEventListener("abort", () => reject(new Error("not let go"))),
                  ),
            onOutput: (_, bytes) => {
              seen.push(Buffer.from(bytes).toString());
              if (seen.length === 2) sawBoth();
            },
          }),
        );
        await both;
        stop.abort();
        await Promise.allSettled(runs);
        await executor.close();
        expect(new Set(seen).size).toBe(2);
        expect(seen.every((line) => /^Cpus_allowed_list:\s+\d+\n$/.test(line))).toBe(true);
      },
    );
});
