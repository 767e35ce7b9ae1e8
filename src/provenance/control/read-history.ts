import { type Ledger, LedgerError } from "../ledger.ts";
import { type ControlRecord, isControlRecord, KeyHistory } from "./key-history.ts";

/** In canonical JSON a quote inside a text is escaped: where these bytes stand, they are the member. */
const AUTHORITY = Buffer.from('"bysig":"');

/**
 * The decisions of a ledger, and what they come to.
 *
 * @param thorough Looks at every record, instead of trusting the account the ledger keeps of its control records. An account
 *   that lacks one shows by the `before` of the next, except for the last.
 * @throws {LedgerError} `LEDGER_TAMPERED` when there is no genesis.
 */
export function readKeyHistory(ledger: Ledger, thorough = false): KeyHistory {
  const genesis = ledger.record(0);
  if (genesis?.kind !== "genesis") throw new LedgerError("LEDGER_TAMPERED", "record 0 is not a genesis record");
  const records: ControlRecord[] = [];
  for (const seq of thorough ? scan(ledger) : ledger.controlSeqs()) {
    const record = readable(ledger, seq);
    if (record !== undefined) records.push(record);
  }
  return new KeyHistory(genesis, records);
}

function* scan(ledger: Ledger): IterableIterator<number> {
  for (const { seq, bytes } of ledger.read(1, ledger.size())) if (bytes.includes(AUTHORITY)) yield seq;
}

/** A record that cannot be read decides nothing; that it is not as it was, `verifyLedger` finds. */
function readable(ledger: Ledger, seq: number): ControlRecord | undefined {
  try {
    const record = ledger.record(seq);
    return record !== undefined && isControlRecord(record) ? record : undefined;
  } catch {
    return undefined;
  }
}
