import { type IsolationLevel, isAtLeast, type Sha256 } from "../base/index.ts";
import type { TaintSource } from "./control/taint.ts";
import {
  type KeyRing,
  proveSignature,
  type SignatureProblem,
  type SignatureVerdict,
  verifyExecution,
} from "./execution-signing.ts";
import type { Ledger } from "./ledger.ts";
import type { ProvenSignatures } from "./proven-signatures.ts";
import type { ExecBody, LedgerRecord, RecordFrame } from "./record.ts";
import { leafOf } from "./record-leaf.ts";
import type { ActionListing, InputLister } from "./statement.ts";

/** What must hold before an earlier execution is used instead of a new one. */
export interface TrustPolicy {
  readonly minimumLevel: IsolationLevel;
  readonly keys: KeyRing;
  readonly lister: InputLister;
  /** What was decided about executions; absent: nothing. */
  readonly taint?: TaintSource;
  /** How many executions must agree, this one among them: by other keys, or again under other conditions. */
  readonly agreement?: { readonly k: number; readonly count: (record: ExecBody & RecordFrame) => number };
  /** What was proven before, by these `keys`; absent: everything is proven anew. */
  readonly proven?: ProvenSignatures;
}

export type Distrust =
  /** The index points at nothing, at another action, or at what is no execution. */
  "not-in-ledger" | "tampered" | "not-cacheable" | "level-too-low" | "quarantined" | "too-few-agree" | SignatureProblem;

/** What the index answered; with the record where it was just read. */
export interface Candidate {
  readonly seq: number;
  readonly record?: LedgerRecord;
}

export type TrustVerdict =
  | { readonly trusted: true; readonly record: ExecBody & RecordFrame; readonly listing: ActionListing }
  | { readonly trusted: false; readonly reason: Distrust; readonly because: string };

type Refusal = Extract<TrustVerdict, { trusted: false }>;

const refuse = (reason: Distrust, because: string): Refusal => ({ trusted: false, reason, because });

/** Everything but the signature: cheap, and enough to refuse. */
function candidate(
  found: Candidate,
  action: Sha256,
  ledger: Ledger,
  policy: TrustPolicy,
): { readonly trusted: true; readonly record: ExecBody & RecordFrame } | Refusal {
  let record: LedgerRecord | undefined;
  try {
    record = found.record?.seq === found.seq ? found.record : ledger.record(found.seq);
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
  const tainted = policy.taint?.because(record.seq);
  if (tainted !== undefined) return refuse("quarantined", `record ${record.seq}: ${tainted}`);
  if (!isLinked(record.seq, ledger)) {
    return refuse("tampered", `record ${record.seq} is not what the record after it names`);
  }
  const { k, count } = policy.agreement ?? { k: 1, count: () => 1 };
  const agree = k > 1 ? count(record) : 1;
  if (agree < k) {
    const others = agree === 1 ? "nobody else came to this result" : `only ${agree} came to this result`;
    return refuse("too-few-agree", `record ${record.seq}: ${others}, and ${k} are asked for`);
  }
  return { trusted: true, record };
}

/**
 * Whether the record is in the chain: the next one names its leaf hash. Cheap, and enough here, since the end of the
 * chain is compared with the pin when the ledger is opened. A Rekor leaf names nothing.
 */
function isLinked(seq: number, ledger: Ledger): boolean {
  let leaf: Sha256 | undefined;
  for (const row of ledger.read(seq, seq + 2)) {
    if (row.seq === seq) leaf = row.leaf;
    else return row.bytes.includes(`"prev":"${leaf}"`) || row.bytes.subarray(0, 14).equals(REKOR_START);
  }
  return leaf !== undefined;
}

const REKOR_START = Buffer.from('{"apiVersion":');

const conclude = (record: ExecBody & RecordFrame, signature: SignatureVerdict): TrustVerdict =>
  signature.ok ? { trusted: true, record, listing: signature.listing } : refuse(signature.reason, signature.because);

/**
 * The travail a cache hit rests on: read from the ledger, its leaf hash, action, level and signature checked. What it says
 * about outputs counts, never what the index says. About 250 us, most of it Ed25519.
 *
 * @param found What the index answered for `action`.
 */
export function trustedExecution(found: Candidate, action: Sha256, ledger: Ledger, policy: TrustPolicy): TrustVerdict {
  const verdict = candidate(found, action, ledger, policy);
  if (!verdict.trusted) return verdict;
  const { record } = verdict;
  const leaf = leafOf(record);
  const listing = leaf && policy.proven?.get(leaf);
  if (listing !== undefined) return { trusted: true, record, listing };
  const signature = verifyExecution(record, policy.keys, ledger, policy.lister);
  if (signature.ok && leaf !== undefined) policy.proven?.set(leaf, signature.listing);
  return conclude(record, signature);
}

/** `trustedExecution` with the signature checked off the main thread: for many hits at once. */
export async function proveTrusted(
  found: Candidate,
  action: Sha256,
  ledger: Ledger,
  policy: TrustPolicy,
): Promise<TrustVerdict> {
  const verdict = candidate(found, action, ledger, policy);
  if (!verdict.trusted) return verdict;
  return conclude(
    verdict.record,
    await proveSignature(verdict.record, policy.keys, (hash) => ledger.manifest(hash), policy.lister),
  );
}
