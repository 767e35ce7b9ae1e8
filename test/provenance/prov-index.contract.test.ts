import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { KernelRandom, NodeClock, NodeFileTree } from "../../src/platform/index.ts";
import { manifestReferences } from "../../src/protocol/index.ts";
import { ledgerFileSource, openLedger, openProvIndex, type ProvIndex } from "../../src/provenance/index.ts";
import { provIndexContract } from "../contracts/prov-index.contract.ts";
import { memoryProvIndex } from "../support/memory-index-source.ts";
import { MemoryLedger } from "../support/memory-ledger.ts";

const home = mkdtempSync(join(tmpdir(), "begat-prov-"));
const ports = { files: new NodeFileTree(), clock: new NodeClock(), random: new KernelRandom() };
const toClose: { close(): void }[] = [];
afterAll(() => {
  for (const one of toClose.splice(0)) one.close();
  rmSync(home, { recursive: true, force: true });
});

provIndexContract("SqliteProvIndex over a ledger in memory", async () => {
  const ledger = new MemoryLedger();
  return { ledger, signer: ledger.signer, indexed: () => memoryProvIndex(ledger) };
});

provIndexContract("SqliteProvIndex in a file, over a ledger in a file", async () => {
  const ledger = await openLedger({ stateHome: home, ...ports, window: { ms: 1, records: 1 } });
  toClose.push(ledger);
  const indexed = async (): Promise<ProvIndex> => {
    const source = await ledgerFileSource(ledger.path, ledger.identity, ledger.size());
    const { index } = await openProvIndex({
      path: `${home}/prov.db`,
      source,
      references: manifestReferences,
      ...ports,
    });
    source.close();
    toClose.push(index);
    return index;
  };
  return { ledger, signer: ledger.signer(), indexed };
});
