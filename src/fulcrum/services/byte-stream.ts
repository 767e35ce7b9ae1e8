import type { Digest } from "../../base/index.ts";
import type { BlobStore, BlobStreams } from "../../cache/index.ts";
import { RpcError, STREAM_CHUNK_BYTES } from "../../fulcrum-client/index.ts";
import type { Clock } from "../../ports/index.ts";
import { bytestream } from "../../protocol/index.ts";
import { type BoundService, bindService } from "../wire/index.ts";
import { checkInstance, type InstanceNames } from "./request-checks.ts";
import { parseReadName, parseWriteName } from "./resource-name.ts";
import { offsetRefused, Uploads } from "./uploads.ts";

export interface ByteStreamOptions {
  readonly instances: InstanceNames;
  readonly blobs: BlobStore;
  readonly streams: BlobStreams;
  readonly clock: Clock;
}

export function byteStreamService({ instances, blobs, streams, clock }: ByteStreamOptions): BoundService {
  const uploads = new Uploads(streams, clock);
  return bindService(bytestream.ByteStreamDefinition, {
    async *read({ resourceName, readOffset, readLimit }) {
      const { instance, digest } = parseReadName(resourceName);
      checkInstance(instances, instance);
      const { sizeBytes } = digest;
      if (readLimit < 0) throw new RpcError("INVALID_ARGUMENT", `read limit ${readLimit} is negative`);
      if (!blobs.has(digest)) {
        throw new RpcError("NOT_FOUND", `blob ${digest.hash} of ${sizeBytes} bytes is not in the store`);
      }
      if (readOffset < 0 || readOffset > sizeBytes) {
        throw new RpcError("OUT_OF_RANGE", `read offset ${readOffset} is outside the ${sizeBytes} bytes of the blob`);
      }
      const end = readLimit === 0 ? sizeBytes : Math.min(sizeBytes, readOffset + readLimit);
      for await (const data of pieces(digest, readOffset, end)) yield { data };
    },

    async write(requests) {
      let name: string | undefined;
      let digest: Digest | undefined;
      let committedSize = 0;
      try {
        for await (const request of requests) {
          if (name === undefined || digest === undefined) {
            const parsed = parseWriteName(request.resourceName);
            checkInstance(instances, parsed.instance);
            digest = parsed.digest;
            // Nobody needs the rest: the sender is told at once.
            if (blobs.has(digest)) return { committedSize: digest.sizeBytes };
            committedSize = uploads.take(request.resourceName, request.writeOffset).sizeBytes;
            name = request.resourceName;
          } else if (request.resourceName !== "" && request.resourceName !== name) {
            throw new RpcError("INVALID_ARGUMENT", `${request.resourceName} in a call that began with ${name}`);
          }
          committedSize = receive(name, digest, request);
          if (request.finishWrite) return { committedSize };
        }
        if (name === undefined) throw new RpcError("INVALID_ARGUMENT", "the call ended before it named a resource");
        return { committedSize };
      } finally {
        if (name !== undefined) uploads.leave(name);
      }
    },

    async queryWriteStatus({ resourceName }) {
      const { instance, digest } = parseWriteName(resourceName);
      checkInstance(instances, instance);
      if (blobs.has(digest)) return { committedSize: digest.sizeBytes, complete: true };
      return { committedSize: uploads.sizeOf(resourceName), complete: false };
    },
  });

  /** Takes one message in and answers how many bytes there are now. What can never become the blob is forgotten. */
  function receive(name: string, digest: Digest, request: bytestream.WriteRequest): number {
    const sink = uploads.sinkOf(name);
    if (request.writeOffset !== sink.sizeBytes) throw offsetRefused(name, request.writeOffset, sink.sizeBytes);
    const total = sink.sizeBytes + request.data.length;
    try {
      if (total > digest.sizeBytes || (request.finishWrite && total < digest.sizeBytes)) {
        const text = `${total} bytes${request.finishWrite ? "" : " and more"} cannot be the ${digest.sizeBytes} of the name`;
        throw new RpcError("INVALID_ARGUMENT", `${name}: ${text}`);
      }
      sink.write(request.data);
      if (request.finishWrite) {
        sink.finish(digest);
        uploads.end(name);
      }
    } catch (error) {
      uploads.end(name);
      throw error;
    }
    return total;
  }

  async function* pieces(digest: Digest, from: number, end: number): AsyncGenerator<Uint8Array> {
    if (digest.sizeBytes <= STREAM_CHUNK_BYTES) {
      if (from < end) yield blobs.read(digest).subarray(from, end);
      return;
    }
    const source = await streams.open(digest);
    try {
      for (let at = from; at < end; ) {
        // Of its own each time: the one before may still be waiting to be sent.
        const piece = Buffer.allocUnsafeSlow(Math.min(STREAM_CHUNK_BYTES, end - at));
        const count = source.read(piece, at);
        if (count === 0)
          throw new RpcError("DATA_LOSS", `blob ${digest.hash} ended at ${at} of ${digest.sizeBytes} bytes`);
        yield piece.subarray(0, count);
        at += count;
      }
    } finally {
      source.close();
    }
  }
}
