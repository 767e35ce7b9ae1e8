// A checkout as a build of all of it leaves it, made without running a recipe: for graphs so large that starting that many
// would take hours. Outputs that must stand in the checkout get some bytes, the others are only known.
//
//   settled-checkout <folder> <version of the plan> <ledger's file>
//
// prints {"chores","edges","paths","planMs","rssBytes","nowBytes"}; the time is that of reading, evaluating, laying out.

import { dirname } from "node:path";
import { argv, cwd, memoryUsage, resourceUsage, stdout } from "node:process";
import { digestOf, type WorkspacePath } from "../../src/base/index.ts";
import { hostIdentity } from "../../src/executor/index.ts";
import { NodeBulkFiles, NodeFileTree } from "../../src/platform/index.ts";
import { STAT_NUMBERS } from "../../src/ports/index.ts";
import { type BuildOptions, type BuildRooms, Checkout, prepare, selectTargets } from "../../src/scheduler/index.ts";

const [folder = cwd(), version = "", ledger = ""] = argv.slice(2);
const fs = new NodeFileTree();
const checkout = new Checkout(fs, folder, { ledger });
const none = async (): Promise<never[]> => [];
const rooms = {
  checkout,
  bulk: new NodeBulkFiles(),
  sources: { provide: none },
  images: { resolve: none },
  // As the builds that follow find it: another host would be a reason to execute everything.
  hostIdentity: (tools: readonly string[]) => {
    const { digest, watchedFiles } = hostIdentity(tools, fs);
    return { image: `begat-host:sha256:${digest}`, watched: watchedFiles };
  },
  sourceDirectory: (name: string) => `.begat/source/${name}`,
  sourceMarker: (name: string) => `.begat/source/${name}.json`,
} as unknown as BuildRooms;
const options = { version, entries: ["begatfile"], overrides: {}, env: () => undefined } as unknown as BuildOptions;

const began = performance.now();
const prepared = await prepare(rooms, options, () => {}, new AbortController().signal);
if (!prepared.ok) throw new Error(JSON.stringify(prepared.diagnostics.slice(0, 3)));
const planMs = performance.now() - began;
const rssBytes = resourceUsage().maxRSS * 1024;
const { state, loaded } = prepared;
const { plan, facts } = loaded;
const { wanted } = selectTargets(plan, facts.groups, [], "" as WorkspacePath, false);

const content = (path: string): string => `${path}\n`;
const made = new Set<string>();
for (const entry of wanted) {
  const full = checkout.absolute(plan.path(entry >>> 1));
  if (!made.has(dirname(full))) fs.makeDirectory(dirname(full));
  made.add(dirname(full));
  fs.writeFile(full, content(plan.path(entry >>> 1)));
  // Older than anything that is looked at from here on, so that no signature is doubtful.
  fs.setTimes(full, 1_000_000, 1_000_000);
}
const isWanted = new Uint8Array(plan.pathCount);
for (const entry of wanted) isWanted[entry >>> 1] = 1;
const numbers = new Float64Array(STAT_NUMBERS);
const nothing = digestOf("");
for (let path = 0; path < plan.pathCount; path++) {
  if (plan.isProperty(path)) continue;
  const isThere = (plan.columns.producer[path] as number) < 0 || isWanted[path];
  const full = checkout.absolute(plan.path(path));
  state.setDigest(path, isThere ? digestOf(fs.readFile(full)) : nothing, 0);
  if (!isThere) continue;
  if (!fs.statInto(full, numbers, 0)) throw new Error(`${plan.path(path)} is not there`);
  state.setSignature(path, numbers, 0);
}
for (let chore = 0; chore < plan.choreCount; chore++) {
  state.setSeq(chore, chore + 1);
  state.settle(chore);
}
state.defaultLevels = { host: "none", image: "none" } as typeof state.defaultLevels;
checkout.saveState(state);
const { dependencies, inputs } = plan.columns;
const edges = Math.max(dependencies.length, inputs.length);
const answer = { chores: plan.choreCount, edges, paths: plan.pathCount, planMs, rssBytes, nowBytes: memoryUsage().rss };
stdout.write(`${JSON.stringify(answer)}\n`);
