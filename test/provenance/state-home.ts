import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { KernelRandom, NodeClock, NodeFileTree } from "../../src/platform/index.ts";
import {
  keyFileProblems,
  type LedgerVerdict,
  type OpenLedgerOptions,
  openLedger,
  otherPins,
  readLastSigned,
  readPin,
  type SqliteLedger,
  signExecution,
  verdictOfFailure,
  verifyLedger,
} from "../../src/provenance/index.ts";
import { afterThisTest } from "../support/leftovers.ts";
import { listAction, type SketchedChore, sketchChore } from "../support/recorded-chore.ts";
import { fastPlace } from "../support/scratch-directory.ts";

export const files = new NodeFileTree();

/** A directory that is gone after the test. */
export function newStateHome(): string {
  const directory = mkdtempSync(join(fastPlace(), "begat-state-"));
  afterThisTest(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A real ledger, closed after the test. */
export async function open(stateHome: string, more: Partial<OpenLedgerOptions> = {}): Promise<SqliteLedger> {
  const ports = { files, clock: new NodeClock(), random: new KernelRandom() };
  const ledger = await openLedger({ stateHome, ...ports, window: { ms: 1, records: 256 }, ...more });
  afterThisTest(() => ledger.close());
  return ledger;
}

/** Appends what a small build appends, and answers where its executions stand. */
export async function record(ledger: SqliteLedger, build: string, chores: readonly SketchedChore[]): Promise<number[]> {
  const [begin] = await ledger.append([
    {
      body: {
        kind: "build.begin",
        build,
        goal: ["all"],
        plan: { n: chores.length, root: "0".repeat(64) as never },
        vars: {},
        who: "test",
      },
      manifests: [],
    },
  ]);
  const executed = await ledger.append(
    chores.map((chore) => ({
      body: signExecution({ ...chore.facts, build }, chore.listing, ledger.origin, ledger.signer()),
      manifests: chore.manifests,
    })),
  );
  const n = { exec: chores.length, hit: 0, fail: 0, skip: 0, settled: 0 };
  await ledger.append([
    { body: { kind: "build.end", build, begin: begin!.seq, n, outcome: "ok", artifacts: [] }, manifests: [] },
  ]);
  return executed.map(({ seq }) => seq);
}

/** A ledger with two builds of two chores each, closed: 9 records. */
export async function smallLedger(stateHome: string): Promise<void> {
  const ledger = await open(stateHome);
  for (const build of ["b1", "b2"]) {
    const chores = ["a", "b"].map((name) =>
      sketchChore({ chore: `cc(${name}.c)`, inputs: { [`${name}.c`]: `${build} ${name}` } }),
    );
    await record(ledger, build, chores);
  }
  ledger.close();
}

/** The verdict as `begat ledger verify` comes to it: whatever happens is one. */
export async function verify(stateHome: string, signatures = true, cacheHome?: string): Promise<LedgerVerdict> {
  const pin = readPin(files, stateHome);
  const lastSigned = readLastSigned(files, stateHome);
  let ledger: SqliteLedger | undefined;
  try {
    ledger = await open(stateHome, { create: false, cacheHome });
    const opened = ledger;
    const memory = { pins: otherPins(files, stateHome, cacheHome, ledger.identity), lastSigned };
    return await verifyLedger(ledger, {
      signatures,
      lister: listAction,
      pin,
      memory,
      keyFiles: (history) => keyFileProblems(files, stateHome, history),
      storage: () => opened.checkStorage(),
      subtrees: () => opened.keptSubtrees(),
    });
  } catch (error) {
    return verdictOfFailure(error);
  } finally {
    ledger?.close();
  }
}
