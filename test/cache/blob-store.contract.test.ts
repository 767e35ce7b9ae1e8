import { afterAll } from "vitest";
import { FileBlobStore } from "../../src/cache/index.ts";
import { KernelRandom, NodeBulkFiles, NodeFileTree, NodeProcessTable } from "../../src/platform/index.ts";
import { blobStoreContract } from "../contracts/blob-store.contract.ts";
import { FakeProcessTable } from "../support/fake-process-table.ts";
import { MemoryBlobStore } from "../support/memory-blob-store.ts";
import { MemoryBulkFiles } from "../support/memory-bulk-files.ts";
import { MemoryFileTree } from "../support/memory-file-tree.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";
import { SeededRandom } from "../support/seeded-random.ts";

const bulk = new NodeBulkFiles();
afterAll(() => bulk.close());

for (const checkoutTmp of [true, false]) {
  blobStoreContract(`FileBlobStore${checkoutTmp ? " with a directory for temporary files" : ", durable"}`, () => {
    const scratch = scratchDirectory();
    const fs = new NodeFileTree();
    const again = () =>
      new FileBlobStore({
        fs,
        bulk,
        processes: new NodeProcessTable(),
        random: new KernelRandom(),
        cacheHome: `${scratch.path}/cache`,
        durable: !checkoutTmp,
        ...(checkoutTmp ? { checkoutTmp: `${scratch.path}/begat/tmp` } : {}),
      });
    const store = again();
    fs.makeDirectory(`${scratch.path}/root`);
    return {
      store,
      fs,
      root: `${scratch.path}/root`,
      again,
      corrupt: (digest, bytes) => fs.replaceFile(store.layout.blob(digest.hash), bytes),
      evict: (digest) => fs.remove(store.layout.blob(digest.hash)),
      dispose: scratch.dispose,
    };
  });
}

blobStoreContract("FileBlobStore in memory", () => {
  const fs = new MemoryFileTree();
  const again = () =>
    new FileBlobStore({
      fs,
      bulk: new MemoryBulkFiles(fs),
      processes: new FakeProcessTable(),
      random: new SeededRandom(1),
      cacheHome: "/cache",
    });
  const store = again();
  fs.makeDirectory("/root");
  return {
    store,
    fs,
    root: "/root",
    again: () =>
      new FileBlobStore({
        fs,
        bulk: new MemoryBulkFiles(fs),
        processes: new FakeProcessTable(2),
        random: new SeededRandom(2),
        cacheHome: "/cache",
      }),
    corrupt: (digest, bytes) => fs.replaceFile(store.layout.blob(digest.hash), bytes),
    evict: (digest) => fs.remove(store.layout.blob(digest.hash)),
    dispose: () => {},
  };
});

blobStoreContract("MemoryBlobStore", () => {
  const fs = new MemoryFileTree();
  fs.makeDirectory("/root");
  const store = new MemoryBlobStore(fs);
  return {
    store,
    fs,
    root: "/root",
    again: () => store.again(),
    corrupt: (digest, bytes) => store.corrupt(digest.hash, bytes),
    evict: (digest) => store.evict(digest.hash),
    dispose: () => {},
  };
});
