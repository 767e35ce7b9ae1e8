import type { Sha256 } from "../../base/index.ts";
import { evidenceAt, type History } from "./evidence.ts";

/** Digits of a digest that the index keeps. */
const KEPT = 12;

/** Candidates looked at: whoever writes so few digits that there are more has to write more. */
const MOST = 32;

/**
 * The digests of artifacts, sources and outside inputs that begin with some digits, sorted. The index finds them; each is
 * read in full from a record that has it.
 */
export function digestsStarting(history: History, prefix: string): readonly Sha256[] {
  const { ledger, index } = history;
  const digits = prefix.slice(0, KEPT);
  const [from, to] = [digits.padEnd(KEPT, "0"), digits.padEnd(KEPT, "f")].map((text) => Number.parseInt(text, 16));
  const found = new Set<Sha256>();
  const take = (digests: Iterable<Sha256>): void => {
    for (const digest of digests) if (digest.startsWith(prefix)) found.add(digest);
  };
  for (const artifact of index.artifactsBetween(from as number, to as number, MOST)) {
    // Whatever has these first digits: the index looks at no others.
    const like = artifact.toString(16).padStart(KEPT, "0").padEnd(64, "0") as Sha256;
    for (const seq of index.producers(like)) {
      const record = ledger.record(seq);
      if (record?.kind === "exec") take(record.out.map(({ d }) => d));
    }
    for (const seq of index.ingests(like)) {
      const record = ledger.record(seq);
      if (record?.kind !== "ingest") continue;
      take(record.files.map(({ d }) => d));
      if (record.tree !== undefined) take([record.tree]);
    }
    const [consumer] = index.consumers(artifact, -1);
    if (consumer !== undefined)
      take((evidenceAt(history, consumer)?.listing?.inputs ?? []).map(({ digest }) => digest));
  }
  return [...found].sort();
}
