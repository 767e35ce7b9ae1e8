import { BegatError } from "../../base/index.ts";

/** Everything that can be wrong with a membership; the same codes on both sides of the wire, never renamed. */
export type FarmErrorCode =
  | "FARM_TOKEN_MALFORMED"
  | "FARM_TOKEN_UNKNOWN"
  | "FARM_TOKEN_EXPIRED"
  | "FARM_TOKEN_USED"
  | "FARM_TOKEN_WRONG_ROLE"
  | "FARM_TOKEN_WRONG_CLUSTER"
  | "FARM_TOO_MANY_ATTEMPTS"
  | "FARM_NAME_MALFORMED"
  | "FARM_NAME_TAKEN"
  | "FARM_ADDRESS_MALFORMED"
  | "FARM_ADDRESS_TAKEN"
  | "FARM_REQUEST_MALFORMED"
  | "FARM_REPLY_MALFORMED"
  | "FARM_CLOCK_SKEW"
  | "FARM_CERTIFICATE_MISSING"
  | "FARM_CERTIFICATE_FOREIGN"
  | "FARM_CERTIFICATE_EXPIRED"
  | "FARM_CERTIFICATE_NOT_YET_VALID"
  | "FARM_CERTIFICATE_REVOKED"
  | "FARM_ROLE_REFUSED"
  | "FARM_METHOD_UNLISTED"
  | "FARM_KEY_EXPOSED"
  | "FARM_STATE_MALFORMED"
  | "FARM_STATE_NOT_WRITABLE"
  | "FARM_EXISTS"
  | "FARM_NOT_FOUNDED"
  | "FARM_NOT_JOINED"
  | "FARM_AMBIGUOUS"
  | "FARM_MEMBER_UNKNOWN"
  | "FARM_REVOCATIONS_TAMPERED"
  | "FARM_ENDORSEMENT_BROKEN"
  | "FARM_UNREACHABLE";

export class FarmError extends BegatError<FarmErrorCode> {}

/** What each is to a peer, as a status of gRPC; the stable code travels beside it. */
export const FARM_STATUS = {
  FARM_TOKEN_MALFORMED: "INVALID_ARGUMENT",
  FARM_TOKEN_UNKNOWN: "UNAUTHENTICATED",
  FARM_TOKEN_EXPIRED: "UNAUTHENTICATED",
  FARM_TOKEN_USED: "UNAUTHENTICATED",
  FARM_TOKEN_WRONG_ROLE: "PERMISSION_DENIED",
  FARM_TOKEN_WRONG_CLUSTER: "UNAUTHENTICATED",
  FARM_TOO_MANY_ATTEMPTS: "RESOURCE_EXHAUSTED",
  FARM_NAME_MALFORMED: "INVALID_ARGUMENT",
  FARM_NAME_TAKEN: "ALREADY_EXISTS",
  FARM_ADDRESS_MALFORMED: "INVALID_ARGUMENT",
  FARM_ADDRESS_TAKEN: "ALREADY_EXISTS",
  FARM_REQUEST_MALFORMED: "INVALID_ARGUMENT",
  FARM_CERTIFICATE_MISSING: "UNAUTHENTICATED",
  FARM_CERTIFICATE_FOREIGN: "UNAUTHENTICATED",
  FARM_CERTIFICATE_EXPIRED: "UNAUTHENTICATED",
  FARM_CERTIFICATE_NOT_YET_VALID: "UNAUTHENTICATED",
  FARM_CERTIFICATE_REVOKED: "UNAUTHENTICATED",
  FARM_ROLE_REFUSED: "PERMISSION_DENIED",
  FARM_METHOD_UNLISTED: "PERMISSION_DENIED",
  FARM_MEMBER_UNKNOWN: "UNAUTHENTICATED",
} as const satisfies Partial<Record<FarmErrorCode, string>>;

/** What to do about what a leader said; hints do not travel. */
const HINTS: Partial<Record<string, string>> = {
  FARM_TOKEN_UNKNOWN: "`begat farm token` at the leader makes another",
  FARM_TOKEN_EXPIRED: "`begat farm token` at the leader makes another",
  FARM_TOKEN_USED: "`begat farm token` at the leader makes another",
  FARM_NAME_TAKEN: "join with another --name, or revoke that member at the leader with `begat farm revoke`",
  FARM_CERTIFICATE_EXPIRED: "join again with a new token, after moving the old membership away",
  FARM_CERTIFICATE_NOT_YET_VALID: "the clocks of this machine and the leader differ; compare `date -u` on both",
  FARM_CERTIFICATE_REVOKED: "only whoever looks after the farm can let this member join again, with a new token",
  FARM_MEMBER_UNKNOWN: "join again with a new token, after moving the old membership away",
};

/** What to do where a peer's error has this code, as far as that is known. */
export const farmHint = (code: string): string | undefined => HINTS[code];

/** Whether a peer's error is one of these. */
export const isFarmCode = (code: string | undefined): code is FarmErrorCode => code?.startsWith("FARM_") === true;

/** A refusal by a leader in this room's words; any other failure as it is. */
export function farmErrorOf(error: unknown): unknown {
  const code = (error as { peerCode?: string } | undefined)?.peerCode;
  if (!(error instanceof BegatError) || !isFarmCode(code)) return error;
  return new FarmError(code, error.message, error.hint === undefined ? {} : { hint: error.hint });
}
