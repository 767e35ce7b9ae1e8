import { invariant } from "../../base/index.ts";
import type { BlobSink, BlobStreams } from "../../cache/index.ts";
import { RpcError } from "../../fulcrum-client/index.ts";
import type { Clock } from "../../ports/index.ts";

interface Upload {
  readonly sink: BlobSink;
  isBusy: boolean;
  lastUsedMs: number;
}

/** Uploads that broke off are kept this long to be taken up again, milliseconds. */
const KEPT_MS = 10 * 60 * 1000;
/** How many such uploads are kept; the one left alone longest goes first. */
const MAX_KEPT = 64;

/** Uploads under way and those that broke off, by resource name. */
export class Uploads {
  readonly #streams: BlobStreams;
  readonly #clock: Clock;
  readonly #uploads = new Map<string, Upload>();

  constructor(streams: BlobStreams, clock: Clock) {
    this.#streams = streams;
    this.#clock = clock;
  }

  /** Received so far under this name, bytes; 0 for a name never heard. */
  sizeOf(name: string): number {
    return this.#uploads.get(name)?.sink.sizeBytes ?? 0;
  }

  /**
   * The upload of this name, from now on the caller's own until `leave` or `end`. `offset` 0 starts anew.
   *
   * @throws {RpcError} `RPC_ABORTED` while somebody else is at it, `RPC_INVALID_ARGUMENT` where `offset` does not follow.
   */
  take(name: string, offset: number): BlobSink {
    this.#forgetOld();
    let upload = this.#uploads.get(name);
    if (upload?.isBusy) throw new RpcError("ABORTED", `${name} is being written by another call`);
    if (upload !== undefined && offset === 0) {
      this.end(name);
      upload = undefined;
    }
    if (offset !== (upload?.sink.sizeBytes ?? 0)) throw offsetRefused(name, offset, upload?.sink.sizeBytes ?? 0);
    upload ??= { sink: this.#streams.begin(), isBusy: false, lastUsedMs: 0 };
    upload.isBusy = true;
    this.#uploads.set(name, upload);
    return upload.sink;
  }

  /** Of an upload that the caller has taken. */
  sinkOf(name: string): BlobSink {
    const upload = this.#uploads.get(name);
    invariant(upload !== undefined, "an upload is written to after it has ended");
    return upload.sink;
  }

  /** Keeps what was received, for a call that takes it up again. */
  leave(name: string): void {
    const upload = this.#uploads.get(name);
    if (upload === undefined) return;
    upload.isBusy = false;
    upload.lastUsedMs = this.#clock.monotonicMs();
  }

  /** Forgets the upload; what was not finished is gone. */
  end(name: string): void {
    this.#uploads.get(name)?.sink.abandon();
    this.#uploads.delete(name);
  }

  #forgetOld(): void {
    const nowMs = this.#clock.monotonicMs();
    const left = [...this.#uploads]
      .filter(([, { isBusy }]) => !isBusy)
      .sort(([, a], [, b]) => a.lastUsedMs - b.lastUsedMs);
    left.forEach(([name, { lastUsedMs }], at) => {
      if (nowMs - lastUsedMs > KEPT_MS || left.length - at > MAX_KEPT) this.end(name);
    });
  }
}

export function offsetRefused(name: string, offset: number, committed: number): RpcError {
  return new RpcError(
    "INVALID_ARGUMENT",
    `${name}: write offset ${offset} does not follow the ${committed} bytes received`,
  );
}
