import type { Sha256 } from "../../base/index.ts";
import type { ControlRecord } from "../control/key-history.ts";

/** What a record says about keys: the ones it brings in or ends. */
function about(record: ControlRecord): readonly Sha256[] {
  switch (record.kind) {
    case "key.endorse":
      return [record.subject.id];
    case "key.rotate":
      return [record.new.id, record.old];
    case "key.revoke":
      return [record.id];
    default:
      return [];
  }
}

/**
 * The control records a proof must hold so that its reader comes to the same keys: those about `ids`, about whoever decided
 * them, and so on up to genesis.
 *
 * @param records Control records that count, in the ledger's order.
 * @returns Their seqs, ascending.
 */
export function keyRecords(records: readonly ControlRecord[], ids: readonly Sha256[]): number[] {
  const wanted = new Set(ids);
  const taken = new Set<number>();
  for (let before = -1; before !== taken.size; ) {
    before = taken.size;
    for (const record of records) {
      const keys = about(record);
      if (taken.has(record.seq) || !keys.some((id) => wanted.has(id))) continue;
      taken.add(record.seq);
      for (const id of [...keys, record.by]) wanted.add(id);
    }
  }
  return [...taken].sort((a, b) => a - b);
}
