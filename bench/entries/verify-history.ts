// Verifies a whole ledger, as `begat ledger verify` does after SQLite has looked at its file, and says how many records a second of CPU it took.
//
//   verify-history <state home> <cache home> all|chain    prints {"perCpuSecond":...,"perSecond":...,"records":...}

import { argv, stdout } from "node:process";
import { KernelRandom, NodeClock, NodeFileTree } from "../../src/platform/index.ts";
import { openLedger, readPin, verifyLedger } from "../../src/provenance/index.ts";
import { lister } from "./recorded-action.ts";

const [stateHome = "", cacheHome = "", what = "all"] = argv.slice(2);
const files = new NodeFileTree();
const pin = readPin(files, stateHome);
const ledger = await openLedger({
  stateHome,
  cacheHome,
  files,
  clock: new NodeClock(),
  random: new KernelRandom(),
  create: false,
});
const before = process.cpuUsage();
const begin = performance.now();
const verdict = await verifyLedger(ledger, {
  signatures: what === "all",
  lister,
  pin,
  subtrees: () => ledger.keptSubtrees(),
});
const wallMs = performance.now() - begin;
const { user, system } = process.cpuUsage(before);
if (verdict.verdict !== "holds") throw new Error(`${verdict.verdict}: ${verdict.findings[0]?.message}`);
const { size } = verdict;
ledger.close();
const perCpuSecond = (size / (user + system)) * 1e6;
stdout.write(`${JSON.stringify({ perCpuSecond, perSecond: (size / wallMs) * 1000, records: size })}\n`);
