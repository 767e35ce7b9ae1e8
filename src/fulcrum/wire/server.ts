import type { ServerCredentials, ServerInterceptor, UntypedHandleCall } from "@grpc/grpc-js";
import {
  grpcServiceDefinition,
  loadGrpc,
  type MethodShape,
  pathOf,
  type RequestOf,
  type ResponseOf,
  RpcError,
  type ServiceShape,
  transportOptions,
} from "../../fulcrum-client/index.ts";
import type { CallContext } from "./call-context.ts";
import { quicken } from "./http2-servers.ts";
import { type ReportFailure, serverCalls } from "./server-calls.ts";

export type ServerMethod<M extends MethodShape> = M["requestStream"] extends true
  ? M["responseStream"] extends true
    ? (requests: AsyncIterable<RequestOf<M>>, context: CallContext) => AsyncIterable<ResponseOf<M>>
    : (requests: AsyncIterable<RequestOf<M>>, context: CallContext) => Promise<ResponseOf<M>>
  : M["responseStream"] extends true
    ? (request: RequestOf<M>, context: CallContext) => AsyncIterable<ResponseOf<M>>
    : (request: RequestOf<M>, context: CallContext) => Promise<ResponseOf<M>>;

export type ServiceHandlers<S extends ServiceShape> = {
  readonly [K in keyof S["methods"]]: ServerMethod<S["methods"][K]>;
};

/** A service and who answers it. */
export interface BoundService {
  readonly service: ServiceShape;
  readonly handlers: Readonly<Record<string, unknown>>;
}

export function bindService<S extends ServiceShape>(service: S, handlers: ServiceHandlers<S>): BoundService {
  return { service, handlers };
}

export interface ServerOptions {
  /** `host:port`, port 0 for any that is free; or `unix:/path`. */
  readonly address: string;
  /** TLS or plain text; left out, it is plain text. */
  readonly credentials?: ServerCredentials;
  readonly interceptors?: readonly ServerInterceptor[];
  readonly services: readonly BoundService[];
  readonly onFailure?: ReportFailure;
}

export interface RunningServer {
  /** 0 for a socket's path. */
  readonly port: number;
  /** Takes no new calls and waits for those running; after `graceMs` they are cut off. */
  stop(graceMs?: number): Promise<void>;
}

type Handle = never;

/** @throws {RpcError} `RPC_UNAVAILABLE` when nobody can listen at `address`. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const grpc = await loadGrpc();
  const calls = serverCalls(grpc, options.onFailure ?? (() => {}));
  const server = new grpc.Server({
    ...transportOptions,
    interceptors: [...(options.interceptors ?? [])],
    // Clients behind a firewall ping to keep their connection: that is no abuse.
    "grpc.http2.min_ping_interval_without_data_ms": 5000,
  } as ConstructorParameters<typeof grpc.Server>[0]);
  for (const { service, handlers } of options.services) {
    const bound = Object.entries(service.methods).map(([name, method]): [string, UntypedHandleCall] => {
      const path = pathOf(service, method);
      const kind = method.requestStream
        ? method.responseStream
          ? calls.bidi
          : calls.upload
        : method.responseStream
          ? calls.download
          : calls.unary;
      return [name, kind(path, handlers[name] as Handle)];
    });
    server.addService(grpcServiceDefinition(service), Object.fromEntries(bound));
  }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(
      options.address,
      options.credentials ?? grpc.ServerCredentials.createInsecure(),
      (cause, found) => {
        if (cause === null) resolve(found);
        else reject(new RpcError("UNAVAILABLE", `cannot listen at ${options.address}`, { cause }));
      },
    );
  });
  quicken(server, transportOptions["grpc-node.flow_control_window"]);
  return { port, stop: (graceMs = 5000) => stop(server, graceMs) };
}

function stop(server: { tryShutdown(done: () => void): void; forceShutdown(): void }, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const impatience = setTimeout(() => server.forceShutdown(), graceMs);
    server.tryShutdown(() => {
      clearTimeout(impatience);
      resolve();
    });
  });
}
