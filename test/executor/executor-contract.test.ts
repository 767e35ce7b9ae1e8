import { afterAll } from "vitest";
import { NodeClock, NodeFileTree } from "../../src/platform/index.ts";
import { contractRecipe, executorContract } from "../contracts/executor.contract.ts";
import { FakeExecutor } from "../support/fake-executor.ts";
import { MemoryBlobStore } from "../support/memory-blob-store.ts";
import { realExecutors } from "./real-executors.ts";

executorContract("the fake", () => {
  const blobs = new MemoryBlobStore();
  const files = new NodeFileTree();
  return {
    executor: new FakeExecutor({ blobs, clock: new NodeClock(), files, recipe: contractRecipe, slots: 2 }),
    blobs,
  };
});

for (const real of realExecutors({ slots: 2 })) {
  executorContract(real.name, () => real.make());
  afterAll(() => real.dispose());
}

// Where namespaces are not to be had, processes are found by their user or, without root, by what they carry.
for (const real of realExecutors({ slots: 2, containment: "scan" }).filter(({ isSandbox }) => !isSandbox)) {
  executorContract(`${real.name} without namespaces`, () => real.make());
  afterAll(() => real.dispose());
}
