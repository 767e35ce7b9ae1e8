import { afterAll } from "vitest";
import { NodeClock, NodeFileTree } from "../../src/platform/index.ts";
import { contractRecipe, executorContract } from "../contracts/executor.contract.ts";
import { FakeExecutor } from "../support/fake-executor.ts";
import { MemoryBlobStore } from "../support/memory-blob-store.ts";
import { realExecutors } from "./real-executors.ts";

executorContract("the fake", () => {
  const blobs = new MemoryBlobStore();
  const recipe = contractRecipe;
  return {
    executor: new FakeExecutor({ blobs, clock: new NodeClock(), files: new NodeFileTree(), recipe, slots: 2 }),
    blobs,
  };
});

for (const real of realExecutors({ slots: 2 })) {
  executorContract(real.name, () => real.make());
  afterAll(() => real.dispose());
}
