/**
 * One of several processes over one cache home: `child-store.ts <home> <seed> <rounds>`. Writes, reads, takes and
 * writes out the same blobs as the others, with a collector among them; prints `done`, or why not.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { BegatError, codeOf, digestOf } from "../../src/base/index.ts";
import { BuildLeases, collectGarbage, FileBlobStore, openIndex } from "../../src/cache/index.ts";
import { KernelRandom, NodeBulkFiles, NodeClock, NodeFileTree, NodeProcessTable } from "../../src/platform/index.ts";
import { SeededRandom } from "../support/seeded-random.ts";

const [home = "", seed = "0", rounds = "0"] = process.argv.slice(2);
const machine = { fs: new NodeFileTree(), clock: new NodeClock(), processes: new NodeProcessTable(), cacheHome: home };
const store = new FileBlobStore({ ...machine, random: new KernelRandom(), bulk: new NodeBulkFiles() });
const dice = new SeededRandom(Number(seed));
const contents = Array.from({ length: 40 }, (_, i) => Buffer.from(`blob ${i} `.repeat(1 + i * 20)));
contents.push(Buffer.alloc(4 << 20, "large "), Buffer.alloc(5 << 20, "larger "));

async function round(work: string, index: Awaited<ReturnType<typeof openIndex>>): Promise<void> {
  const bytes = dice.pick(contents);
  const digest = digestOf(bytes);
  switch (dice.below(6)) {
    case 0:
    case 1:
      store.write(bytes);
      break;
    case 2: {
      writeFileSync(`${work}/in`, bytes);
      const found = await store.ingest(`${work}/in`, { take: true });
      if (found.hash !== digest.hash) throw new Error(`ingested ${found.hash} for ${digest.hash}`);
      break;
    }
    case 3:
      if (!store.read(digest).equals(bytes)) throw new Error(`wrong bytes for ${digest.hash}`);
      break;
    case 4:
      await store.materialise([{ digest, path: `${work}/out`, executable: false }]);
      if (!readFileSync(`${work}/out`).equals(bytes)) throw new Error(`wrong bytes written out for ${digest.hash}`);
      break;
    case 5:
      store.flush();
      // No lease is live, so nothing waits for a grace: as rough as it gets.
      if (seed === "1") await collectGarbage({ ...machine, index, maxSizeBytes: dice.below(100_000) });
      break;
  }
}

const work = `${home}-work-${seed}`;
mkdirSync(work);
const index = await openIndex(machine);
store.attachIndex(index.blobs);
for (let i = 0; i < Number(rounds); i++) {
  try {
    await round(work, index);
  } catch (error) {
    if (!(error instanceof BegatError) || codeOf(error) !== "BLOB_MISSING") throw error;
  }
}
if (store.quarantined.length > 0) throw new Error(`quarantined ${JSON.stringify(store.quarantined)}`);
// A lease of each at once, begun and ended, for the index's sake.
new BuildLeases(index.leases, machine.clock, store).begin().release();
index.close();
process.stdout.write("done\n");
