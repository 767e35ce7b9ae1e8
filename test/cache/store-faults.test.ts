import { execFileSync } from "node:child_process";
import * as node from "node:fs";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { digestOf, sha256 } from "../../src/base/index.ts";
import { FileBlobStore, openIndex } from "../../src/cache/index.ts";
import { KernelRandom, NodeBulkFiles, NodeClock, NodeFileTree, NodeProcessTable } from "../../src/platform/index.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";

const isRoot = process.getuid?.() === 0;
const bulk = new NodeBulkFiles();
afterAll(() => bulk.close());

function newStore(home: string, checkoutTmp?: string): FileBlobStore {
  return new FileBlobStore({
    fs: new NodeFileTree(),
    bulk,
    processes: new NodeProcessTable(),
    random: new KernelRandom(),
    cacheHome: home,
    ...(checkoutTmp === undefined ? {} : { checkoutTmp }),
  });
}

let root: string;
let dispose: () => void;
beforeEach(() => {
  const scratch = scratchDirectory();
  root = scratch.path;
  dispose = scratch.dispose;
});
afterEach(() => dispose());

/** Everything below `home` by path; of blobs, whether they are whole. */
function wholeBlobs(home: string): number {
  let count = 0;
  for (const directory of node.readdirSync(`${home}/cas`)) {
    for (const name of node.readdirSync(`${home}/cas/${directory}`)) {
      expect(sha256(node.readFileSync(`${home}/cas/${directory}/${name}`))).toBe(directory + name);
      count++;
    }
  }
  return count;
}

