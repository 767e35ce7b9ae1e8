import type { Sha256 } from "../../base/index.ts";
import type { PublicKeyEntry } from "../record.ts";

/**
 * What every control record says beside its own members: who decided it and where it stands among the others. Being in the
 * ledger is no authority, since whoever has the log key could put it there; `bysig` is (docs/formats.md, "Control records").
 */
export interface Authority {
  /** Key id of who decided. */
  readonly by: Sha256;
  /** Records in the ledger when it was signed. */
  readonly at: number;
  /** Seq of the control record before this one that counts; genesis is the first. A missing one shows by it. */
  readonly before: number;
  /** Sixteen random bytes, hexadecimal: two decisions alike are two. */
  readonly nonce: string;
  /** Signature of `by`, base64. */
  readonly bysig: string;
}

/** A key that may act from here on. */
export interface KeyEndorseBody extends Authority {
  readonly kind: "key.endorse";
  readonly subject: PublicKeyEntry;
  /** Signature of the endorsed key itself: nobody endorses a key its holder knows nothing of. */
  readonly pop: string;
}

/** A key that takes over from another of the same role. */
export interface KeyRotateBody extends Authority {
  readonly kind: "key.rotate";
  readonly role: PublicKeyEntry["role"];
  readonly old: Sha256;
  readonly new: PublicKeyEntry;
  readonly pop: string;
  /** The old key counts in records before this one: both do for a while, so that nobody who knows only one is shut out. */
  readonly until: number;
}

/** What a key signed from `fromSeq` on does not count. What it signed before stays valid. */
export interface KeyRevokeBody extends Authority {
  readonly kind: "key.revoke";
  readonly id: Sha256;
  readonly fromSeq: number;
  readonly reason: string;
}

/** What is meant by a quarantine: the kind, and which. */
export interface Target {
  readonly t: "action" | "digest" | "image" | "key" | "records" | "rnode";
  /** Absent of `records`, which the range of the quarantine names alone. */
  readonly is?: string;
}

/** Nothing made by, of or from the target between the two records is used again. */
export interface QuarantineBody extends Authority {
  readonly kind: "quarantine";
  readonly target: Target;
  readonly fromSeq: number;
  /** The last record concerned; absent: all that come. */
  readonly toSeq?: number;
  readonly reason: string;
}

/** Ends the quarantine recorded at `of`. */
export interface ReleaseBody extends Authority {
  readonly kind: "release";
  readonly of: number;
  readonly reason: string;
}

/** A fact about something that is not a file of a build. */
export interface PropertyBody extends Authority {
  readonly kind: "property";
  readonly subject: string;
  readonly name: string;
  readonly value: string;
  /** Digest of what shows it. */
  readonly evidence?: Sha256;
}

/** A backup was put back on purpose: what was remembered beyond it is given up. By the root key alone. */
export interface RestoreBody extends Authority {
  readonly kind: "restore";
  /** What a pin remembers and the ledger has no more. */
  readonly lost: { readonly size: number; readonly root: Sha256 };
  /** What was there when it was decided. */
  readonly size: number;
  readonly root: Sha256;
  readonly reason: string;
}

export type ControlBody =
  | KeyEndorseBody
  | KeyRotateBody
  | KeyRevokeBody
  | QuarantineBody
  | ReleaseBody
  | PropertyBody
  | RestoreBody;

/** The ledger found records behind its last signed size that could not be read, and went on without them. */
export interface RecoveryBody {
  readonly kind: "recovery";
  /** Records kept. */
  readonly size: number;
  readonly reason: string;
}

const CONTROL_KINDS: ReadonlySet<string> = new Set<ControlBody["kind"]>([
  "key.endorse",
  "key.rotate",
  "key.revoke",
  "quarantine",
  "release",
  "property",
  "restore",
]);

/** Whether a record of this kind is one of authority, signed by who decided it. */
export function isControlKind(kind: string): kind is ControlBody["kind"] {
  return CONTROL_KINDS.has(kind);
}
