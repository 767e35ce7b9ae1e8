import { type CanonicalValue, canonicalJson, type Sha256 } from "../base/index.ts";
import { verifyChallenge } from "./challenge.ts";
import { type KeyRing, verifyExecution } from "./execution-signing.ts";
import type { Ledger } from "./ledger.ts";
import type { ChallengeBody, ExecBody, LedgerRecord, RecordFrame } from "./record.ts";
import type { InputLister } from "./statement.ts";

export interface AgreementParts {
  readonly ledger: Ledger;
  readonly keys: KeyRing;
  readonly lister: InputLister;
  /** Executions of this action; may come from an index. */
  readonly executions: (action: Sha256) => readonly { readonly seq: number }[];
}

const CHALLENGE_KIND = Buffer.from('"kind":"challenge"');

/**
 * Counts who came to the result of an execution: each rnode key with a verified execution of the same action and the same
 * outputs, and each challenge under other conditions that found one of those to match. The same key executing twice counts
 * once: it would lie twice.
 */
export function agreementOn(parts: AgreementParts): (record: ExecBody & RecordFrame) => number {
  const { ledger, keys, lister, executions } = parts;
  let matches: readonly (ChallengeBody & RecordFrame)[] | undefined;
  return (record) => {
    const wanted = resultOf(record);
    const signers = new Set<Sha256>();
    const seqs = new Set<number>();
    for (const { seq } of [record, ...executions(record.action)]) {
      const other = seqs.has(seq) ? undefined : readable(ledger, seq);
      if (other?.kind !== "exec" || other.action !== record.action || resultOf(other) !== wanted) continue;
      if (!verifyExecution(other, keys, ledger, lister).ok) continue;
      signers.add(other.key);
      seqs.add(seq);
    }
    matches ??= matchingChallenges(parts);
    const challenges = new Set(matches.filter(({ of }) => seqs.has(of)).map(({ key, seed }) => `${key} ${seed}`));
    return signers.size + challenges.size;
  };
}

const resultOf = ({ out, props }: ExecBody): string =>
  canonicalJson([out, Object.entries(props ?? {}).sort()] as unknown as CanonicalValue);

/** One pass over the ledger, made only where somebody asks for more than one execution. */
function matchingChallenges({ ledger, keys }: AgreementParts): readonly (ChallengeBody & RecordFrame)[] {
  const found: (ChallengeBody & RecordFrame)[] = [];
  for (const { seq, bytes } of ledger.read(1, ledger.size())) {
    if (!bytes.includes(CHALLENGE_KIND)) continue;
    const record = readable(ledger, seq);
    if (record?.kind !== "challenge" || record.verdict !== "match") continue;
    if (verifyChallenge(record, keys).ok) found.push(record);
  }
  return found;
}

/** What cannot be read agrees with nothing. */
function readable(ledger: Ledger, seq: number): LedgerRecord | undefined {
  try {
    return ledger.record(seq);
  } catch {
    return undefined;
  }
}
