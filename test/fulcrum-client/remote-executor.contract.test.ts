import { travailCheck } from "../../src/cli/wiring/travail-check.ts";
import { contractRecipe, executorContract } from "../contracts/executor.contract.ts";
import { MemoryLedger } from "../support/memory-ledger.ts";
import { encoding, remoteClient } from "../support/remote-client.ts";
import { remoteWorker } from "../support/remote-worker.ts";

executorContract("an rnode that signs", async () => {
  const ledger = new MemoryLedger();
  const worker = await remoteWorker({ recipe: contractRecipe, signer: ledger.signer, slots: 2 });
  const client = await remoteClient(worker.address);
  const endorse = async () => Promise.reject(new Error("its key is known"));
  const check = travailCheck({ ledger, authority: undefined, endorse });
  return {
    executor: encoding(client.executor({ check }), ledger.origin),
    blobs: client.store,
    running: (count) => worker.running(count),
    async close() {
      client.close();
      await worker.close();
    },
  };
});
