import { KernelRandom, NodeClock, NodeFileTree } from "../../src/platform/index.ts";
import { openLedger, signExecution } from "../../src/provenance/index.ts";
import { sketchChore } from "../support/recorded-chore.ts";

/**
 * Appends executions to the ledger of a state home and prints the place of each once it is acknowledged.
 * Arguments: state home, name, how many (0: until killed), window in milliseconds.
 */
const [stateHome = "", name = "", count = "0", windowMs = "2"] = process.argv.slice(2);

const ledger = await openLedger({
  stateHome,
  files: new NodeFileTree(),
  clock: new NodeClock(),
  random: new KernelRandom(),
  window: { ms: Number(windowMs), records: 256 },
});
const signer = ledger.signer();
const limit = Number(count) || Number.POSITIVE_INFINITY;
const waiting: Promise<void>[] = [];
for (let i = 0; i < limit; i++) {
  const chore = sketchChore({ chore: `${name}(${i})`, inputs: { [`src/${name}-${i}.c`]: `${name} ${i}` } });
  const body = signExecution(chore.facts, chore.listing, ledger.origin, signer);
  const done = ledger.append([{ body, manifests: chore.manifests }]).then(([appended]) => {
    process.stdout.write(`${appended?.seq} ${appended?.leaf} ${chore.facts.chore}\n`);
  });
  waiting.push(done);
  if (i % 4 === 3) await done;
}
await Promise.all(waiting);
ledger.close();
