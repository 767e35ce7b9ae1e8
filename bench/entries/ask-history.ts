// Asks a history made by make-history from within one process: artifacts shown one after another, and what sources reached.
//
//   ask-history <state home> <cache home> <questions>
//   prints {"showMs":[...],"closureMsPerNode":...,"nodes":...,"sharedMsPerNode":...,"sharedNodes":...}

import { argv, stdout } from "node:process";
import { sha256 } from "../../src/base/index.ts";
import { listTree } from "../../src/executor/index.ts";
import { KernelRandom, NodeClock, NodeFileTree } from "../../src/platform/index.ts";
import { manifestReferences } from "../../src/protocol/index.ts";
import {
  closureOf,
  endorsedKeys,
  type History,
  ledgerFileSource,
  openLedger,
  openProvIndex,
  provShow,
} from "../../src/provenance/index.ts";
import { RECORDS_OF_ROUND } from "../../test/support/generated-history.ts";
import { lister } from "./recorded-action.ts";

const [stateHome = "", cacheHome = "", questions = "0"] = argv.slice(2);
const places = { stateHome, cacheHome, files: new NodeFileTree(), clock: new NodeClock(), random: new KernelRandom() };
const ledger = await openLedger({ ...places, create: false });
const source = await ledgerFileSource(ledger.path, ledger.identity, ledger.size());
const { index } = await openProvIndex({
  ...places,
  path: `${cacheHome}/prov.db`,
  source,
  references: manifestReferences,
});
source.close();
const history: History = {
  ledger,
  index,
  keys: endorsedKeys(ledger),
  lister,
  treeLister: (tree, manifest) => {
    const bytes = manifest(tree);
    return bytes && listTree(bytes).files.map(({ path, digest }) => ({ path, digest: digest.hash }));
  },
};
const rounds = Math.floor(ledger.size() / RECORDS_OF_ROUND);
/** Far apart, and each round once: no answer is at hand from the question before. */
const roundOf = (i: number): number => (i * 7_919) % rounds;

const showMs: number[] = [];
const asked = [
  (round: number) => ({ path: "prog", digest: sha256(`program of ${round}`) }),
  (round: number) => ({ path: "lib/4.a", digest: sha256(`archive 4 of ${round}`) }),
  (round: number) => ({ path: "obj/44.o", digest: sha256(`object 44 of ${round}`) }),
];
for (let i = 0; i < Number(questions); i++) {
  const query = (asked[i % asked.length] as (typeof asked)[number])(roundOf(i));
  const begin = performance.now();
  const answer = provShow({ ...history, seen: new Map() }, query);
  showMs.push(performance.now() - begin);
  if (!answer.found) throw new Error(answer.because);
}

function closures(contents: readonly string[]): { msPerNode: number; nodes: number } {
  let nodes = 0;
  const begin = process.cpuUsage();
  for (const content of contents) nodes += closureOf(index, { digest: sha256(content) }).size;
  const { user, system } = process.cpuUsage(begin);
  return { msPerNode: (user + system) / 1000 / nodes, nodes };
}
const sources = Array.from({ length: Number(questions) }, (_, i) => `source ${i % 100} of ${roundOf(i)}`);
closures(sources.slice(0, 20));
const own = closures(sources);
// What every execution there ever was had a part of.
const shared = closures(["header"]);
index.close();
ledger.close();
stdout.write(
  `${JSON.stringify({
    // The first ones are asked of code that is not compiled yet.
    showMs: showMs.slice(Math.min(30, showMs.length >> 1)),
    closureMsPerNode: own.msPerNode,
    nodes: own.nodes,
    sharedMsPerNode: shared.msPerNode,
    sharedNodes: shared.nodes,
  })}\n`,
);
