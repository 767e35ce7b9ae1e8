import { describe, expect, test } from "vitest";
import type { Clock } from "../../src/ports/index.ts";

export interface ClockHarness {
  readonly clock: Clock;
  /** Lets at least this much time pass; a real clock needs no help. */
  pass(ms: number): Promise<void>;
}

export function clockContract(name: string, make: () => ClockHarness): void {
  describe(`clock contract: ${name}`, () => {
    test("wall time is a time of this century, in milliseconds", () => {
      const { clock } = make();
      expect(clock.nowMs()).toBeGreaterThan(Date.UTC(2020, 0));
      expect(clock.nowMs()).toBeLessThan(Date.UTC(2100, 0));
    });

    test("monotonic time never goes back", () => {
      const { clock } = make();
      let last = clock.monotonicMs();
      for (let i = 0; i < 1000; i++) {
        const next = clock.monotonicMs();
        expect(next).toBeGreaterThanOrEqual(last);
        last = next;
      }
    });

    test("sleep resolves once that much monotonic time has passed", async () => {
      const { clock, pass } = make();
      const before = clock.monotonicMs();
      const slept = clock.sleep(20).then(() => clock.monotonicMs());
      await pass(20);
      // Node's timers may fire a fraction of a millisecond early.
      expect((await slept) - before).toBeGreaterThanOrEqual(19);
    });

    test("sleepers wake in the order they are due", async () => {
      const { clock, pass } = make();
      const order: number[] = [];
      const all = [30, 1, 15].map((ms) => clock.sleep(ms).then(() => order.push(ms)));
      await pass(30);
      await Promise.all(all);
      expect(order).toEqual([1, 15, 30]);
    });

    test("sleep(0) resolves", async () => {
      const { clock, pass } = make();
      const slept = clock.sleep(0);
      await pass(1);
      await slept;
    });

    test("a cancelled sleep rejects with the signal's reason, even a long one", async () => {
      const { clock } = make();
      const controller = new AbortController();
      const slept = clock.sleep(2 ** 40, controller.signal);
      const reason = new Error("enough");
      controller.abort(reason);
      await expect(slept).rejects.toBe(reason);
    });

    test("a sleep that was cancelled before it began rejects at once", async () => {
      const { clock } = make();
      const reason = new Error("too late");
      await expect(clock.sleep(1000, AbortSignal.abort(reason))).rejects.toBe(reason);
    });
  });
}
