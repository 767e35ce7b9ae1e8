import type * as Grpc from "@grpc/grpc-js";
import { rpcErrorOf } from "./rpc-error.ts";

export interface CallOptions {
  /** Names ending in `-bin` take bytes. */
  readonly metadata?: Readonly<Record<string, string | Uint8Array>>;
  /** From now on, milliseconds; then the call ends with DEADLINE_EXCEEDED. */
  readonly timeoutMs?: number;
  /** Cancels the call; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

type Definition = Grpc.MethodDefinition<unknown, unknown>;

/** The four kinds of call over one client of grpc-js, as promises and async iterables. */
export function clientCalls(
  grpc: typeof Grpc,
  client: Grpc.Client,
  always: Readonly<Record<string, string | Uint8Array>>,
  open: Set<() => void>,
) {
  const metadataOf = (options: CallOptions): Grpc.Metadata => {
    const metadata = new grpc.Metadata();
    for (const [key, value] of Object.entries({ ...always, ...options.metadata })) {
      metadata.set(key, typeof value === "string" ? value : Buffer.from(value));
    }
    return metadata;
  };
  const callOptions = (options: CallOptions): Grpc.CallOptions =>
    options.timeoutMs === undefined ? {} : { deadline: Date.now() + options.timeoutMs };

  /** Ties `call` to the signal and to the channel until `release` is called. */
  const hold = (call: { cancel(): void }, signal: AbortSignal | undefined): (() => void) => {
    const cancel = () => call.cancel();
    open.add(cancel);
    signal?.addEventListener("abort", cancel);
    return () => {
      open.delete(cancel);
      signal?.removeEventListener("abort", cancel);
    };
  };
  const failure = (error: unknown, path: string, signal: AbortSignal | undefined): unknown =>
    signal?.aborted ? signal.reason : rpcErrorOf(error, path);

  /** Sends what `requests` gives, no faster than the peer takes it, until `ended` says that nobody listens. */
  const pump = async (
    call: Grpc.ClientWritableStream<unknown> | Grpc.ClientDuplexStream<unknown, unknown>,
    requests: AsyncIterable<unknown>,
    ended: { readonly now: boolean; readonly promise: Promise<void> },
  ): Promise<void> => {
    const iterator = requests[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await iterator.next();
        if (ended.now) return;
        if (next.done) break;
        if (!call.write(next.value)) {
          await Promise.race([new Promise<void>((resolve) => call.once("drain", resolve)), ended.promise]);
        }
      }
      call.end();
    } finally {
      if (ended.now) await iterator.return?.();
    }
  };
  const ending = () => {
    let settle = () => {};
    const ended = {
      now: false,
      promise: new Promise<void>((resolve) => {
        settle = resolve;
      }),
      set() {
        ended.now = true;
        settle();
      },
    };
    return ended;
  };

  async function* received(
    call: Grpc.ClientReadableStream<unknown> | Grpc.ClientDuplexStream<unknown, unknown>,
    path: string,
    options: CallOptions,
    sent: { failure?: unknown },
  ): AsyncGenerator<unknown, void> {
    const release = hold(call, options.signal);
    let isOver = false;
    try {
      for await (const message of call) yield message;
      isOver = true;
      if ("failure" in sent) throw sent.failure;
    } catch (error) {
      isOver = true;
      throw "failure" in sent ? sent.failure : failure(error, path, options.signal);
    } finally {
      release();
      if (!isOver) {
        // Nobody reads on: the status that this gives is an error event nobody waits for either.
        call.on("error", () => {});
        call.cancel();
      }
    }
  }

  return {
    unary:
      (definition: Definition) =>
      (request: unknown, options: CallOptions = {}) =>
        new Promise<unknown>((resolve, reject) => {
          if (options.signal?.aborted) return reject(options.signal.reason);
          const { path, requestSerialize, responseDeserialize } = definition;
          const call = client.makeUnaryRequest(
            path,
            requestSerialize,
            responseDeserialize,
            request,
            metadataOf(options),
            callOptions(options),
            (error, response) => {
              release();
              if (error) reject(failure(error, path, options.signal));
              else resolve(response);
            },
          );
          const release = hold(call, options.signal);
        }),

    download: (definition: Definition) =>
      async function* (request: unknown, options: CallOptions = {}) {
        options.signal?.throwIfAborted();
        const { path, requestSerialize, responseDeserialize } = definition;
        const call = client.makeServerStreamRequest(
          path,
          requestSerialize,
          responseDeserialize,
          request,
          metadataOf(options),
          callOptions(options),
        );
        yield* received(call, path, options, {});
      },

    /** Answers as soon as the server does, also before everything was sent. */
    upload:
      (definition: Definition) =>
      async (requests: AsyncIterable<unknown>, options: CallOptions = {}): Promise<unknown> => {
        options.signal?.throwIfAborted();
        const { path, requestSerialize, responseDeserialize } = definition;
        const ended = ending();
        let release = () => {};
        const answer = new Promise<unknown>((resolve, reject) => {
          const call = client.makeClientStreamRequest(
            path,
            requestSerialize,
            responseDeserialize,
            metadataOf(options),
            callOptions(options),
            (error, response) => {
              ended.set();
              if (error) reject(failure(error, path, options.signal));
              else resolve(response);
            },
          );
          // A stream that is closed under a write says so twice; the callback has it.
          call.on("error", () => {});
          release = hold(call, options.signal);
          pump(call, requests, ended).catch((cause) => {
            reject(cause);
            call.cancel();
          });
        });
        return answer.finally(() => release());
      },

    bidi: (definition: Definition) =>
      async function* (requests: AsyncIterable<unknown>, options: CallOptions = {}) {
        options.signal?.throwIfAborted();
        const { path, requestSerialize, responseDeserialize } = definition;
        const call = client.makeBidiStreamRequest(
          path,
          requestSerialize,
          responseDeserialize,
          metadataOf(options),
          callOptions(options),
        );
        const ended = ending();
        const sent: { failure?: unknown } = {};
        pump(call, requests, ended).catch((cause) => {
          sent.failure = cause;
          call.cancel();
        });
        try {
          yield* received(call, path, options, sent);
        } finally {
          ended.set();
        }
      },
  };
}
