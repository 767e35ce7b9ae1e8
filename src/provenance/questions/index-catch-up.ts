import type { Sha256 } from "../../base/index.ts";
import type { ActionIndex, IndexedExecution } from "../../cache/index.ts";
import type { Ledger } from "../ledger.ts";
import { toRecordedOutput } from "../outputs.ts";
import type { ChallengeBody, ExecBody } from "../record.ts";

/** Executions handed to the index in one transaction. */
const BATCH = 5_000;

/** In canonical JSON a quote inside a text is escaped, so these bytes can only be the member itself. */
const EXEC_KIND = Buffer.from('"kind":"exec"');
const CHALLENGE_KIND = Buffer.from('"kind":"challenge"');

/** What the index keeps of a travail. */
export function indexedExecution(record: ExecBody & { readonly seq: number }): IndexedExecution {
  return {
    seq: record.seq,
    action: record.action,
    chore: record.chore,
    level: record.level,
    key: record.key,
    outputs: record.out.map(toRecordedOutput),
    properties: record.props ?? {},
    durationMs: record.ms,
    finishedAtMs: record.t1,
  };
}

/**
 * Brings the index up to the ledger's end. An index of another ledger, or one that is ahead of this one, is forgotten
 * first. Records are read without being proven: the index decides nothing, and whoever follows it proves what he finds.
 *
 * @returns Executions added.
 */
export function catchUpIndex(ledger: Ledger, index: ActionIndex): number {
  const size = ledger.size();
  let position = index.position();
  if (position !== undefined && (position.ledger !== ledger.identity || position.size > size)) {
    index.clear();
    position = undefined;
  }
  const from = position?.size ?? 0;
  if (from === size) return 0;
  let batch: IndexedExecution[] = [];
  let added = 0;
  for (const { seq, bytes } of ledger.read(from, size)) {
    if (bytes.includes(EXEC_KIND)) {
      const execution = readExecution(ledger, seq, bytes);
      if (execution !== undefined) batch.push(execution);
    }
    if (bytes.includes(CHALLENGE_KIND)) {
      const challenged = challengedBy(bytes);
      // At once: as long as the position has not moved, it is only done again.
      if (challenged !== undefined) index.quarantine(challenged);
    }
    if (batch.length === BATCH) {
      index.add(batch, { ledger: ledger.identity, size: seq + 1 });
      added += batch.length;
      batch = [];
    }
  }
  index.add(batch, { ledger: ledger.identity, size });
  return added + batch.length;
}

/** The travail that a challenge found not to be reproducible. */
function challengedBy(bytes: Buffer): number | undefined {
  try {
    const { verdict, of, again } = JSON.parse(bytes.toString()) as Partial<ChallengeBody>;
    // Where the second execution is a travail too, the first one stands.
    return verdict === "differ" && again === undefined && Number.isSafeInteger(of) ? of : undefined;
  } catch {
    return undefined;
  }
}

/** A record that cannot be read is left out: that costs work, and `verifyLedger` is there to complain. */
function readExecution(ledger: Ledger, seq: number, bytes: Buffer): IndexedExecution | undefined {
  try {
    const record = JSON.parse(bytes.toString()) as ExecBody & { seq: number; props?: unknown };
    if (record.more !== undefined) {
      const whole = ledger.record(seq);
      return whole?.kind === "exec" ? indexedExecution(whole) : undefined;
    }
    const props = Object.fromEntries((record.props ?? []) as unknown as readonly [string, string][]);
    return indexedExecution({ ...record, seq, action: record.action as Sha256, props });
  } catch {
    return undefined;
  }
}
