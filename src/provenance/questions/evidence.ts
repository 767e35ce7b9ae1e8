import type { Sha256 } from "../../base/index.ts";
import { type KeyRing, type SignatureProblem, verifyExecution } from "../execution-signing.ts";
import type { Ledger } from "../ledger.ts";
import type { ExecOutput, ExecutionRecord } from "../record.ts";
import type { ActionListing, InputLister } from "../statement.ts";
import type { ProvIndex } from "./prov-index.ts";

/** What every question about the past is asked of. The index finds, the ledger answers. */
export interface History {
  readonly ledger: Ledger;
  /** Of the ledger as it stands, see `openProvIndex`. */
  readonly index: ProvIndex;
  readonly keys: KeyRing;
  readonly lister: InputLister;
  /** Evidence already looked at, by seq, for questions that come back to the same executions. */
  readonly seen?: Map<number, Evidence | undefined>;
  /** Files inside a tree artifact, where its REAPI Tree message was kept as a manifest; else `undefined`. */
  readonly treeLister?: (
    tree: Sha256,
    manifest: (hash: Sha256) => Buffer | undefined,
  ) => readonly { readonly path: string; readonly digest: Sha256 }[] | undefined;
}

/** A recorded execution, read from the ledger and proven as far as it can be. */
export interface Evidence {
  readonly seq: number;
  readonly leaf: Sha256;
  readonly record: ExecutionRecord;
  readonly signature: "holds" | SignatureProblem;
  /** Why the signature does not hold. */
  readonly because: string | undefined;
  /** What the action says; `undefined` where its manifests are missing or the signature does not hold. */
  readonly listing: ActionListing | undefined;
}

/** An answer, or why there is none. */
export type Answer<T> =
  | { readonly found: true; readonly answer: T }
  | { readonly found: false; readonly because: string; readonly hint: string | undefined };

export const noAnswer = (
  because: string,
  hint?: string,
): { found: false; because: string; hint: string | undefined } => ({
  found: false,
  because,
  hint,
});

/** Leaf hash of a record; `undefined` past the end. */
export function leafAt(ledger: Ledger, seq: number): Sha256 | undefined {
  for (const row of ledger.read(seq, seq + 1)) return row.leaf;
  return undefined;
}

/**
 * The execution at `seq` with its proof; `undefined` when there is none.
 *
 * @throws {LedgerError} `LEDGER_TAMPERED` when the record does not match its leaf hash.
 */
export function evidenceAt(history: History, seq: number): Evidence | undefined {
  const { seen } = history;
  if (seen === undefined) return prove(history, seq);
  if (!seen.has(seq)) seen.set(seq, prove(history, seq));
  return seen.get(seq);
}

function prove(history: History, seq: number): Evidence | undefined {
  const { ledger, keys, lister } = history;
  const record = ledger.record(seq);
  const leaf = leafAt(ledger, seq);
  if (leaf === undefined || (record?.kind !== "exec" && record?.kind !== "fail")) return undefined;
  const verdict = verifyExecution(record, keys, ledger, lister);
  return verdict.ok
    ? { seq, leaf, record, signature: "holds", because: undefined, listing: verdict.listing }
    : { seq, leaf, record, signature: verdict.reason, because: verdict.because, listing: undefined };
}

/** A travail and the output of it that was asked for. */
export interface Making {
  readonly evidence: Evidence;
  readonly output: ExecOutput;
}

/**
 * The newest proven travail before `before` that made `digest`; one that made it at `path` goes first, since equal bytes
 * may be made in several places.
 */
export function makingOf(
  history: History,
  digest: Sha256,
  path: string | undefined,
  before = Number.POSITIVE_INFINITY,
): Making | undefined {
  let elsewhere: Making | undefined;
  for (const seq of history.index.producers(digest)) {
    if (seq >= before) continue;
    const evidence = evidenceAt(history, seq);
    if (evidence?.record.kind !== "exec") continue;
    const made = evidence.record.out.filter((output) => output.d === digest);
    const here = made.find(({ p }) => p === path);
    if (here !== undefined) return { evidence, output: here };
    if (made[0] !== undefined) elsewhere ??= { evidence, output: made[0] };
    if (path === undefined && elsewhere !== undefined) return elsewhere;
  }
  return elsewhere;
}
