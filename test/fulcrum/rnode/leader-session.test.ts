import { expect, test } from "vitest";
import { LeaderSession } from "../../../src/fulcrum/rnode/leader-session.ts";
import type { farm } from "../../../src/protocol/index.ts";
import { ManualClock } from "../../support/manual-clock.ts";

test("a session that is begun when all is to end does end, and closes its connection", async () => {
  let closed = 0;
  const connection = {
    async *work(_: AsyncIterable<farm.WorkerMessage>, signal: AbortSignal): AsyncGenerator<farm.LeaderMessage> {
      signal.throwIfAborted();
      await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    },
    close: () => void closed++,
  };
  const listener = { held: () => [], onWelcome: () => {}, onMessage: () => {}, onBeat: () => {} };
  const clock = new ManualClock();
  const session = new LeaderSession(clock, connection, {} as farm.Hello, listener);
  let end: unknown;
  const running = session.run(AbortSignal.abort("no more")).catch((error: unknown) => {
    end = error;
  });
  // Not by the leader's silence.
  await clock.advance(9000);
  expect({ end, closed, sleeping: clock.sleeping }).toEqual({ end: "no more", closed: 1, sleeping: 0 });
  await running;
});
