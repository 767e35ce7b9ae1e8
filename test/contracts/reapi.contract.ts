import { randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, type TestContext, test } from "vitest";
import { type Digest, digestOf, EMPTY_DIGEST, type Sha256 } from "../../src/base/index.ts";
import { reapi } from "../../src/protocol/index.ts";
import { type ReapiClient, reapiClient, statusOfCall, writeRequests } from "../support/reapi-client.ts";
import { executionCases } from "./reapi-execution.contract.ts";

export interface ReapiTarget {
  /** `host:port`, plain text. */
  readonly address: string;
  readonly instance: string;
  /** Another instance of the same server that is not to see the first one's results; left out where there is none. */
  readonly otherInstance?: string;
}

/** What is known of a server beforehand: cases that cannot apply are left out instead of skipped. */
export interface ReapiOffers {
  readonly execution: boolean;
  /** Whether callers may write action results. */
  readonly updates: boolean;
}

type Case = (name: string, run: (context: TestContext) => Promise<void>) => void;
const leftOut: Case = () => {};

const MISSING_HASH = "0123456789abcdef".repeat(4) as Sha256;
/** No two runs bring the same blobs: a server that is not ours keeps them. */
const fresh = (sizeBytes: number): Buffer => randomBytes(sizeBytes);

/** What every server of the Remote Execution API promises, asked in raw calls. Parts a server does not offer are skipped. */
export function reapiContract(name: string, start: () => Promise<ReapiTarget>, offers?: ReapiOffers): void {
  const testUpdates: Case = offers?.updates === false ? leftOut : test;
  const testNoUpdates: Case = offers?.updates === true ? leftOut : test;
  describe(`REAPI contract: ${name}`, () => {
    let client: ReapiClient;
    let target: ReapiTarget;
    let capabilities: reapi.ServerCapabilities;
    beforeAll(async () => {
      target = await start();
      client = await reapiClient(target.address, target.instance);
      capabilities = await client.capabilities();
    });
    afterAll(() => client?.channel.close());

    const missing = async (...blobDigests: Digest[]) => {
      const request = { instanceName: client.instance, blobDigests, digestFunction: 0 as const };
      return (await client.cas.findMissingBlobs(request)).missingBlobDigests.map(({ hash }) => hash);
    };
    const batchUpdate = async (requests: reapi.BatchUpdateBlobsRequest_Request[]) => {
      const request = { instanceName: client.instance, requests, digestFunction: 0 as const };
      return (await client.cas.batchUpdateBlobs(request)).responses.map(({ status }) => status?.code ?? 0);
    };
    const write = (bytes: Uint8Array, options: Parameters<typeof writeRequests>[2] = {}, digest = digestOf(bytes)) =>
      client.bytes.write(writeRequests(client.writeName(digest, randomUUID()), bytes, options));

    describe("Capabilities", () => {
      test("speaks SHA-256 and a range of versions of major 2", () => {
        expect(capabilities.cacheCapabilities?.digestFunctions).toContain(reapi.DigestFunction_Value.SHA256);
        expect([capabilities.lowApiVersion?.major, capabilities.highApiVersion?.major]).toEqual([2, 2]);
        expect(capabilities.lowApiVersion?.minor).toBeLessThanOrEqual(capabilities.highApiVersion?.minor ?? -1);
      });
      test("has batches that fit the default message limit, or no limit of its own", () => {
        expect(capabilities.cacheCapabilities?.maxBatchTotalSizeBytes).toBeLessThan(4 * 1024 * 1024 + 1);
      });
    });

    describe("ContentAddressableStorage", () => {
      test("misses what nobody brought, and finds what somebody did", async () => {
        const digest = digestOf(fresh(100));
        expect(await missing(digest)).toEqual([digest.hash]);
        const brought = await client.upload(fresh(100));
        expect(await missing(brought, digest)).toEqual([digest.hash]);
      });
      test("has the empty blob without anybody bringing it", async () => {
        expect(await missing(EMPTY_DIGEST)).toEqual([]);
        const digests = [EMPTY_DIGEST];
        const request = {
          instanceName: client.instance,
          digests,
          acceptableCompressors: [],
          digestFunction: 0 as const,
        };
        const [only] = (await client.cas.batchReadBlobs(request)).responses;
        expect([only?.status?.code ?? 0, only?.data.length]).toEqual([0, 0]);
      });
      test("takes the empty blob", async () => {
        expect(await batchUpdate([{ digest: EMPTY_DIGEST, data: new Uint8Array(0), compressor: 0 }])).toEqual([0]);
      });
      test("misses a blob of the same hash and another size", async () => {
        const digest = await client.upload(fresh(100));
        expect(await missing({ ...digest, sizeBytes: 99 })).toEqual([digest.hash]);
      });
      test("refuses bytes that are not those of the digest, and only those", async () => {
        const [right, wrong] = [fresh(50), fresh(50)];
        const requests = [
          { digest: digestOf(right), data: right, compressor: 0 as const },
          { digest: digestOf(wrong), data: fresh(50), compressor: 0 as const },
        ];
        expect(await batchUpdate(requests)).toEqual([0, 3]);
        expect(await missing(digestOf(right), digestOf(wrong))).toEqual([digestOf(wrong).hash]);
      });
      test("refuses bytes of another size than the digest's", async () => {
        const data = fresh(50);
        expect(await batchUpdate([{ digest: { ...digestOf(data), sizeBytes: 49 }, data, compressor: 0 }])).toEqual([3]);
      });
      test("reads a batch, each blob with a status of its own", async () => {
        const bytes = fresh(1000);
        const digests = [await client.upload(bytes), { hash: MISSING_HASH, sizeBytes: 5 }];
        const request = {
          instanceName: client.instance,
          digests,
          acceptableCompressors: [],
          digestFunction: 0 as const,
        };
        const { responses } = await client.cas.batchReadBlobs(request);
        const byHash = new Map(responses.map((response) => [response.digest?.hash, response]));
        expect(Buffer.compare(byHash.get(digestOf(bytes).hash)?.data ?? Buffer.alloc(0), bytes)).toBe(0);
        expect(byHash.get(MISSING_HASH)?.status?.code).toBe(5);
      });
      test("takes and gives a batch as large as it says", async () => {
        const limit = capabilities.cacheCapabilities?.maxBatchTotalSizeBytes || 4 * 1024 * 1024 - 64 * 1024;
        const data = fresh(limit - 1024);
        expect(await batchUpdate([{ digest: digestOf(data), data, compressor: 0 }])).toEqual([0]);
        expect(Buffer.compare(await client.download(client.readName(digestOf(data))), data)).toBe(0);
      });
      test("refuses a hash that is none", async () => {
        const request = {
          instanceName: client.instance,
          blobDigests: [{ hash: "xyz", sizeBytes: 1 }],
          digestFunction: 0 as const,
        };
        expect(await statusOfCall(client.cas.findMissingBlobs(request))).toBe("INVALID_ARGUMENT");
      });
      test("gives a whole tree of directories, page by page", async () => {
        const leaves = await Promise.all(
          Array.from({ length: 5 }, async (_, n) => {
            const file = { name: `f${n}`, digest: await client.upload(fresh(10)), isExecutable: false };
            return client.upload(reapi.Directory.encode(reapi.Directory.create({ files: [file] })).finish());
          }),
        );
        const directories = leaves.map((digest, n) => ({ name: `d${n}`, digest }));
        const rootDigest = await client.upload(
          reapi.Directory.encode(reapi.Directory.create({ directories })).finish(),
        );
        const found = new Set<string>();
        for (let pageToken = "", pages = 0; pages < 10; pages++) {
          const request = {
            instanceName: client.instance,
            rootDigest,
            pageSize: 2,
            pageToken,
            digestFunction: 0 as const,
          };
          for await (const page of client.cas.getTree(request)) {
            for (const directory of page.directories)
              found.add(digestOf(reapi.Directory.encode(directory).finish()).hash);
            pageToken = page.nextPageToken;
          }
          if (pageToken === "") break;
        }
        expect([...found].sort()).toEqual([rootDigest, ...leaves].map(({ hash }) => hash).sort());
      });
      test("has no tree under a root that is missing", async () => {
        const rootDigest = { hash: MISSING_HASH, sizeBytes: 3 };
        const pages = client.cas.getTree({
          instanceName: client.instance,
          rootDigest,
          pageSize: 0,
          pageToken: "",
          digestFunction: 0,
        });
        expect(await statusOfCall(pages.next())).toBe("NOT_FOUND");
      });
    });

    describe("ByteStream", () => {
      for (const sizeBytes of [1, 65_536, 1_000_003]) {
        test(`takes and gives ${sizeBytes} bytes`, async () => {
          const bytes = fresh(sizeBytes);
          expect(await write(bytes)).toEqual({ committedSize: sizeBytes });
          expect(Buffer.compare(await client.download(client.readName(digestOf(bytes))), bytes)).toBe(0);
        });
      }
      test("gives a part, from an offset and up to a limit", async () => {
        const bytes = fresh(700_000);
        await write(bytes);
        const at = client.readName(digestOf(bytes));
        expect(Buffer.compare(await client.download(at, 300_000, 100_001), bytes.subarray(300_000, 400_001))).toBe(0);
        expect(Buffer.compare(await client.download(at, 699_999), bytes.subarray(699_999))).toBe(0);
        expect((await client.download(at, 700_000)).length).toBe(0);
        expect(await statusOfCall(client.download(at, 700_001))).toBe("OUT_OF_RANGE");
      });
      test("gives the empty blob", async () => {
        expect((await client.download(client.readName(EMPTY_DIGEST))).length).toBe(0);
      });
      test("does not find what nobody brought", async () => {
        expect(await statusOfCall(client.download(client.readName({ hash: MISSING_HASH, sizeBytes: 7 })))).toBe(
          "NOT_FOUND",
        );
      });
      test("answers with the whole size when the blob is there already", async () => {
        const bytes = fresh(3_000_000);
        await write(bytes);
        expect(await write(bytes)).toEqual({ committedSize: bytes.length });
      });
      test("refuses bytes with another digest, and keeps nothing", async () => {
        const digest = digestOf(fresh(200_000));
        expect(await statusOfCall(write(fresh(200_000), {}, digest))).toBe("INVALID_ARGUMENT");
        expect(await missing(digest)).toEqual([digest.hash]);
      });
      test("refuses more bytes than the name says", async () => {
        const bytes = fresh(200_000);
        const digest = { ...digestOf(bytes), sizeBytes: 100_000 };
        expect(await statusOfCall(write(bytes, {}, digest))).toBe("INVALID_ARGUMENT");
      });
      test("refuses an offset that does not follow", async () => {
        expect(await statusOfCall(write(fresh(200_000), { from: 65_536 }))).toBe("INVALID_ARGUMENT");
      });
      test("takes an upload up again where it stopped", async (context) => {
        const bytes = fresh(500_000);
        const name = client.writeName(digestOf(bytes), randomUUID());
        const part = bytes.subarray(0, 200_000);
        await statusOfCall(client.bytes.write(writeRequests(name, part, { finish: false })));
        const { committedSize, complete } = await client.bytes.queryWriteStatus({ resourceName: name }).catch(() => ({
          committedSize: 0,
          complete: false,
        }));
        if (committedSize === 0) context.skip("the server keeps no partial uploads");
        expect([committedSize, complete]).toEqual([200_000, false]);
        expect(await client.bytes.write(writeRequests(name, bytes, { from: committedSize }))).toEqual({
          committedSize: 500_000,
        });
        expect(await missing(digestOf(bytes))).toEqual([]);
      });
      test("takes the same blob from several callers at once", async () => {
        const bytes = fresh(2_000_000);
        const answers = await Promise.all(Array.from({ length: 4 }, () => write(bytes)));
        expect(answers.map(({ committedSize }) => committedSize)).toEqual([2e6, 2e6, 2e6, 2e6]);
        expect(Buffer.compare(await client.download(client.readName(digestOf(bytes))), bytes)).toBe(0);
      });
      test("says that an upload is complete once the blob is there", async () => {
        const bytes = fresh(1000);
        const resourceName = client.writeName(digestOf(bytes), randomUUID());
        await client.bytes.write(writeRequests(resourceName, bytes));
        expect(await client.bytes.queryWriteStatus({ resourceName })).toEqual({ committedSize: 1000, complete: true });
      });
      for (const resourceName of ["", "blobs", "blobs/xyz/3", `blobs/${MISSING_HASH}`, `blobs/${MISSING_HASH}/-1`]) {
        test(`refuses to read ${JSON.stringify(resourceName)}`, async () => {
          expect(await statusOfCall(client.download(resourceName))).toBe("INVALID_ARGUMENT");
        });
      }
    });

    describe("ActionCache", () => {
      const get = (action: Digest, instanceName = client.instance, inline = false) => {
        const request = { instanceName, actionDigest: action, inlineStdout: inline, inlineStderr: inline };
        return client.cache.getActionResult(reapi.GetActionResultRequest.fromPartial(request));
      };
      const put = (action: Digest, result: reapi.ActionResult, instanceName = client.instance) =>
        client.cache.updateActionResult(
          reapi.UpdateActionResultRequest.fromPartial({ instanceName, actionDigest: action, actionResult: result }),
        );
      const needsUpdates = (context: TestContext) => {
        const { updateEnabled = false } = capabilities.cacheCapabilities?.actionCacheUpdateCapabilities ?? {};
        if (!updateEnabled) context.skip("the server lets us write no action results");
      };
      /** A result whose every blob is there, but for what `lost` says. */
      const result = async (lost: "nothing" | "file" | "tree" | "inTree" | "stdout") => {
        const blob = (is: typeof lost) => (lost === is ? digestOf(fresh(20)) : client.upload(fresh(20)));
        const files = [{ name: "inner", digest: await blob("inTree"), isExecutable: true }];
        const tree = reapi.Tree.encode(reapi.Tree.fromPartial({ root: { files } })).finish();
        return reapi.ActionResult.fromPartial({
          outputFiles: [{ path: "out", digest: await blob("file") }],
          outputDirectories: [
            { path: "dir", treeDigest: lost === "tree" ? digestOf(tree) : await client.upload(tree) },
          ],
          stdoutDigest: await blob("stdout"),
          executionMetadata: { worker: "contract" },
        });
      };

      test("has no result of an action nobody ran", async () => {
        expect(await statusOfCall(get(digestOf(fresh(30))))).toBe("NOT_FOUND");
      });
      testUpdates("gives back what was put in", async (context) => {
        needsUpdates(context);
        const [action, given] = [digestOf(fresh(30)), await result("nothing")];
        await put(action, given);
        const found = await get(action);
        expect(found.outputFiles[0]).toEqual(given.outputFiles[0]);
        expect(found.outputDirectories[0]?.treeDigest).toEqual(given.outputDirectories[0]?.treeDigest);
      });
      testUpdates("inlines what is asked for, or leaves it to be fetched", async (context) => {
        needsUpdates(context);
        const [action, given] = [digestOf(fresh(30)), await result("nothing")];
        await put(action, given);
        const { stdoutRaw } = await get(action, client.instance, true);
        if (stdoutRaw.length > 0) expect(digestOf(stdoutRaw)).toEqual(given.stdoutDigest);
      });
      for (const lost of ["file", "tree", "inTree", "stdout"] as const) {
        testUpdates(`gives no result that has lost a blob: ${lost}`, async (context) => {
          needsUpdates(context);
          const action = digestOf(fresh(30));
          // Refused now or missed later: what counts is that nobody is given it.
          await statusOfCall(put(action, await result(lost)));
          expect(await statusOfCall(get(action))).toBe("NOT_FOUND");
        });
      }
      testUpdates("keeps instances apart", async (context) => {
        needsUpdates(context);
        if (target.otherInstance === undefined) context.skip("no second instance to compare with");
        const action = digestOf(fresh(30));
        await put(action, await result("nothing"));
        expect(await statusOfCall(get(action, target.otherInstance))).toBe("NOT_FOUND");
      });
      testNoUpdates("refuses results where it says that it takes none", async (context) => {
        const { updateEnabled = false } = capabilities.cacheCapabilities?.actionCacheUpdateCapabilities ?? {};
        if (updateEnabled) context.skip("the server takes action results");
        const status = await statusOfCall(put(digestOf(fresh(30)), await result("nothing")));
        expect(["PERMISSION_DENIED", "UNIMPLEMENTED"]).toContain(status);
      });
    });

    if (offers?.execution !== false)
      executionCases(() => ({ client, canExecute: capabilities.executionCapabilities?.execEnabled ?? false }));
  });
}
