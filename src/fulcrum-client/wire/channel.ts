import type { ChannelCredentials, Client as GrpcClient, MethodDefinition } from "@grpc/grpc-js";
import type { Clock, Random } from "../../ports/index.ts";
import { type CallOptions, clientCalls } from "./client-calls.ts";
import { loadGrpc, transportOptions } from "./grpc.ts";
import { type RetryPolicy, withRetries } from "./retry.ts";
import {
  grpcServiceDefinition,
  type MethodShape,
  type RequestOf,
  type ResponseOf,
  type ServiceShape,
} from "./service-definition.ts";

/** Messages in either direction that come one after another. */
export type ClientMethod<M extends MethodShape> = M["requestStream"] extends true
  ? M["responseStream"] extends true
    ? (requests: AsyncIterable<RequestOf<M>>, options?: CallOptions) => AsyncGenerator<ResponseOf<M>, void>
    : (requests: AsyncIterable<RequestOf<M>>, options?: CallOptions) => Promise<ResponseOf<M>>
  : M["responseStream"] extends true
    ? (request: RequestOf<M>, options?: CallOptions) => AsyncGenerator<ResponseOf<M>, void>
    : (request: RequestOf<M>, options?: CallOptions) => Promise<ResponseOf<M>>;

export type ClientOf<S extends ServiceShape> = { readonly [K in keyof S["methods"]]: ClientMethod<S["methods"][K]> };

export interface ChannelOptions {
  /** `host:port`, `[v6]:port` or `unix:/path`. */
  readonly address: string;
  /** TLS or plain text; left out, it is plain text. */
  readonly credentials?: ChannelCredentials;
  /** Unary calls are tried again by this policy; streams never are, their caller knows what was already had. */
  readonly retry?: { readonly policy: RetryPolicy; readonly clock: Clock; readonly random: Random };
  /** Sent with every call. */
  readonly metadata?: Readonly<Record<string, string | Uint8Array>>;
  /** Of TLS: the name in the server's certificate, where it is not that of the address. */
  readonly serverName?: string;
  /** Said first in the user agent: `begat/0.1.0`. */
  readonly userAgent?: string;
}

/** A connection to one server, made when the first call needs it and made again when it breaks. */
export interface Channel {
  client<S extends ServiceShape>(service: S): ClientOf<S>;
  /** Calls still running are cancelled. */
  close(): void;
}

export async function openChannel(options: ChannelOptions): Promise<Channel> {
  const grpc = await loadGrpc();
  const client: GrpcClient = new grpc.Client(
    options.address,
    options.credentials ?? grpc.credentials.createInsecure(),
    {
      ...transportOptions,
      "grpc.keepalive_time_ms": 20_000,
      "grpc.keepalive_timeout_ms": 10_000,
      ...(options.serverName !== undefined && { "grpc.ssl_target_name_override": options.serverName }),
      ...(options.userAgent !== undefined && { "grpc.primary_user_agent": options.userAgent }),
    },
  );
  const open = new Set<() => void>();
  const calls = clientCalls(grpc, client, options.metadata ?? {}, open);
  const { retry } = options;
  const method = (definition: MethodDefinition<unknown, unknown>) => {
    if (definition.requestStream) return definition.responseStream ? calls.bidi(definition) : calls.upload(definition);
    if (definition.responseStream) return calls.download(definition);
    const call = calls.unary(definition);
    if (retry === undefined) return call;
    return (request: unknown, given: CallOptions = {}) =>
      withRetries(retry.policy, retry.clock, retry.random, () => call(request, given), given.signal);
  };
  return {
    client<S extends ServiceShape>(service: S): ClientOf<S> {
      const entries = Object.entries(grpcServiceDefinition(service));
      return Object.fromEntries(entries.map(([name, definition]) => [name, method(definition)])) as ClientOf<S>;
    },
    close() {
      for (const cancel of open) cancel();
      client.close();
    },
  };
}
