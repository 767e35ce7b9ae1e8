// Takes N signed executions as a leader takes them from its rnodes: each signature is checked against the statement that
// its manifests imply, then the record is appended and waited for until it is on the disk.
//
//   durable-records <state home> <N>    prints {"perSecond":...,"cpuMsEach":...}

import { argv, stdout } from "node:process";
import { KernelRandom, NodeClock, NodeFileTree } from "../../src/platform/index.ts";
import {
  type Entry,
  type ExecutionRecord,
  endorsedKeys,
  openLedger,
  proveSignature,
} from "../../src/provenance/index.ts";
import { historyEntries } from "../../test/support/generated-history.ts";
import { lister } from "./recorded-action.ts";

/** Executions whose signature or sync is under way at once. */
const IN_FLIGHT = 256;

const ledger = await openLedger({
  stateHome: argv[2] ?? "",
  files: new NodeFileTree(),
  clock: new NodeClock(),
  random: new KernelRandom(),
});
const keys = endorsedKeys(ledger);
const place = { origin: ledger.origin, firstSeq: ledger.size(), signer: ledger.signer() };
const entries = [...historyEntries(place, Number(argv[3]))];

async function take(entry: Entry, seq: number): Promise<void> {
  if (entry.body.kind === "exec") {
    const record = { ...entry.body, log: ledger.origin, seq } as unknown as ExecutionRecord;
    const sent = new Map(entry.manifests.map(({ hash, bytes }) => [hash, Buffer.from(bytes)]));
    const verdict = await proveSignature(record, keys, (hash) => sent.get(hash), lister);
    if (!verdict.ok) throw new Error(verdict.because);
  }
  await ledger.append([entry]);
}

const before = process.cpuUsage();
const begin = performance.now();
const underWay = new Set<Promise<void>>();
for (const [i, entry] of entries.entries()) {
  const taken: Promise<void> = take(entry, place.firstSeq + i).finally(() => underWay.delete(taken));
  underWay.add(taken);
  if (underWay.size >= IN_FLIGHT) await Promise.race(underWay);
}
await Promise.all(underWay);
await ledger.flush();
const wallMs = performance.now() - begin;
const { user, system } = process.cpuUsage(before);
if (ledger.size() !== place.firstSeq + entries.length) throw new Error(`${ledger.size()} records came out`);
ledger.close();
const cpuMsEach = (user + system) / 1000 / entries.length;
stdout.write(`${JSON.stringify({ perSecond: (entries.length / wallMs) * 1000, cpuMsEach })}\n`);
