import { expect, test } from "vitest";
import type { DescribedAction } from "../../src/executor/index.ts";
import type { IngestBody } from "../../src/provenance/index.ts";
import type { RunContext } from "../../src/scheduler/chore-run.ts";
import { buildImage } from "../../src/scheduler/image-run.ts";
import type { BuiltImage } from "../../src/scheduler/rooms.ts";
import { ManualClock } from "../support/manual-clock.ts";

const libc: IngestBody = { kind: "ingest", name: "libc6", uri: "deb:libc6", version: "1", files: [], by: "me" };
const described = { request: { inputs: [], links: [], emptyDirectories: [] } } as unknown as DescribedAction;

/** Builds an image for which libc6 came in, before `end` says what became of it. */
function building(end: (stop: () => void) => BuiltImage) {
  const entered: IngestBody[] = [];
  const stop = new AbortController();
  const context = {
    plan: { imageName: () => "cc" },
    specs: [{ name: "cc" }],
    rooms: {
      clock: new ManualClock(),
      images: {
        async build(_spec: unknown, _content: unknown, _signal: unknown, onIngested: (body: IngestBody) => void) {
          onIngested(libc);
          return end(() => stop.abort());
        },
      },
    },
    signal: stop.signal,
    recorder: { entered: async (bodies: readonly IngestBody[]) => void entered.push(...bodies) },
  } as unknown as RunContext;
  return { entered, made: buildImage(context, 0, described) };
}

test("what came in for an image is recorded where it was built", async () => {
  const { entered, made } = building(() => ({ digest: "d", report: "{}", summary: "" }) as BuiltImage);
  expect(await made).toMatchObject({ result: { verdict: "ok" } });
  expect(entered).toEqual([libc]);
});

test("what came in for an image is recorded where that could not be built", async () => {
  const { entered, made } = building(() => {
    throw new Error("two packages have one file");
  });
  expect(await made).toMatchObject({ result: { verdict: "executor-error" }, built: undefined });
  expect(entered).toEqual([libc]);
});

test("what came in for an image is recorded where the build was stopped", async () => {
  const { entered, made } = building((stop) => {
    stop();
    throw new Error("stopped");
  });
  await expect(made).rejects.toThrow("stopped");
  expect(entered).toEqual([libc]);
});