describe.skipIf(!isRoot)("a disk of one megabyte (only root can mount one)", () => {
  let disk: string;
  beforeEach(() => {
    disk = `${root}/disk`;
    node.mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", disk]);
  });
  afterEach(() => execFileSync("umount", ["-l", disk]));

  test("small blobs until it is full: told with sizes, the rest stays whole, room lets it go on", () => {
    const store = newStore(`${disk}/cache`);
    const blob = (i: number) => Buffer.alloc(20_000, `blob ${i} `);
    let stored = 0;
    const fill = () => {
      for (;;) store.write(blob(++stored));
    };
    expect(fill).toThrow(
      expect.objectContaining({
        code: "BLOB_STORE_FULL",
        message: `cannot store a blob of 20000 bytes: no room left for the cache in ${disk}/cache`,
      }),
    );
    expect(wholeBlobs(`${disk}/cache`)).toBe(stored - 1);
    expect(node.readdirSync(`${disk}/cache/tmp`)).toEqual([]);
    node.rmSync(store.layout.blob(digestOf(blob(1)).hash));
    node.rmSync(store.layout.blob(digestOf(blob(2)).hash));
    store.write(blob(stored));
    expect(
      newStore(`${disk}/cache`)
        .read(digestOf(blob(stored)))
        .equals(blob(stored)),
    ).toBe(true);
  });

  test("a large file that does not fit: told, still there, nothing half left behind", async () => {
    const store = newStore(`${disk}/cache`);
    node.writeFileSync(`${root}/large`, Buffer.alloc(5 << 20, "x"));
    await expect(store.ingest(`${root}/large`, { take: true })).rejects.toMatchObject({ code: "BLOB_STORE_FULL" });
    expect(node.statSync(`${root}/large`).size).toBe(5 << 20);
    expect(node.readdirSync(`${disk}/cache/tmp`)).toEqual([]);
  });

  test("a checkout that is full: the old file stays whole, and the failure names it", async () => {
    const store = newStore(`${root}/cache`, `${disk}/tmp`);
    node.writeFileSync(`${disk}/out`, "old");
    for (const size of [2 << 20, 5 << 20]) {
      const digest = store.write(Buffer.alloc(size, "y"));
      const written = store.materialise([{ digest, path: `${disk}/out`, executable: false }]);
      await expect(written).rejects.toMatchObject({ code: "FILE_SYSTEM_FULL", message: expect.stringContaining(disk) });
      expect(node.readFileSync(`${disk}/out`, "utf8")).toBe("old");
      expect(node.readdirSync(`${disk}/tmp`)).toEqual([]);
    }
  });

  test("files cross from one device to another, taken and written out, with and without a directory for it", async () => {
    const store = newStore(`${root}/cache`, `${root}/tmp`);
    for (const bytes of [Buffer.from("small"), Buffer.alloc(600_000, "z")]) {
      node.writeFileSync(`${disk}/f`, bytes);
      const digest = await store.ingest(`${disk}/f`, { take: true });
      expect(node.existsSync(`${disk}/f`)).toBe(false);
      await store.materialise([{ digest, path: `${disk}/out`, executable: false }]);
      expect(node.readFileSync(`${disk}/out`).equals(bytes)).toBe(true);
      expect(node.readdirSync(disk)).toEqual(["out"]);
      node.rmSync(`${disk}/out`);
    }
    node.writeFileSync(`${disk}/sparse`, "");
    node.truncateSync(`${disk}/sparse`, 50e6);
    const sparse = await store.ingest(`${disk}/sparse`, { take: true });
    expect([sparse.sizeBytes, node.existsSync(`${disk}/sparse`)]).toEqual([50e6, false]);
    await store.materialise([{ digest: sparse, path: `${disk}/again`, executable: true }]);
    expect(node.statSync(`${disk}/again`)).toMatchObject({ size: 50e6, mode: 0o100755 });
  });

  test("two mounts of one device refuse renames between them: the file gets there all the same", async () => {
    const store = newStore(`${root}/cache`, `${root}/checkout/tmp`);
    node.mkdirSync(`${root}/checkout/sub`, { recursive: true });
    node.mkdirSync(`${root}/elsewhere`);
    execFileSync("mount", ["--bind", `${root}/elsewhere`, `${root}/checkout/sub`]);
    try {
      for (const size of [5, 5 << 20]) {
        const digest = store.write(Buffer.alloc(size, "w"));
        await store.materialise([{ digest, path: `${root}/checkout/sub/out`, executable: false }]);
        expect(node.readdirSync(`${root}/checkout/sub`)).toEqual(["out"]);
        expect(node.statSync(`${root}/checkout/sub/out`).size).toBe(size);
        expect(node.readdirSync(`${root}/checkout/tmp`)).toEqual([]);
        node.rmSync(`${root}/checkout/sub/out`);
      }
    } finally {
      execFileSync("umount", [`${root}/checkout/sub`]);
    }
  });

  test("a disk that went read-only: blobs are read, writing is refused by name, and so is the index", async () => {
    const store = newStore(`${disk}/cache`);
    const digest = store.write(Buffer.from("there"));
    execFileSync("mount", ["-o", "remount,ro", disk]);
    expect(newStore(`${disk}/cache`).read(digest).toString()).toBe("there");
    const unusable = { code: "BLOB_STORE_UNUSABLE", hint: expect.stringContaining("BEGAT_CACHE_HOME") };
    expect(() => store.write(Buffer.from("more"))).toThrow(expect.objectContaining(unusable));
    await expect(openAt(`${disk}/cache`)).rejects.toMatchObject(unusable);
    await expect(openAt(`${disk}/other`)).rejects.toMatchObject(unusable);
  });

  test("an index on a full disk: adding is refused in our words, and what was there is still answered", async () => {
    const index = await openAt(`${disk}/cache`);
    const ledger = sha256("genesis");
    const outputs = [{ path: "o", kind: "file", digest: digestOf("o"), executable: false }] as const;
    const base = { action: sha256("a"), level: "none", key: sha256("k"), outputs, properties: {} } as const;
    const add = (seq: number) =>
      index.actions.add(
        [{ ...base, seq, chore: `chore ${seq} ${"x".repeat(20_000)}`, durationMs: 1, finishedAtMs: 1 }],
        { ledger, size: seq + 1 },
      );
    let added = 0;
    expect(() => {
      for (;;) {
        add(added);
        added++;
      }
    }).toThrow(expect.objectContaining({ code: "INDEX_FULL" }));
    expect(index.actions.position()).toEqual({ ledger, size: added });
    expect(index.actions.find(sha256("a"))).toHaveLength(added);
    index.close();
  });
});

function openAt(cacheHome: string) {
  return openIndex({ fs: new NodeFileTree(), clock: new NodeClock(), processes: new NodeProcessTable(), cacheHome });
}

