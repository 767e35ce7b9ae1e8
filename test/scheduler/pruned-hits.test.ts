import { expect, test } from "vitest";
import type { Sha256 } from "../../src/base/index.ts";
import { pruneAction } from "../../src/executor/index.ts";
import { parseHits, prunedHitProblem, verifyLedger } from "../../src/provenance/index.ts";
import { MemoryBuilds, memoryLister } from "../support/memory-build.ts";

const world = new MemoryBuilds((run) => {
  run.write("out", run.inputs.get("used")?.toString() ?? "");
  run.write("x.d", "out: used\n");
  return 0;
});
const verify = (pruner: typeof pruneAction | undefined) =>
  verifyLedger(world.ledger, { signatures: true, lister: memoryLister, ...(pruner ? { pruner } : {}) });
const records = () => Array.from({ length: world.ledger.size() }, (_, seq) => world.ledger.record(seq));
const executions = () => records().filter((record) => record?.kind === "exec");

test("a hit on another action holds where they differ in what was not used, and nowhere else", async () => {
  world.write("begatfile", "dictum a { in [ used idle ] depfile x.d out [ out ] exec [ fake ] [[[ x ]]] }\nrun a()\n");
  world.write("used", "1");
  world.write("idle", "1");
  await world.build();
  world.write("idle", "2");
  expect((await world.build()).summary).toMatchObject({ executed: 0, cached: 1 });
  world.write("used", "2");
  expect((await world.build()).summary).toMatchObject({ executed: 1, cached: 0 });

  const [first, second] = executions();
  const list = records().find((record) => record?.kind === "hits");
  const hits = parseHits(world.ledger.manifest((list as { root: Sha256 }).root) as Buffer);
  expect(hits).toEqual([{ action: first?.action, for: expect.any(String), seq: first?.seq }]);
  const asked = hits?.[0]?.for as Sha256;
  const problem = (of: typeof first, action: Sha256) => prunedHitProblem(of, action, world.ledger, pruneAction);
  expect(problem(first, asked)).toBeUndefined();
  expect(problem(first, second?.action as Sha256)).toMatch(/differs from record 2 in what that used$/);
  expect(problem(second, asked)).toMatch(/differs from record/);
  expect(problem(first, first?.in.root as Sha256)).toMatch(/cannot be read again$/);
  expect((await verify(pruneAction)).findings).toEqual([]);
  // Whoever cannot compare says so; whoever finds another key calls it what it is.
  expect((await verify(undefined)).verdict).toBe("could not check");
  expect((await verify(() => first?.in.root)).verdict).toBe("tampered");
  expect(first?.kind === "exec" && first.used).toEqual({ n: 1, root: expect.any(String), key: expect.any(String) });
});
