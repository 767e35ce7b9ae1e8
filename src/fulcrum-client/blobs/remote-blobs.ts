import { type Digest, EMPTY_DIGEST, parseSha256, type Sha256 } from "../../base/index.ts";
import { type BlobStore, BlobStoreError, type BlobStreams } from "../../cache/index.ts";
import type { Clock, Random } from "../../ports/index.ts";
import { bytestream, reapi } from "../../protocol/index.ts";
import type { Channel } from "../wire/channel.ts";
import { MAX_BATCH_BYTES, STREAM_CHUNK_BYTES } from "../wire/grpc.ts";
import { defaultRetryPolicy, type RetryPolicy, withRetries } from "../wire/retry.ts";
import { RpcError, STATUS_NAMES } from "../wire/rpc-error.ts";
import { batches, inParallel } from "./batches.ts";

export interface RemoteBlobsOptions {
  readonly channel: Channel;
  /** REAPI instance name; may be empty or hold slashes. */
  readonly instance: string;
  /** What is fetched goes here and what is sent comes from here. */
  readonly blobs: BlobStore;
  readonly streams: BlobStreams;
  readonly clock: Clock;
  readonly random: Random;
  readonly retry?: RetryPolicy;
  /** Of all blobs of one batch together, bytes: the endpoint's `max_batch_total_size_bytes` where it is smaller. */
  readonly maxBatchBytes?: number;
}

/** What a transfer moved. */
export interface Moved {
  readonly blobs: number;
  readonly bytes: number;
}

/** Blobs that the endpoint does not have. */
export class BlobsMissingError extends RpcError {
  readonly digests: readonly Digest[];

  constructor(digests: readonly Digest[], where: string) {
    const [first] = digests;
    const more = digests.length > 1 ? ` and ${digests.length - 1} more` : "";
    super("NOT_FOUND", `blob ${first?.hash} of ${first?.sizeBytes} bytes${more} is not in the store of ${where}`);
    this.digests = digests;
  }
}

/** Larger ones go by ByteStream: one message is not held up by another's bytes, and a broken stream goes on where it was. */
const SMALL_BYTES = 1024 * 1024;
/** Digests in one call; a message of that many stays below 100 KiB. */
const MOST_IN_BATCH = 1000;
const CALLS_AT_ONCE = 4;

/** The blob store of a REAPI endpoint beside one's own: only what is missing moves, and every byte is verified. */
export class RemoteBlobs {
  readonly #options: RemoteBlobsOptions;
  readonly #cas;
  readonly #stream;
  readonly #fetching = new Map<Sha256, Promise<void>>();
  #uploads = 0;

  constructor(options: RemoteBlobsOptions) {
    this.#options = options;
    this.#cas = options.channel.client(reapi.ContentAddressableStorageDefinition);
    this.#stream = options.channel.client(bytestream.ByteStreamDefinition);
  }

