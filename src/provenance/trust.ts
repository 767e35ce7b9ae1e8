import { type IsolationLevel, isAtLeast, type Sha256 } from "../base/index.ts";
import {
  type KeyRing,
  proveSignature,
  type SignatureProblem,
  type SignatureVerdict,
  verifyExecution,
} from "./execution-signing.ts";
import type { Ledger } from "./ledger.ts";
import type { ExecBody, LedgerRecord, RecordFrame } from "./record.ts";
import type { InputLister } from "./statement.ts";

/** What must hold before an earlier execution is used instead of a new one. */
export interface TrustPolicy {
  readonly minimumLevel: IsolationLevel;
  readonly keys: KeyRing;
  readonly lister: InputLister;
}

export type Distrust =
  /** The index points at nothing, at another action, or at what is no execution. */
  "not-in-ledger" | "tampered" | "not-cacheable" | "level-too-low" | SignatureProblem;

export type TrustVerdict =
  | { readonly trusted: true; readonly record: ExecBody & RecordFrame }
  | { readonly trusted: false; readonly reason: Distrust; readonly because: string };

const refuse = (reason: Distrust, because: string): TrustVerdict => ({ trusted: false, reason, because });

/** Everything but the signature: cheap, and enough to refuse. */
function candidate(found: { readonly seq: number }, action: Sha256, ledger: Ledger, policy: TrustPolicy): TrustVerdict {
  let record: LedgerRecord | undefined;
  try {
    record = ledger.record(found.seq);
  } catch (error) {
    return refuse("tampered", (error as Error).message);
  }
  if (record?.kind !== "exec") return refuse("not-in-ledger", `record ${found.seq} is no execution`);
  if (record.action !== action) {
    return refuse("not-in-ledger", `record ${found.seq} is of action ${record.action.slice(0, 12)}`);
  }
  if (!record.cacheable) return refuse("not-cacheable", `record ${found.seq} is not for using again`);
  if (!isAtLeast(record.level, policy.minimumLevel)) {
    return refuse("level-too-low", `record ${found.seq} was made at level ${record.level}, not ${policy.minimumLevel}`);
  }
  return { trusted: true, record };
}

const conclude = (verdict: TrustVerdict, signature: SignatureVerdict): TrustVerdict =>
  signature.ok ? verdict : refuse(signature.reason, signature.because);

/**
 * The travail a cache hit rests on: read from the ledger, its leaf hash, action, level and signature checked. What it says
 * about outputs counts, never what the index says. About 250 us, most of it Ed25519.
 *
 * @param found What the index answered for `action`.
 */
export function trustedExecution(
  found: { readonly seq: number },
  action: Sha256,
  ledger: Ledger,
  policy: TrustPolicy,
): TrustVerdict {
  const verdict = candidate(found, action, ledger, policy);
  if (!verdict.trusted) return verdict;
  return conclude(verdict, verifyExecution(verdict.record, policy.keys, ledger, policy.lister));
}

/** `trustedExecution` with the signature checked off the main thread: for many hits at once. */
export async function proveTrusted(
  found: { readonly seq: number },
  action: Sha256,
  ledger: Ledger,
  policy: TrustPolicy,
): Promise<TrustVerdict> {
  const verdict = candidate(found, action, ledger, policy);
  if (!verdict.trusted) return verdict;
  return conclude(verdict, await proveSignature(verdict.record, policy.keys, ledger, policy.lister));
}
