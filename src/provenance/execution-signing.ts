import type { KeyObject } from "node:crypto";
import { sha256 } from "../base/index.ts";
import type { KeyHistory } from "./control/key-history.ts";
import { readKeyHistory } from "./control/read-history.ts";
import { type DsseEnvelope, dsseEnvelope, IN_TOTO_PAYLOAD, signDsse, verifyDsse, verifyDsseSoon } from "./dsse.ts";
import type { Signer } from "./keys.ts";
import type { Ledger } from "./ledger.ts";
import { choreKey } from "./long-lists.ts";
import type { ExecBody, ExecutionRecord, FailBody, WhyBody } from "./record.ts";
import { type ActionListing, type ExecutionFacts, type InputLister, slsaStatement } from "./statement.ts";

/** Longest text a record keeps of what a person or a tool said. */
const DETAIL_LIMIT = 4_000;
const CHANGE_LIMIT = 1_000;

const clip = (text: string, limit: number): string =>
  text.length <= limit ? text : `${text.slice(0, limit).toWellFormed()}... (${text.length} characters)`;

/** With texts of bounded length, as a record holds them. */
export function clipWhy(why: WhyBody): WhyBody {
  return {
    ...why,
    ...(why.what === undefined ? {} : { what: clip(why.what, CHANGE_LIMIT) }),
    ...(why.from === undefined ? {} : { from: clip(why.from, CHANGE_LIMIT) }),
    ...(why.to === undefined ? {} : { to: clip(why.to, CHANGE_LIMIT) }),
    ...(why.on === undefined ? {} : { on: clip(why.on, CHANGE_LIMIT) }),
  };
}

/** Whole milliseconds, and never the -0 that a record cannot hold. */
const whole = (ms: number): number => Math.round(ms) + 0;

/** Facts as a record can hold them: whole milliseconds, texts of bounded length. */
export function normaliseFacts<T extends ExecutionFacts>(facts: T): T {
  return {
    ...facts,
    chore: choreKey(facts.chore),
    t0: whole(facts.t0),
    t1: whole(facts.t1),
    ms: Math.max(0, whole(facts.ms)),
    why: clipWhy(facts.why),
    ...(facts.kind === "fail" ? { detail: clip(facts.detail, DETAIL_LIMIT) } : {}),
  };
}

/**
 * The body of an `exec` or `fail` record: the facts, the hash of the statement they imply, and the rnode's signature over
 * that statement.
 *
 * @param listing What the Action says. It must be what the wired `InputLister` decodes from the manifests, or the
 *   signature will not verify later.
 * @param origin Of the ledger it will be appended to.
 */
export function signExecution<T extends ExecutionFacts>(
  facts: T,
  listing: ActionListing,
  origin: string,
  signer: Signer,
): T extends { kind: "exec" } ? ExecBody : FailBody {
  const kept = normaliseFacts(facts);
  // Bytes once, for the hash and for the signature.
  const statement = Buffer.from(slsaStatement(kept, listing, origin));
  const signed = {
    ...kept,
    stmt: sha256(statement),
    key: signer.key,
    sig: signDsse(signer, IN_TOTO_PAYLOAD, statement),
  };
  return signed as unknown as T extends { kind: "exec" } ? ExecBody : FailBody;
}

/**
 * The statement about a recorded execution, written again from the ledger alone; the same bytes that were signed.
 *
 * @throws whatever `lister` throws when a manifest is missing or does not decode.
 */
export function regenerateStatement(record: ExecutionRecord, ledger: Ledger, lister: InputLister): string {
  const listing = lister(record.action, (hash) => ledger.manifest(hash));
  return slsaStatement(record, listing, record.log);
}

/** A recorded execution as an envelope other tools verify. */
export function executionEnvelope(record: ExecutionRecord, ledger: Ledger, lister: InputLister): DsseEnvelope {
  return dsseEnvelope(IN_TOTO_PAYLOAD, regenerateStatement(record, ledger, lister), record.key, record.sig);
}

/** Keys the ledger itself vouches for, each for a part of it. */
export type KeyRing = Pick<KeyHistory, "get" | "validAt">;

/**
 * The keys of a ledger as its genesis and its control records have it. An entry whose id is not the hash of its key is no
 * key at all.
 *
 * @throws {LedgerError} `LEDGER_TAMPERED` when there is no genesis.
 */
export function endorsedKeys(ledger: Ledger): KeyHistory {
  return readKeyHistory(ledger);
}

export type SignatureProblem = "unendorsed-key" | "bad-signature" | "manifest-missing";

export type SignatureVerdict =
  | { readonly ok: true; readonly listing: ActionListing }
  | { readonly ok: false; readonly reason: SignatureProblem; readonly because: string };

/** Gives a manifest that the ledger keeps. */
type ManifestReader = Ledger["manifest"];

type Unsigned =
  | { readonly ok: true; readonly listing: ActionListing; readonly statement: Buffer; readonly publicKey: KeyObject }
  | { readonly ok: false; readonly reason: SignatureProblem; readonly because: string };

/** Everything about a record's signature but the curve arithmetic. */
function unsigned(record: ExecutionRecord, keys: KeyRing, manifest: ManifestReader, lister: InputLister): Unsigned {
  const valid = keys.validAt(record.key, record.seq, "rnode");
  if (!valid.ok) return { ok: false, reason: "unendorsed-key", because: valid.because };
  const { key } = valid;
  let listing: ActionListing;
  try {
    listing = lister(record.action, manifest);
  } catch (error) {
    const because = `action ${record.action.slice(0, 12)} cannot be read again: ${(error as Error).message}`;
    return { ok: false, reason: "manifest-missing", because };
  }
  const statement = Buffer.from(slsaStatement(record, listing, record.log));
  if (record.stmt !== sha256(statement)) {
    return { ok: false, reason: "bad-signature", because: "the record does not imply the statement it names" };
  }
  return { ok: true, listing, statement, publicKey: key.publicKey };
}

function signedBy(record: ExecutionRecord, listing: ActionListing, holds: boolean): SignatureVerdict {
  if (holds) return { ok: true, listing };
  return { ok: false, reason: "bad-signature", because: `the signature is not by key ${record.key.slice(0, 12)}` };
}

/** Whether the rnode key that the record names is endorsed and signed exactly the statement the record implies. */
export function verifyExecution(
  record: ExecutionRecord,
  keys: KeyRing,
  ledger: Ledger,
  lister: InputLister,
): SignatureVerdict {
  const ready = unsigned(record, keys, (hash) => ledger.manifest(hash), lister);
  if (!ready.ok) return ready;
  return signedBy(record, ready.listing, verifyDsse(ready.publicKey, IN_TOTO_PAYLOAD, ready.statement, record.sig));
}

/** `verifyExecution` with the arithmetic done in Node's thread pool. */
export async function proveSignature(
  record: ExecutionRecord,
  keys: KeyRing,
  manifest: ManifestReader,
  lister: InputLister,
): Promise<SignatureVerdict> {
  const ready = unsigned(record, keys, manifest, lister);
  if (!ready.ok) return ready;
  const holds = await verifyDsseSoon(ready.publicKey, IN_TOTO_PAYLOAD, ready.statement, record.sig);
  return signedBy(record, ready.listing, holds);
}
