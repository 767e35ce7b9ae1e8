import { expect, test } from "vitest";
import type { DescribedAction } from "../../src/executor/index.ts";
import type { IngestBody } from "../../src/provenance/index.ts";
import type { RunContext } from "../../src/scheduler/chore-run.ts";
import { buildImage } from "../../src/scheduler/image-run.ts";
import type { Images } from "../../src/scheduler/rooms.ts";
import { ManualClock } from "../support/manual-clock.ts";

const libc: IngestBody = { kind: "ingest", name: "libc6", uri: "deb:libc6", version: "1", files: [], by: "me" };
const described = { request: { inputs: [], links: [], emptyDirectories: [] } } as unknown as DescribedAction;

const running = (build: Images["build"]): RunContext =>
  ({
    plan: { imageName: () => "cc" },
    specs: [{ name: "cc" }],
    rooms: { clock: new ManualClock(), images: { build } },
    signal: new AbortController().signal,
  }) as unknown as RunContext;

test("what came in for an image is told, whether it was built or not", async () => {
  const built = await buildImage(
    running(async (_spec, _content, _signal, onIngested) => {
      onIngested(libc);
      return { digest: "d", report: "{}", summary: "" } as Awaited<ReturnType<Images["build"]>>;
    }),
    0,
    described,
  );
  expect(built).toMatchObject({ result: { verdict: "ok" }, ingested: [libc] });
  const failed = await buildImage(
    running(async (_spec, _content, _signal, onIngested) => {
      onIngested(libc);
      throw new Error("two packages have one file");
    }),
    0,
    described,
  );
  expect(failed).toMatchObject({ result: { verdict: "executor-error" }, built: undefined, ingested: [libc] });
});
