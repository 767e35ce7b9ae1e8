import { beforeEach, describe, expect, test } from "vitest";
import { type Sha256, sha256 } from "../../src/base/index.ts";
import type { Leases } from "../../src/cache/index.ts";

export interface LeasesHarness {
  readonly leases: Leases;
  /** Uses a blob as a store of this process does, and writes its uses down. */
  use(hash: Sha256): void;
  /** Whether a collector in another process would spare this blob. */
  isProtected(hash: Sha256): boolean;
  /** Lets time pass, milliseconds. */
  tick(ms: number): void;
  /** Sets wall time. */
  setWallMs(ms: number): void;
  nowMs(): number;
  /** The process that holds the leases dies. */
  die(): void;
}

export function leasesContract(name: string, make: () => LeasesHarness | Promise<LeasesHarness>): void {
  describe(`leases contract: ${name}`, () => {
    const blob = sha256("a blob");
    let harness: LeasesHarness;
    beforeEach(async () => {
      harness = await make();
    });

    test("without a lease nothing is protected", () => {
      harness.use(blob);
      expect(harness.isProtected(blob)).toBe(false);
    });

    test("what is used while a lease is held is protected until it is released", () => {
      const lease = harness.leases.begin();
      harness.tick(5000);
      harness.use(blob);
      expect(harness.isProtected(blob)).toBe(true);
      lease.release();
      expect(harness.isProtected(blob)).toBe(false);
    });

    test("what was used before the lease began is not, unless it is held by name", () => {
      harness.use(blob);
      harness.tick(10);
      const lease = harness.leases.begin();
      expect(harness.isProtected(blob)).toBe(false);
      lease.hold([blob, sha256("another")]);
      lease.hold([blob]);
      expect(harness.isProtected(blob)).toBe(true);
      lease.release();
      expect(harness.isProtected(blob)).toBe(false);
    });

    test("the oldest of several leases counts, and releasing one leaves the others", () => {
      const first = harness.leases.begin();
      harness.tick(10);
      harness.use(blob);
      harness.tick(10);
      const second = harness.leases.begin();
      second.hold([sha256("held")]);
      expect(harness.isProtected(blob)).toBe(true);
      first.release();
      expect([harness.isProtected(blob), harness.isProtected(sha256("held"))]).toEqual([false, true]);
      second.release();
      expect(harness.isProtected(sha256("held"))).toBe(false);
    });

    test("a clock set back takes nothing out of the lease", () => {
      const lease = harness.leases.begin();
      harness.setWallMs(harness.nowMs() - 3_600_000);
      harness.use(blob);
      expect(harness.isProtected(blob)).toBe(true);
      lease.release();
    });

    test("a holder that dies loses its claim", () => {
      const lease = harness.leases.begin();
      harness.use(blob);
      lease.hold([sha256("held")]);
      harness.die();
      expect([harness.isProtected(blob), harness.isProtected(sha256("held"))]).toEqual([false, false]);
    });

    test("releasing twice is releasing once", () => {
      const lease = harness.leases.begin();
      lease.release();
      lease.release();
    });
  });
}
