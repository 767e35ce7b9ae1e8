import { BegatError, codeOf, explain } from "../../base/index.ts";
import { type Any, millisecondsOf, rpc, unpackAny } from "../../protocol/index.ts";
import { FARM_STATUS, farmHint, isFarmCode } from "../enrol/farm-error.ts";

/** The status codes of gRPC by number. */
export const STATUS_NAMES = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
] as const;

export type StatusName = (typeof STATUS_NAMES)[number];
export type RpcErrorCode = `RPC_${Exclude<StatusName, "OK">}`;

export const statusNumber = (name: StatusName): number => STATUS_NAMES.indexOf(name);

export interface RpcErrorOptions {
  readonly cause?: unknown;
  readonly hint?: string | undefined;
  readonly details?: readonly Any[];
  /** The stable code of the peer's own error, where the peer is begat. */
  readonly peerCode?: string | undefined;
}

/** A call that ended with another status than OK; on a server, what a call is to end with. */
export class RpcError extends BegatError<RpcErrorCode> {
  readonly status: Exclude<StatusName, "OK">;
  readonly details: readonly Any[];
  readonly peerCode: string | undefined;

  constructor(status: Exclude<StatusName, "OK">, message: string, options: RpcErrorOptions = {}) {
    super(`RPC_${status}`, message, { cause: options.cause, hint: options.hint });
    this.status = status;
    this.details = options.details ?? [];
    this.peerCode = options.peerCode;
  }

  /** How long the peer asks us to wait before the next attempt, milliseconds. */
  get retryDelayMs(): number | undefined {
    const delay = unpackAny(this.details, "google.rpc.RetryInfo", rpc.RetryInfo)?.retryDelay;
    return delay === undefined ? undefined : millisecondsOf(delay);
  }
}

/** Metadata in which a server says details (encoded google.rpc.Status) and the stable code of its error. */
export const DETAILS_KEY = "grpc-status-details-bin";
export const CODE_KEY = "radix.farm.v1.code";

/** The part of grpc-js's ServiceError that is looked at. */
interface FailedCall {
  readonly code: number;
  readonly details: string;
  readonly metadata?: { get(key: string): readonly (string | Uint8Array)[] };
}

/**
 * What grpc-js reports, in our words. `method` is the full path; anything that is no status passes through. What a farm says of
 * a membership is a sentence of its own, whatever was asked for.
 */
export function rpcErrorOf(error: unknown, method: string): unknown {
  if (error instanceof BegatError || !isFailedCall(error)) return error;
  const name = STATUS_NAMES[error.code] ?? "UNKNOWN";
  const status = name === "OK" ? "UNKNOWN" : name;
  const code = error.metadata?.get(CODE_KEY)[0];
  const peerCode = typeof code === "string" ? code : undefined;
  const details = detailsOf(error.metadata?.get(DETAILS_KEY)[0]);
  const said = error.details || "no reason given";
  if (isFarmCode(peerCode)) return new RpcError(status, said, { details, peerCode, hint: farmHint(peerCode) });
  return new RpcError(status, `${method.slice(1)}: ${said} (${status})`, { details, peerCode });
}

function isFailedCall(error: unknown): error is FailedCall {
  return error instanceof Error && "code" in error && typeof error.code === "number" && "details" in error;
}

function detailsOf(bytes: string | Uint8Array | undefined): readonly Any[] {
  if (!(bytes instanceof Uint8Array)) return [];
  try {
    return rpc.Status.decode(bytes).details;
  } catch {
    // A broken detail must not hide the error it explains.
    return [];
  }
}

/** What begat's own errors are to a peer; those not named here are INTERNAL. */
const STATUS_OF: Readonly<Record<string, Exclude<StatusName, "OK">>> = {
  BLOB_MISSING: "NOT_FOUND",
  // It was set aside: for the peer it is gone, and can be brought again.
  BLOB_CORRUPT: "NOT_FOUND",
  BLOB_MISMATCH: "INVALID_ARGUMENT",
  BLOB_STORE_FULL: "RESOURCE_EXHAUSTED",
  BLOB_STORE_UNUSABLE: "UNAVAILABLE",
  PROTOCOL_MALFORMED: "INVALID_ARGUMENT",
  PROTOCOL_PATH_CONFLICT: "INVALID_ARGUMENT",
  INPUT_ROOT_INVALID: "INVALID_ARGUMENT",
  ...FARM_STATUS,
};

/** A failure as a google.rpc.Status, for the places where one is sent as a value. */
export function statusOf(error: unknown): rpc.Status {
  if (error instanceof RpcError) {
    return { code: statusNumber(error.status), message: error.message, details: [...error.details] };
  }
  const name = STATUS_OF[codeOf(error) ?? ""] ?? "INTERNAL";
  return { code: statusNumber(name), message: explain(error), details: [] };
}
