import type { Sha256 } from "../base/index.ts";
import type { LedgerRecord } from "./record.ts";

const leaves = new WeakMap<LedgerRecord, Sha256>();

/** Notes what the bytes of a record hash to, where that was just checked. */
export function noteLeaf(record: LedgerRecord, leaf: Sha256): void {
  leaves.set(record, leaf);
}

/** The leaf hash of the bytes that this very record was parsed from; `undefined` where it did not come from a ledger's file. */
export function leafOf(record: LedgerRecord): Sha256 | undefined {
  return leaves.get(record);
}
