import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { digestOf, EMPTY_DIGEST } from "../../src/base/index.ts";
import { BlobStoreError, FileBlobStore, FileBlobStreams } from "../../src/cache/index.ts";
import {
  KernelRandom,
  NodeBulkFiles,
  NodeFileStreams,
  NodeFileTree,
  NodeProcessTable,
} from "../../src/platform/index.ts";
import { scratchDirectory } from "../support/scratch-directory.ts";

const bulk = new NodeBulkFiles();
afterAll(() => bulk.close());

describe("blobs as they come", () => {
  let scratch: ReturnType<typeof scratchDirectory>;
  let store: FileBlobStore;
  let streams: FileBlobStreams;
  const fs = new NodeFileTree();
  const bytes = Buffer.alloc(5_000_000, "begat");
  const digest = digestOf(bytes);
  const temporaries = () => fs.readDirectory(store.layout.tmp).length;

  beforeEach(() => {
    scratch = scratchDirectory();
    const [processes, random] = [new NodeProcessTable(), new KernelRandom()];
    store = new FileBlobStore({ fs, bulk, processes, random, cacheHome: `${scratch.path}/cache` });
    streams = new FileBlobStreams(store, new NodeFileStreams());
  });
  afterEach(() => scratch.dispose());

  const fill = () => {
    const sink = streams.begin();
    for (let at = 0; at < bytes.length; at += 300_000) sink.write(bytes.subarray(at, at + 300_000));
    return sink;
  };

  test("are there once they are finished, and not before", () => {
    const sink = fill();
    expect([sink.sizeBytes, store.has(digest)]).toEqual([5_000_000, false]);
    sink.finish(digest);
    expect([store.has(digest), store.read(digest).equals(bytes), temporaries()]).toEqual([true, true, 0]);
    expect(fs.lstat(store.layout.blob(digest.hash))?.mode).toBe(0o444);
  });

  test("with another digest are not kept", () => {
    const sink = fill();
    const wrong = digestOf("something else");
    expect(() => sink.finish(wrong)).toThrow(BlobStoreError);
    expect([store.has(wrong), store.has(digest), temporaries()]).toEqual([false, false, 0]);
  });

  test("that are given up leave nothing", () => {
    const sink = fill();
    sink.abandon();
    sink.abandon();
    expect(temporaries()).toBe(0);
  });

  test("replace a blob of the same digest that is corrupt", () => {
    fill().finish(digest);
    fs.replaceFile(store.layout.blob(digest.hash), Buffer.alloc(bytes.length));
    fill().finish(digest);
    expect(fs.readFile(store.layout.blob(digest.hash)).equals(bytes)).toBe(true);
  });

  test("are read from any place", async () => {
    fill().finish(digest);
    const source = await streams.open(digest);
    const into = Buffer.alloc(10);
    expect([source.sizeBytes, source.read(into, 4_999_995), into.subarray(0, 5).toString()]).toEqual([5e6, 5, "begat"]);
    source.close();
    (await streams.open(EMPTY_DIGEST)).close();
  });

  test("are not read while they are wrong or missing", async () => {
    await expect(streams.open(digest)).rejects.toMatchObject({ code: "BLOB_MISSING" });
    fs.makeDirectory(`${store.layout.cas}/${digest.hash.slice(0, 2)}`);
    fs.writeFile(store.layout.blob(digest.hash), Buffer.alloc(bytes.length));
    await expect(streams.open(digest)).rejects.toMatchObject({ code: "BLOB_CORRUPT" });
  });
});
