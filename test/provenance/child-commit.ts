import { writeSync } from "node:fs";
import { KernelRandom, NodeClock, NodeFileTree } from "../../src/platform/index.ts";
import { type Entry, openLedger } from "../../src/provenance/index.ts";

/**
 * Appends to the ledger of a state home and signs, and says at once what was acknowledged: `ack SEQ LEAF`, `signed SIZE ROOT`,
 * `refused CODE`. Arguments: state home, cache home.
 */
const [stateHome = "", cacheHome = ""] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);
const entry = (name: string, kind: "begin" | "ingest"): Entry => ({
  body:
    kind === "ingest"
      ? { kind, name, uri: `url:${name}`, version: "1", files: [], by: "test" }
      : {
          kind: "build.begin",
          build: name,
          goal: [],
          plan: { n: 0, root: "0".repeat(64) as never },
          vars: {},
          who: "x",
        },
  manifests: [],
});

try {
  const ports = { files: new NodeFileTree(), clock: new NodeClock(), random: new KernelRandom() };
  const ledger = await openLedger({ stateHome, cacheHome, ...ports, window: { ms: 1, records: 256 } });
  const append = async (...entries: Entry[]): Promise<void> => {
    try {
      for (const { seq, leaf } of await ledger.append(entries)) say(`ack ${seq} ${leaf}`);
    } catch (error) {
      say(`refused ${(error as { code?: string }).code}`);
    }
  };
  const sign = async (): Promise<void> => {
    try {
      const { size, root } = await ledger.checkpoint();
      say(`signed ${size} ${root}`);
    } catch (error) {
      say(`refused ${(error as { code?: string }).code}`);
    }
  };
  await append(entry("b1", "begin"));
  await append(entry("one", "ingest"), entry("two", "ingest"));
  await append(entry("b2", "begin"));
  await sign();
  await append(entry("three", "ingest"));
  await sign();
  ledger.close();
} catch (error) {
  say(`refused ${(error as { code?: string }).code}`);
}