  /** Those of `digests` that the endpoint does not have, each once. */
  async missing(digests: Iterable<Digest>, signal?: AbortSignal): Promise<Digest[]> {
    const missing: Digest[] = [];
    const asked = [...batches(distinct(digests), { count: MOST_IN_BATCH, bytes: Number.POSITIVE_INFINITY })];
    await inParallel(asked, CALLS_AT_ONCE, async (blobDigests) => {
      const { missingBlobDigests } = await this.#retrying(
        (call) =>
          this.#cas.findMissingBlobs({ instanceName: this.#options.instance, blobDigests, digestFunction: 0 }, call),
        signal,
      );
      for (const wire of missingBlobDigests) missing.push(digestFrom(wire));
    });
    return missing;
  }

  /**
   * Brings what the own store lacks of `digests`. Two that ask for one blob at a time share one call.
   *
   * @throws {BlobsMissingError} Some are not there; the others were fetched.
   * @throws {BlobStoreError} `BLOB_MISMATCH` when an endpoint sends other bytes than it was asked for.
   */
  async fetch(digests: Iterable<Digest>, signal?: AbortSignal): Promise<Moved> {
    const { blobs } = this.#options;
    const wanted: Digest[] = [];
    const waited: Promise<void>[] = [];
    for (const digest of distinct(digests)) {
      if (blobs.has(digest)) continue;
      const others = this.#fetching.get(digest.hash);
      if (others === undefined) wanted.push(digest);
      else waited.push(others);
    }
    const own = this.#fetchAll(wanted, signal);
    const settled = own.then(
      () => {},
      () => {},
    );
    for (const { hash } of wanted) this.#fetching.set(hash, settled);
    try {
      const moved = await own;
      await Promise.all(waited);
      // What the other caller could not get, or gave up, is this one's to fetch.
      const left = [...distinct(digests)].filter((digest) => !blobs.has(digest));
      if (left.length === 0) return moved;
      const again = await this.#fetchAll(left, signal);
      return { blobs: moved.blobs + again.blobs, bytes: moved.bytes + again.bytes };
    } finally {
      for (const { hash } of wanted) if (this.#fetching.get(hash) === settled) this.#fetching.delete(hash);
    }
  }

  /**
   * Sends what the endpoint lacks of `digests`, from the own store.
   *
   * @param known Digests that the endpoint was found to lack: then it is not asked again.
   */
  async upload(digests: Iterable<Digest>, signal?: AbortSignal, known?: readonly Digest[]): Promise<Moved> {
    const missing = known ?? (await this.missing(digests, signal));
    const small = missing.filter(({ sizeBytes }) => sizeBytes <= SMALL_BYTES);
    const large = missing.filter(({ sizeBytes }) => sizeBytes > SMALL_BYTES);
    const steps = [
      ...Array.from(this.#batches(small), (batch) => () => this.#sendBatch(batch, signal)),
      ...large.map((digest) => () => this.#sendLarge(digest, signal)),
    ];
    await inParallel(steps, CALLS_AT_ONCE, (step) => step());
    return { blobs: missing.length, bytes: sizeOf(missing) };
  }

  async #fetchAll(wanted: readonly Digest[], signal: AbortSignal | undefined): Promise<Moved> {
    const gone: Digest[] = [];
    const steps = [
      ...Array.from(
        this.#batches(wanted.filter(({ sizeBytes }) => sizeBytes <= SMALL_BYTES)),
        (batch) => () => this.#fetchBatch(batch, gone, signal),
      ),
      ...wanted
        .filter(({ sizeBytes }) => sizeBytes > SMALL_BYTES)
        .map((digest) => () => this.#fetchLarge(digest, gone, signal)),
    ];
    await inParallel(steps, CALLS_AT_ONCE, (step) => step());
    // In the order asked for, whichever call was answered first.
    if (gone.length > 0)
      throw new BlobsMissingError(
        wanted.filter((digest) => gone.includes(digest)),
        "the endpoint",
      );
    return { blobs: wanted.length, bytes: sizeOf(wanted) };
  }

  #batches(digests: readonly Digest[]): Iterable<Digest[]> {
    const bytes = Math.min(this.#options.maxBatchBytes || MAX_BATCH_BYTES, MAX_BATCH_BYTES);
    return batches(digests, { count: MOST_IN_BATCH, bytes });
  }

  async #fetchBatch(batch: readonly Digest[], gone: Digest[], signal: AbortSignal | undefined): Promise<void> {
    const { blobs, instance } = this.#options;
    let left = batch;
    await withRetries(
      this.#options.retry ?? defaultRetryPolicy,
      this.#options.clock,
      this.#options.random,
      async () => {
        const { responses } = await this.#cas.batchReadBlobs(
          { instanceName: instance, digests: [...left], acceptableCompressors: [], digestFunction: 0 },
          signal === undefined ? {} : { signal },
        );
        const answered = new Map(responses.map((response) => [response.digest?.hash, response]));
        const again: Digest[] = [];
        let failure: RpcError | undefined;
        for (const digest of left) {
          const response = answered.get(digest.hash);
          const code = response?.status?.code ?? 0;
          if (response !== undefined && code === 0) keep(blobs, digest, response.data);
          else if (response === undefined || STATUS_NAMES[code] === "NOT_FOUND") gone.push(digest);
          else {
            again.push(digest);
            failure = failureOf(code, `blob ${digest.hash}: ${response.status?.message}`);
          }
        }
        left = again;
        if (failure !== undefined) throw failure;
      },
      signal,
    );
  }

  async #fetchLarge(digest: Digest, gone: Digest[], signal: AbortSignal | undefined): Promise<void> {
    const { streams, instance } = this.#options;
    const prefix = instance === "" ? "" : `${instance}/`;
    const resourceName = `${prefix}blobs/${digest.hash}/${digest.sizeBytes}`;
    const sink = streams.begin();
    try {
      await this.#retrying(async (call) => {
        // A stream that broke goes on where it was: what was received was hashed already.
        for await (const { data } of this.#stream.read(
          { resourceName, readOffset: sink.sizeBytes, readLimit: 0 },
          call,
        )) {
          if (sink.sizeBytes + data.length > digest.sizeBytes) {
            throw new BlobStoreError("BLOB_MISMATCH", `${resourceName} has more bytes than its name says`);
          }
          sink.write(data);
        }
        if (sink.sizeBytes < digest.sizeBytes) {
          const at = `${sink.sizeBytes} of ${digest.sizeBytes} bytes`;
          throw new RpcError("UNAVAILABLE", `${resourceName} ended after ${at}`);
        }
      }, signal);
      sink.finish(digest);
    } catch (error) {
      sink.abandon();
      if (error instanceof RpcError && error.status === "NOT_FOUND") gone.push(digest);
      else throw error;
    }
  }

  async #sendBatch(batch: readonly Digest[], signal: AbortSignal | undefined): Promise<void> {
    const { blobs, instance } = this.#options;
    let left = batch;
    await withRetries(
      this.#options.retry ?? defaultRetryPolicy,
      this.#options.clock,
      this.#options.random,
      async () => {
        const requests = left.map((digest) => ({ digest, data: blobs.read(digest), compressor: 0 as const }));
        const { responses } = await this.#cas.batchUpdateBlobs(
          { instanceName: instance, requests, digestFunction: 0 },
          signal === undefined ? {} : { signal },
        );
        const codes = new Map(responses.map(({ digest, status }) => [digest?.hash, status]));
        const refused = left.filter(({ hash }) => (codes.get(hash)?.code ?? 0) !== 0);
        left = refused;
        const [first] = refused;
        if (first === undefined) return;
        const status = codes.get(first.hash);
        throw failureOf(status?.code ?? 2, `blob ${first.hash} was not taken: ${status?.message}`);
      },
      signal,
    );
  }

  async #sendLarge(digest: Digest, signal: AbortSignal | undefined): Promise<void> {
    const { instance, random } = this.#options;
    const prefix = instance === "" ? "" : `${instance}/`;
    const id = `${Buffer.from(random.bytes(8)).toString("hex")}-${++this.#uploads}`;
    const resourceName = `${prefix}uploads/${id}/blobs/${digest.hash}/${digest.sizeBytes}`;
    let isFirst = true;
    await this.#retrying(async (call) => {
      let from = 0;
      if (!isFirst) {
        const status = await this.#stream.queryWriteStatus({ resourceName }, call);
        if (status.complete) return;
        from = status.committedSize;
      }
      isFirst = false;
      const { committedSize } = await this.#stream.write(this.#pieces(digest, resourceName, from), call);
      // -1: it was there already, compressed.
      if (committedSize !== digest.sizeBytes && committedSize !== -1) {
        throw new RpcError("UNAVAILABLE", `${committedSize} of ${digest.sizeBytes} bytes of ${digest.hash} were taken`);
      }
    }, signal);
  }

  async *#pieces(digest: Digest, resourceName: string, from: number): AsyncGenerator<bytestream.WriteRequest> {
    const source = await this.#options.streams.open(digest);
    try {
      for (let at = from; ; ) {
        // Of its own each time: the one before may still be waiting to be sent.
        const piece = Buffer.allocUnsafeSlow(Math.min(STREAM_CHUNK_BYTES, digest.sizeBytes - at));
        const count = source.read(piece, at);
        const finishWrite = at + count >= digest.sizeBytes;
        yield {
          resourceName: at === from ? resourceName : "",
          writeOffset: at,
          finishWrite,
          data: piece.subarray(0, count),
        };
        at += count;
        if (finishWrite || count === 0) return;
      }
    } finally {
      source.close();
    }
  }

  #retrying<T>(
    attempt: (call: { readonly signal?: AbortSignal }) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const { retry = defaultRetryPolicy, clock, random } = this.#options;
    const call = signal === undefined ? {} : { signal };
    return withRetries(retry, clock, random, () => attempt(call), signal);
  }
}

function keep(blobs: BlobStore, digest: Digest, bytes: Uint8Array): void {
  const found = blobs.write(bytes);
  if (found.hash === digest.hash && found.sizeBytes === digest.sizeBytes) return;
  throw new BlobStoreError("BLOB_MISMATCH", `asked for blob ${digest.hash}, the endpoint sent ${found.hash}`);
}

function failureOf(code: number, message: string): RpcError {
  const name = STATUS_NAMES[code] ?? "UNKNOWN";
  return new RpcError(name === "OK" ? "UNKNOWN" : name, message);
}

function* distinct(digests: Iterable<Digest>): Generator<Digest> {
  const seen = new Set<Sha256>([EMPTY_DIGEST.hash]);
  for (const digest of digests) {
    if (seen.has(digest.hash)) continue;
    seen.add(digest.hash);
    yield digest;
  }
}

const sizeOf = (digests: readonly Digest[]): number => digests.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);

function digestFrom(wire: reapi.Digest): Digest {
  const hash = parseSha256(wire.hash);
  if (hash === undefined) throw new RpcError("INTERNAL", `the endpoint names blob ${JSON.stringify(wire.hash)}`);
  return { hash, sizeBytes: wire.sizeBytes };
}
