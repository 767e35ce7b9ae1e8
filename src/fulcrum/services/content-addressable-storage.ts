import { type Digest, digestOf } from "../../base/index.ts";
import type { BlobStore } from "../../cache/index.ts";
import { MAX_BATCH_BYTES, RpcError, statusOf } from "../../fulcrum-client/index.ts";
import { reapi, rpc } from "../../protocol/index.ts";
import { type BoundService, bindService } from "../wire/index.ts";
import { directoriesBelow } from "./directory-walk.ts";
import { checkDigestFunction, checkInstance, digestFrom, type InstanceNames } from "./request-checks.ts";

export interface StorageOptions {
  readonly instances: InstanceNames;
  readonly blobs: BlobStore;
}

const OK: rpc.Status = rpc.Status.create();
/** Directories in one message of GetTree where the caller names no number, or a larger one. */
const PAGE_DIRECTORIES = 1000;
/** Of directories in one message, bytes: below what anybody's limit is. */
const PAGE_BYTES = 1024 * 1024;

export const storageService = ({ instances, blobs }: StorageOptions): BoundService =>
  bindService(reapi.ContentAddressableStorageDefinition, {
    async findMissingBlobs(request) {
      checkInstance(instances, request.instanceName);
      checkDigestFunction(request.digestFunction);
      // `has` marks those that are there as used: they outlive a collection that comes before they are needed.
      const missing = request.blobDigests.filter((wire) => !blobs.has(digestFrom(wire, "a blob asked for")));
      return { missingBlobDigests: missing };
    },

    async batchUpdateBlobs(request) {
      checkInstance(instances, request.instanceName);
      checkDigestFunction(request.digestFunction);
      checkBatch(request.requests.reduce((sum, { data }) => sum + data.length, 0));
      return { responses: request.requests.map((one) => update(blobs, one)) };
    },

    async batchReadBlobs(request) {
      checkInstance(instances, request.instanceName);
      checkDigestFunction(request.digestFunction);
      const digests = request.digests.map((wire) => digestFrom(wire, "a blob asked for"));
      checkBatch(digests.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
      return { responses: digests.map((digest) => readOne(blobs, digest)) };
    },

    async *getTree(request) {
      checkInstance(instances, request.instanceName);
      checkDigestFunction(request.digestFunction);
      const root = digestFrom(request.rootDigest, "the root");
      if (!blobs.has(root)) throw new RpcError("NOT_FOUND", `blob ${root.hash} of ${root.sizeBytes} bytes is not here`);
      const skip = request.pageToken === "" ? 0 : Number(request.pageToken);
      if (!Number.isSafeInteger(skip) || skip < 0) {
        throw new RpcError("INVALID_ARGUMENT", `page token ${JSON.stringify(request.pageToken)} is none of ours`);
      }
      const limit = request.pageSize > 0 ? Math.min(request.pageSize, PAGE_DIRECTORIES) : PAGE_DIRECTORIES;
      let page: reapi.Directory[] = [];
      let bytes = 0;
      let given = 0;
      for (const { directory, sizeBytes } of directoriesBelow(blobs, root)) {
        if (given++ < skip) continue;
        if (page.length === limit || (page.length > 0 && bytes + sizeBytes > PAGE_BYTES)) {
          yield { directories: page, nextPageToken: String(given - 1) };
          page = [];
          bytes = 0;
        }
        page.push(directory);
        bytes += sizeBytes;
      }
      yield { directories: page, nextPageToken: "" };
    },
  });

function checkBatch(bytes: number): void {
  if (bytes <= MAX_BATCH_BYTES) return;
  const message = `a batch of ${bytes} bytes is above the ${MAX_BATCH_BYTES} that fit; use ByteStream for large blobs`;
  throw new RpcError("INVALID_ARGUMENT", message);
}

function update(blobs: BlobStore, one: reapi.BatchUpdateBlobsRequest_Request): reapi.BatchUpdateBlobsResponse_Response {
  try {
    if (one.compressor !== reapi.Compressor_Value.IDENTITY) {
      throw new RpcError("INVALID_ARGUMENT", `compressor ${one.compressor} is not spoken, only IDENTITY`);
    }
    const digest = digestFrom(one.digest, "a blob brought");
    const found = digestOf(one.data);
    if (found.hash !== digest.hash || found.sizeBytes !== digest.sizeBytes) {
      const text = `${found.hash} of ${found.sizeBytes}, not ${digest.hash} of ${digest.sizeBytes}`;
      throw new RpcError("INVALID_ARGUMENT", `the bytes have digest ${text}`);
    }
    blobs.write(one.data, digest);
    return { digest: one.digest, status: OK };
  } catch (error) {
    return { digest: one.digest, status: statusOf(error) };
  }
}

function readOne(blobs: BlobStore, digest: Digest): reapi.BatchReadBlobsResponse_Response {
  try {
    return { digest, data: blobs.read(digest), status: OK, compressor: reapi.Compressor_Value.IDENTITY };
  } catch (error) {
    return { digest, data: new Uint8Array(0), status: statusOf(error), compressor: reapi.Compressor_Value.IDENTITY };
  }
}