describe.skipIf(!isRoot)("as a plain user (root can become one)", () => {
  test("a cache home that may not be written is told by name and the way out", async () => {
    node.chmodSync(root, 0o755);
    process.setegid?.(65534);
    process.seteuid?.(65534);
    try {
      const unusable = { code: "BLOB_STORE_UNUSABLE", message: expect.stringContaining(`${root}/cache`) };
      expect(() => newStore(`${root}/cache`).write(Buffer.from("x"))).toThrow(expect.objectContaining(unusable));
      await expect(openAt(`${root}/cache`)).rejects.toMatchObject(unusable);
    } finally {
      process.seteuid?.(0);
      process.setegid?.(0);
    }
  });
});

describe("FileBlobStore on the machine's own files", () => {
  test.skipIf(!isRoot)("another user's large file becomes ours before it is hashed", async () => {
    const store = newStore(`${root}/cache`);
    node.writeFileSync(`${root}/large`, Buffer.alloc(5 << 20, "theirs"), { mode: 0o666 });
    node.chownSync(`${root}/large`, 65534, 65534);
    const digest = await store.ingest(`${root}/large`, { take: true });
    const stat = node.statSync(store.layout.blob(digest.hash));
    expect([stat.uid, stat.gid, stat.mode & 0o777]).toEqual([0, 0, 0o444]);
  });

  test("blobs are 0444 whatever the umask is, and files of the checkout are less the umask", async () => {
    const umask = process.umask(0o077);
    try {
      const store = newStore(`${root}/cache`);
      const small = store.write(Buffer.from("small"));
      node.writeFileSync(`${root}/large`, Buffer.alloc(5 << 20, "large"));
      const large = await store.ingest(`${root}/large`, { take: false });
      const mode = (path: string) => node.statSync(path).mode & 0o777;
      expect([small, large].map((digest) => mode(store.layout.blob(digest.hash)))).toEqual([0o444, 0o444]);
      await store.materialise([
        { digest: small, path: `${root}/s`, executable: false },
        { digest: large, path: `${root}/l`, executable: true },
      ]);
      expect([mode(`${root}/s`), mode(`${root}/l`)]).toEqual([0o600, 0o700]);
    } finally {
      process.umask(umask);
    }
  });

  test("a file that is a directory, FIFO or device is not ingested", async () => {
    execFileSync("mkfifo", [`${root}/fifo`]);
    const store = newStore(`${root}/cache`);
    await expect(store.ingest(`${root}/fifo`, { take: true })).rejects.toMatchObject({ code: "FILE_IO" });
    await expect(store.ingest("/dev/zero", { take: false })).rejects.toMatchObject({ code: "FILE_IO" });
  });

  test("300 MB of zeros go through a worker and take no room", async () => {
    const store = newStore(`${root}/cache`);
    node.writeFileSync(`${root}/sparse`, "");
    node.truncateSync(`${root}/sparse`, 300e6);
    const before = process.memoryUsage().rss;
    const digest = await store.ingest(`${root}/sparse`, { take: false });
    expect(digest.sizeBytes).toBe(300e6);
    expect(process.memoryUsage().rss - before).toBeLessThan(64e6);
    expect(node.statSync(store.layout.blob(digest.hash)).blocks).toBeLessThan(1000);
    expect(await store.ingest(`${root}/sparse`, { take: true })).toEqual(digest);
  });

  test("a corrupt large blob is healed by the file that has its bytes", async () => {
    const bytes = Buffer.alloc(5 << 20, "large");
    newStore(`${root}/cache`).write(bytes);
    const store = newStore(`${root}/cache`);
    new NodeFileTree().replaceFile(store.layout.blob(digestOf(bytes).hash), Buffer.alloc(5 << 20, "lard"));
    node.writeFileSync(`${root}/f`, bytes);
    const digest = await store.ingest(`${root}/f`, { take: true });
    expect(newStore(`${root}/cache`).read(digest).equals(bytes)).toBe(true);
  });

  test("a cache home that is a file is told as such", () => {
    node.writeFileSync(`${root}/cache`, "a file");
    expect(() => newStore(`${root}/cache`).write(Buffer.from("x"))).toThrow(
      expect.objectContaining({ code: "BLOB_STORE_UNUSABLE" }),
    );
  });
});
