import { decodeEntry, REQUEST_METADATA_KEY, TRAVAIL_CONTEXT_KEY } from "../../fulcrum-client/index.ts";
import { farm, reapi } from "../../protocol/index.ts";
import type { ServerCall } from "./server-calls.ts";

/** What a handler may know of the call it answers. */
export interface CallContext {
  /** Aborts when the caller is gone, has cancelled, or its deadline has passed. */
  readonly signal: AbortSignal;
  /** `host:port` or a socket's path. */
  readonly peer: string;
  /** The first entry of that name; bytes where the name ends in `-bin`. Interceptors may have set some. */
  metadata(key: string): string | Uint8Array | undefined;
  /** DER of the certificate the caller proved to hold; `undefined` without mutual TLS. */
  readonly certificate: Uint8Array | undefined;
  /** When the caller gives up, milliseconds since 1970. */
  readonly deadlineMs: number | undefined;
  /** Which tool, build and target the call is for, where it says so. */
  requestMetadata(): reapi.RequestMetadata | undefined;
  /** For which ledger, build and chore, where the caller is begat. */
  travailContext(): farm.TravailContext | undefined;
}

export function callContext(call: ServerCall, signal: () => AbortSignal): CallContext {
  const metadata = (key: string) => call.metadata.get(key)[0];
  const deadline = call.getDeadline();
  const deadlineMs = deadline instanceof Date ? deadline.getTime() : deadline;
  return {
    get signal() {
      return signal();
    },
    // Not known any more once the connection is gone.
    peer: call.getPeer(),
    metadata,
    // Asked for only where it is used: it is parsed anew each time.
    get certificate() {
      return call.getAuthContext().sslPeerCertificate?.raw;
    },
    deadlineMs: Number.isFinite(deadlineMs) ? deadlineMs : undefined,
    requestMetadata: () => decodeEntry(metadata(REQUEST_METADATA_KEY), reapi.RequestMetadata),
    travailContext: () => decodeEntry(metadata(TRAVAIL_CONTEXT_KEY), farm.TravailContext),
  };
}
