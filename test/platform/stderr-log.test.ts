import { expect, test } from "vitest";
import { StderrLog } from "../../src/platform/index.ts";
import { ManualClock } from "../support/manual-clock.ts";

test("one JSON object a line, from the least level on", () => {
  const lines: string[] = [];
  const log = new StderrLog(new ManualClock(0), "info", (line) => lines.push(line));
  log.debug("unseen");
  log.info("blob.evicted", { bytes: 12, why: "two\nlines" });
  log.warn("disk.low");
  expect(lines).toEqual([
    '{"at":"1970-01-01T00:00:00.000Z","level":"info","event":"blob.evicted","bytes":12,"why":"two\\nlines"}\n',
    '{"at":"1970-01-01T00:00:00.000Z","level":"warn","event":"disk.low"}\n',
  ]);
});

test("a log that cannot be written ends nothing", () => {
  const log = new StderrLog(new ManualClock(0), "debug", () => {
    throw new Error("EPIPE");
  });
  log.warn("anything");
});
