import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Digest, digestOf } from "../../../src/base/index.ts";
import { FileBlobStreams } from "../../../src/cache/index.ts";
import { bindService, startServer } from "../../../src/fulcrum/index.ts";
import { batches, inParallel, openChannel, RemoteBlobs } from "../../../src/fulcrum-client/index.ts";
import { NodeFileStreams } from "../../../src/platform/index.ts";
import { reapi } from "../../../src/protocol/index.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { type ReapiEndpoint, reapiEndpoint } from "../../support/reapi-endpoint.ts";
import { SeededRandom } from "../../support/seeded-random.ts";

let theirs: ReapiEndpoint;
let ours: ReapiEndpoint;
let remote: RemoteBlobs;
let close = () => {};

beforeAll(async () => {
  theirs = await reapiEndpoint({ mayUpdateResults: false });
  ours = await reapiEndpoint({ mayUpdateResults: false });
  remote = await remoteAt(theirs.address);
});
afterAll(async () => {
  close();
  await Promise.all([theirs.close(), ours.close()]);
});

async function remoteAt(address: string): Promise<RemoteBlobs> {
  const channel = await openChannel({ address });
  const before = close;
  close = () => {
    before();
    channel.close();
  };
  return new RemoteBlobs({
    channel,
    instance: "team/one",
    blobs: ours.store,
    streams: new FileBlobStreams(ours.store, new NodeFileStreams()),
    clock: new ManualClock(),
    random: new SeededRandom(1),
    retry: { attempts: 1, firstDelayMs: 1, maxDelayMs: 1 },
  });
}

const large = (fill: number): Buffer => Buffer.alloc(3 * 1024 * 1024 + 17, fill);

describe("blobs of another store", () => {
  test("only what is missing is sent, small and large, each once", async () => {
    const there = theirs.store.write(Buffer.from("there already"));
    const mine = [Buffer.from("small"), large(1), Buffer.from("there already"), Buffer.alloc(0)];
    const digests = mine.map((bytes) => ours.store.write(bytes));
    expect(digests).toContainEqual(there);
    const moved = await remote.upload([...digests, ...digests]);
    expect(moved).toEqual({ blobs: 2, bytes: 5 + large(1).length });
    expect(digests.every((digest) => theirs.store.has(digest))).toBe(true);
    expect(await remote.upload(digests)).toEqual({ blobs: 0, bytes: 0 });
  });

  test("only what is missing is fetched, also when two ask at once", async () => {
    const digests = [Buffer.from("fetched"), large(2)].map((bytes) => theirs.store.write(bytes));
    const [first, second] = await Promise.all([remote.fetch(digests), remote.fetch([...digests].reverse())]);
    expect(first.bytes + second.bytes).toBe(7 + large(2).length);
    expect(ours.store.read(digests[0] as Digest).toString()).toBe("fetched");
    expect(ours.store.has(digests[1] as Digest)).toBe(true);
  });

  test("what is nowhere is named, and the rest comes", async () => {
    const there = theirs.store.write(Buffer.from("the one that is there"));
    const gone = [digestOf("gone"), digestOf(large(3))];
    const error = await remote.fetch([...gone, there]).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: "RPC_NOT_FOUND", digests: gone });
    expect(ours.store.has(there)).toBe(true);
  });

  test("other bytes than were asked for are not kept", async () => {
    const wanted = digestOf("what was asked for");
    const liar = await startServer({
      address: "127.0.0.1:0",
      services: [
        bindService(reapi.ContentAddressableStorageDefinition, {
          batchReadBlobs: async () => ({
            responses: [{ digest: wanted, data: Buffer.from("WHAT was asked for"), compressor: 0, status: undefined }],
          }),
          findMissingBlobs: async () => ({ missingBlobDigests: [] }),
          batchUpdateBlobs: async () => ({ responses: [] }),
          async *getTree() {},
        }),
      ],
    });
    const lied = await remoteAt(`127.0.0.1:${liar.port}`);
    await expect(lied.fetch([wanted])).rejects.toMatchObject({ code: "BLOB_MISMATCH" });
    expect(ours.store.has(wanted)).toBe(false);
    await liar.stop(0);
  });
});

test("batches keep to both limits, and one item always fits", () => {
  const sized = (...sizes: number[]) => sizes.map((sizeBytes, at) => ({ ...digestOf(String(at)), sizeBytes }));
  const cut = (...sizes: number[]) =>
    [...batches(sized(...sizes), { count: 3, bytes: 10 })].map((batch) => batch.map(({ sizeBytes }) => sizeBytes));
  expect(cut()).toEqual([]);
  expect(cut(1, 1, 1, 1)).toEqual([[1, 1, 1], [1]]);
  expect(cut(6, 5, 5, 99, 1)).toEqual([[6], [5, 5], [99], [1]]);
});

test("after a failure nothing further is begun", async () => {
  const begun: number[] = [];
  const work = inParallel([1, 2, 3, 4, 5], 2, async (item) => {
    begun.push(item);
    if (item === 2) throw new Error("no");
    await Promise.resolve();
  });
  await expect(work).rejects.toThrow("no");
  expect(begun).toEqual([1, 2]);
});
