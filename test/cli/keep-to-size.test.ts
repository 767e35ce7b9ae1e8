import { expect, test } from "vitest";
import { keepToSize } from "../../src/cli/wiring/keep-to-size.ts";
import { FakeProcessRunner } from "../support/fake-process-runner.ts";
import { ManualClock } from "../support/manual-clock.ts";

const TEN_MINUTES = 10 * 60_000;

test("keeps a cache to its size at once and every ten minutes, whatever became of the time before, until it ends", async () => {
  const clock = new ManualClock();
  let status = 0;
  const runner = new FakeProcessRunner(clock).install(process.execPath, ({ print }) => {
    print(
      status === 0 ? "stdout" : "stderr",
      status === 0 ? "removed 3 blobs\n" : "error: the disk is gone\nhint: none\n",
    );
    return status;
  });
  const said: string[] = [];
  const log = {
    debug: (_: string, facts?: object) => void said.push(`debug ${JSON.stringify(facts)}`),
    info: () => {},
    warn: (_: string, facts?: object) => void said.push(`warn ${JSON.stringify(facts)}`),
  };
  const ended = new AbortController();
  const directories = { stateHome: "/state", cacheHome: "/cache" };
  const machine = { clock, runner, directories, environment: { PATH: "/bin" } } as unknown as Parameters<
    typeof keepToSize
  >[0];
  const kept = keepToSize(machine, 5_000, log, ended.signal);
  const rested = async () => {
    while (clock.sleeping === 0) await new Promise(setImmediate);
  };
  await rested();
  expect(runner.runs.map(({ argv, env }) => [argv.slice(2), env])).toEqual([
    [["cache", "gc", "--max-size", "5000"], { PATH: "/bin", BEGAT_STATE_HOME: "/state", BEGAT_CACHE_HOME: "/cache" }],
  ]);
  status = 1;
  await clock.advance(TEN_MINUTES - 1);
  expect(runner.runs).toHaveLength(1);
  await clock.advance(1);
  await rested();
  status = 0;
  await clock.advance(TEN_MINUTES);
  await rested();
  expect(said).toEqual([
    'debug {"said":"removed 3 blobs"}',
    'warn {"because":"error: the disk is gone"}',
    'debug {"said":"removed 3 blobs"}',
  ]);
  ended.abort();
  await kept;
  expect([runner.runs.length, said.length]).toEqual([3, 3]);
});
