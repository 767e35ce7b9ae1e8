/**
 * `child-open.ts <home> <count>`: once a line has come on standard input, opens that many new indexes one after another,
 * in step with others that do the same; prints the code of each refusal.
 */
import { once } from "node:events";
import { explain } from "../../src/base/index.ts";
import { openIndex } from "../../src/cache/index.ts";
import { NodeClock, NodeFileTree, NodeProcessTable } from "../../src/platform/index.ts";

const [home = "", count = "0"] = process.argv.slice(2);
const machine = { fs: new NodeFileTree(), clock: new NodeClock(), processes: new NodeProcessTable() };
// SQLite is loaded before the race begins.
(await openIndex({ ...machine, cacheHome: `${home}/own-${process.pid}` })).close();
process.stdout.write("ready\n");
await once(process.stdin, "data");
for (let i = 0; i < Number(count); i++) {
  try {
    (await openIndex({ ...machine, cacheHome: `${home}/${i}` })).close();
  } catch (error) {
    process.stdout.write(`${i}: ${explain(error)}\n`);
  }
}
process.exit();
