import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KernelRandom, NodeClock, NodeFileTree } from "../../src/platform/index.ts";
import { openLedger } from "../../src/provenance/index.ts";
import { ledgerContract } from "../contracts/ledger.contract.ts";
import { MemoryLedger } from "../support/memory-ledger.ts";

ledgerContract("MemoryLedger", async () => ({ ledger: new MemoryLedger(), remove: () => undefined }));

ledgerContract("SqliteLedger", async () => {
  const stateHome = mkdtempSync(join(tmpdir(), "begat-ledger-"));
  const ledger = await openLedger({
    stateHome,
    files: new NodeFileTree(),
    clock: new NodeClock(),
    random: new KernelRandom(),
  });
  return { ledger, remove: () => rmSync(stateHome, { recursive: true, force: true }) };
});
