import { type Digest, digestOf } from "../../src/base/index.ts";
import { type Channel, openChannel, type RpcError } from "../../src/fulcrum-client/index.ts";
import { bytestream, reapi } from "../../src/protocol/index.ts";

/** Raw calls to one instance of one endpoint. */
export interface ReapiClient {
  readonly channel: Channel;
  readonly instance: string;
  readonly cas: ReturnType<typeof storage>;
  readonly cache: ReturnType<typeof actionCache>;
  readonly execution: ReturnType<typeof executionOf>;
  readonly bytes: ReturnType<typeof byteStream>;
  capabilities(): Promise<reapi.ServerCapabilities>;
  /** Brings a small blob. */
  upload(bytes: Uint8Array | string): Promise<Digest>;
  writeName(digest: Digest, id: string): string;
  readName(digest: Digest): string;
  /** Everything that Read gives. */
  download(name: string, offset?: number, limit?: number): Promise<Buffer>;
}

const storage = (channel: Channel) => channel.client(reapi.ContentAddressableStorageDefinition);
const actionCache = (channel: Channel) => channel.client(reapi.ActionCacheDefinition);
const executionOf = (channel: Channel) => channel.client(reapi.ExecutionDefinition);
const byteStream = (channel: Channel) => channel.client(bytestream.ByteStreamDefinition);

export async function reapiClient(address: string, instance: string): Promise<ReapiClient> {
  const channel = await openChannel({ address });
  const cas = storage(channel);
  const bytes = byteStream(channel);
  const prefix = instance === "" ? "" : `${instance}/`;
  return {
    channel,
    instance,
    cas,
    bytes,
    cache: actionCache(channel),
    execution: executionOf(channel),
    capabilities: () => channel.client(reapi.CapabilitiesDefinition).getCapabilities({ instanceName: instance }),
    async upload(given) {
      const data = Buffer.from(given);
      const digest = digestOf(data);
      const requests = [{ digest, data, compressor: 0 as const }];
      const { responses } = await cas.batchUpdateBlobs({ instanceName: instance, requests, digestFunction: 0 });
      const status = responses[0]?.status;
      if (status !== undefined && status.code !== 0) throw new Error(`upload: ${status.code} ${status.message}`);
      return digest;
    },
    writeName: ({ hash, sizeBytes }, id) => `${prefix}uploads/${id}/blobs/${hash}/${sizeBytes}`,
    readName: ({ hash, sizeBytes }) => `${prefix}blobs/${hash}/${sizeBytes}`,
    async download(resourceName, readOffset = 0, readLimit = 0) {
      const pieces: Uint8Array[] = [];
      for await (const { data } of bytes.read({ resourceName, readOffset, readLimit })) pieces.push(data);
      return Buffer.concat(pieces);
    },
  };
}

/** Bytes as write requests of `chunk` each; only the first has the name, as most clients do it. */
export async function* writeRequests(
  resourceName: string,
  bytes: Uint8Array,
  options: { readonly chunk?: number; readonly from?: number; readonly finish?: boolean } = {},
): AsyncGenerator<bytestream.WriteRequest> {
  const { chunk = 64 * 1024, from = 0, finish = true } = options;
  for (let at = from; ; at += chunk) {
    const isLast = at + chunk >= bytes.length;
    const data = bytes.subarray(at, at + chunk);
    yield { resourceName: at === from ? resourceName : "", writeOffset: at, finishWrite: isLast && finish, data };
    if (isLast) return;
  }
}

/** The status a call ended with, as `NOT_FOUND`; `OK` when it did not fail. */
export async function statusOfCall(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "OK";
  } catch (error) {
    const { status } = error as RpcError;
    if (status === undefined) throw error;
    return status;
  }
}
