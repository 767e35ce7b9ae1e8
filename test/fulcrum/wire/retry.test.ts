import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  defaultRetryPolicy,
  RpcError,
  retryDelayMs,
  type StatusName,
  withRetries,
} from "../../../src/fulcrum-client/index.ts";
import { durationOf, packAny, rpc } from "../../../src/protocol/index.ts";
import { SeededRandom } from "../../support/seeded-random.ts";

const failed = (status: Exclude<StatusName, "OK">) => new RpcError(status, "said the server");

describe("retry policy", () => {
  const table: readonly (readonly [status: Exclude<StatusName, "OK">, again: boolean])[] = [
    ["UNAVAILABLE", true],
    ["INTERNAL", true],
    ["RESOURCE_EXHAUSTED", true],
    ["ABORTED", true],
    ["INVALID_ARGUMENT", false],
    ["FAILED_PRECONDITION", false],
    ["NOT_FOUND", false],
    ["PERMISSION_DENIED", false],
    ["UNAUTHENTICATED", false],
    ["CANCELLED", false],
    ["DEADLINE_EXCEEDED", false],
  ];
  for (const [status, again] of table) {
    test(`${status} is ${again ? "tried again" : "final"}`, () => {
      expect(retryDelayMs(defaultRetryPolicy, 1, failed(status), new SeededRandom(1)) !== undefined).toBe(again);
    });
  }

  test("waits between half and all of a delay that doubles up to its bound", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 19 }), fc.nat(), (attempt, seed) => {
        const policy = { attempts: 20, firstDelayMs: 100, maxDelayMs: 5000 };
        const full = Math.min(100 * 2 ** (attempt - 1), 5000);
        const delay = retryDelayMs(policy, attempt, failed("UNAVAILABLE"), new SeededRandom(seed)) ?? -1;
        expect(delay).toBeGreaterThanOrEqual(Math.floor(full / 2));
        expect(delay).toBeLessThanOrEqual(full);
      }),
    );
  });

  test("waits as long as the server asks", () => {
    const details = [packAny("google.rpc.RetryInfo", rpc.RetryInfo, { retryDelay: durationOf(12_345) })];
    const error = new RpcError("UNAVAILABLE", "later", { details });
    expect(retryDelayMs(defaultRetryPolicy, 1, error, new SeededRandom(1))).toBe(12_345);
  });

  test("gives up after the last attempt, with the last error", async () => {
    const errors: RpcError[] = [];
    const clock = { sleep: async () => {}, nowMs: () => 0, monotonicMs: () => 0 };
    const running = withRetries(
      { attempts: 3, firstDelayMs: 10, maxDelayMs: 10 },
      clock,
      new SeededRandom(1),
      async () => {
        const error = failed("UNAVAILABLE");
        errors.push(error);
        throw error;
      },
    );
    const last = await running.catch((cause: unknown) => cause);
    expect([errors.length, last]).toEqual([3, errors[2]]);
  });
});
