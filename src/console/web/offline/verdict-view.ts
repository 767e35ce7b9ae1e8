import { factLines, type ProofVerdict, proofFacts } from "../../../provenance/index.ts";

/** A verdict as the page shows it. */
export interface VerdictView {
  readonly verdict: ProofVerdict["verdict"];
  /** `begat verify` prints the same word. */
  readonly headline: string;
  readonly meaning: string;
  readonly problems: readonly string[];
  /** What the proof shows, name and value; empty where it shows nothing. */
  readonly facts: readonly (readonly [name: string, value: string])[];
}

const BELIEVED = {
  policy: "because the policy accepts it",
  "own ledger": "because its ledger is the one you entered",
  "bundle keys": "because you asked to trust the keys in the proof",
  nobody: "by nobody yet",
} as const;

const MEANINGS = {
  tampered: "The proof was altered, or its parts do not belong together. Believe nothing of it.",
  "could not check": "This is no proof that this page can read, so nothing is known.",
} as const;

type Shown = Extract<ProofVerdict, { shown: unknown }>;

/** What somebody wants to know first. */
function meaningOf({ verdict, shown, vouchedBy }: Shown, artifact: FileAtHand): string {
  if (artifact.sha256 !== shown.artifact.sha256) return `${artifact.name} is not the file that this proof is about.`;
  if (verdict === "holds") {
    return `${artifact.name} is ${shown.artifact.path} as ${shown.chore} made it, recorded by a ledger you believe.`;
  }
  return vouchedBy === undefined
    ? "The proof is whole and about this file, but nobody you believe vouches for its ledger."
    : "The proof is whole and about this file, but it does not show all that the policy asks for.";
}

export interface FileAtHand {
  readonly name: string;
  readonly sha256: string;
}

export function verdictView(verdict: ProofVerdict, artifact: FileAtHand): VerdictView {
  const { problems } = verdict;
  const headline = verdict.verdict.toUpperCase();
  if (!("shown" in verdict)) {
    return { verdict: verdict.verdict, headline, meaning: MEANINGS[verdict.verdict], problems, facts: [] };
  }
  const facts = proofFacts(verdict.shown);
  return {
    verdict: verdict.verdict,
    headline,
    meaning: meaningOf(verdict, artifact),
    problems,
    facts: [...factLines(facts), ["believed", BELIEVED[verdict.vouchedBy ?? "nobody"]]],
  };
}
