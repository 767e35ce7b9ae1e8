import { expect, test } from "vitest";
import { callExecution } from "../../src/fulcrum-client/index.ts";
import { longrunning } from "../../src/protocol/index.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { SeededRandom } from "../support/seeded-random.ts";

test("says which operation it gives up, where it is told to", async () => {
  const stop = new AbortController();
  const left: string[] = [];
  const call = callExecution({
    channel: { client: () => ({}) } as never,
    async *ask({ signal }) {
      yield longrunning.Operation.fromPartial({ name: "executions/1" });
      stop.abort(new Error("the build is cancelled"));
      signal?.throwIfAborted();
    },
    clock: new ManualClock(),
    random: new SeededRandom(1),
    retry: { attempts: 1, firstDelayMs: 1, maxDelayMs: 1 },
    signal: stop.signal,
    onLeft: (name) => left.push(name),
  });
  await expect(call).rejects.toThrow("the build is cancelled");
  expect(left).toEqual(["executions/1"]);
});
