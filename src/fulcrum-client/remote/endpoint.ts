import { BegatError } from "../../base/index.ts";
import { reapi } from "../../protocol/index.ts";
import type { Channel } from "../wire/channel.ts";
import { RpcError } from "../wire/rpc-error.ts";

export type EndpointErrorCode =
  | "ENDPOINT_ADDRESS_MALFORMED"
  | "ENDPOINT_UNREACHABLE"
  | "ENDPOINT_REFUSES"
  | "ENDPOINT_UNSUITABLE";

export class EndpointError extends BegatError<EndpointErrorCode> {}

/** A server of the Remote Execution API, and how it is spoken of. */
export interface Endpoint {
  readonly channel: Channel;
  /** REAPI instance name; may be empty or hold slashes. */
  readonly instance: string;
  /** `frodo:7300`, `grpc://cache:8980/main`. */
  readonly name: string;
}

export interface EndpointAddress {
  /** `farm`: the one this machine has joined, by mutual TLS; the others are anybody's. */
  readonly scheme: "farm" | "grpc" | "grpcs";
  /** `host:port`. */
  readonly address: string;
}

/**
 * `HOST:PORT` of a farm's leader, `grpc://HOST:PORT` (plain text) or `grpcs://HOST:PORT` (TLS) of any endpoint.
 *
 * @throws {EndpointError} `ENDPOINT_ADDRESS_MALFORMED`.
 */
export function parseEndpoint(text: string): EndpointAddress {
  const [, scheme = "farm", address = ""] = /^(?:(grpcs?):\/\/)?([^/\s]+)$/.exec(text) ?? [];
  const [, port = ""] = /^(?:\[[0-9A-Fa-f:.]+\]|[^:[\]]+):(\d{1,5})$/.exec(address) ?? [];
  if (port !== "" && Number(port) > 0 && Number(port) < 65_536) {
    return { scheme: scheme as EndpointAddress["scheme"], address };
  }
  throw new EndpointError("ENDPOINT_ADDRESS_MALFORMED", `${JSON.stringify(text.slice(0, 200))} is no address`, {
    hint: "a farm's leader is named HOST:PORT, any other endpoint grpc://HOST:PORT or grpcs://HOST:PORT",
  });
}

/** Whether it is the caller that the endpoint does not want, and not the call. */
export const isLockedOut = (error: unknown): boolean =>
  error instanceof RpcError && (error.status === "UNAUTHENTICATED" || error.status === "PERMISSION_DENIED");

/** The version of the API that is spoken here: 2.0 to 2.3. */
const SPOKEN = { low: 0, high: 3 };

/** What an endpoint says it can do, as far as it matters here. */
export interface EndpointAbilities {
  readonly executes: boolean;
  readonly takesResults: boolean;
  /** Of all blobs of one batch, bytes; 0 where it does not say. */
  readonly maxBatchBytes: number;
  /** Its highest version is 2.1 or above, so that outputs are asked for by `output_paths`. */
  readonly knowsOutputPaths: boolean;
}

/**
 * Asks an endpoint what it can do.
 *
 * @throws {EndpointError} `ENDPOINT_UNREACHABLE`, `ENDPOINT_REFUSES` where it does not let us in, or
 *   `ENDPOINT_UNSUITABLE` where it speaks other versions or digests.
 */
export async function askAbilities(
  { channel, instance, name }: Endpoint,
  options: { readonly signal?: AbortSignal; readonly timeoutMs: number },
): Promise<EndpointAbilities> {
  let capabilities: reapi.ServerCapabilities;
  try {
    capabilities = await channel
      .client(reapi.CapabilitiesDefinition)
      .getCapabilities({ instanceName: instance }, options);
  } catch (cause) {
    options.signal?.throwIfAborted();
    if (isLockedOut(cause)) throw new EndpointError("ENDPOINT_REFUSES", `${name} does not let us in`, { cause });
    throw new EndpointError("ENDPOINT_UNREACHABLE", `${name} cannot be asked what it can do`, { cause });
  }
  const unsuitable = (because: string) => new EndpointError("ENDPOINT_UNSUITABLE", `${name} ${because}`);
  const { cacheCapabilities: cache, executionCapabilities: execution, highApiVersion: high } = capabilities;
  const low = capabilities.deprecatedApiVersion ?? capabilities.lowApiVersion;
  const isBelow = high !== undefined && high.major < 2;
  const isAbove = low !== undefined && (low.major > 2 || (low.major === 2 && low.minor > SPOKEN.high));
  if (isBelow || isAbove) {
    const said = `${low?.major}.${low?.minor} to ${high?.major}.${high?.minor}`;
    throw unsuitable(`speaks versions ${said} of the Remote Execution API, begat 2.${SPOKEN.low} to 2.${SPOKEN.high}`);
  }
  const { SHA256 } = reapi.DigestFunction_Value;
  if (cache !== undefined && cache.digestFunctions.length > 0 && !cache.digestFunctions.includes(SHA256)) {
    throw unsuitable("does not know SHA-256");
  }
  return {
    executes: execution?.execEnabled === true,
    takesResults: cache?.actionCacheUpdateCapabilities?.updateEnabled === true,
    maxBatchBytes: cache?.maxBatchTotalSizeBytes ?? 0,
    knowsOutputPaths: high === undefined || high.major > 2 || high.minor >= 1,
  };
}
