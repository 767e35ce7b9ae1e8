import type { Sha256 } from "../../base/index.ts";
import { verifyChallenge } from "../challenge.ts";
import { choreKey } from "../long-lists.ts";
import type { ChallengeBody } from "../record.ts";
import { type Answer, type Evidence, evidenceAt, type History, leafAt, noAnswer } from "./evidence.ts";
import { type ArtifactQuery, newestMaking, unknownArtifact } from "./prov-show.ts";

export interface ChallengeSeen {
  readonly seq: number;
  readonly leaf: Sha256;
  readonly of: number;
  readonly verdict: ChallengeBody["verdict"];
  readonly rnode: string;
}

/** How often one action was executed, and whether it came out the same each time. */
export interface ActionReproducibility {
  readonly action: Sha256;
  readonly chore: string;
  /** Oldest first; proven ones only. */
  readonly executions: readonly Evidence[];
  /** Different sets of outputs among them. */
  readonly results: number;
  /** Signed by endorsed keys. */
  readonly challenges: readonly ChallengeSeen[];
}

/** What is known about the same coming out again: of the action that made an artifact. */
export function reproOfArtifact(history: History, query: ArtifactQuery): Answer<readonly ActionReproducibility[]> {
  const making = newestMaking(history, query);
  if (making === undefined) return unknownArtifact(history, query);
  return { found: true, answer: [reproOfAction(history, making.evidence.record.action)] };
}

/** Of all actions of a dictum, or of one chore by its label; those with more than one result first. */
export function reproOfDictum(history: History, about: string): Answer<readonly ActionReproducibility[]> {
  const chores = about.includes("(") ? [choreKey(about)] : history.index.choresOf(about, 100_000);
  const actions = new Set<Sha256>();
  for (const chore of chores) {
    for (const seq of history.index.executionsOf(chore, 1_000)) {
      const record = history.ledger.record(seq);
      if (record?.kind === "exec" && record.chore === chore) actions.add(record.action);
    }
  }
  if (actions.size === 0) return noAnswer(`no execution of ${about} is recorded`);
  const found = [...actions].map((action) => reproOfAction(history, action));
  return { found: true, answer: found.sort((a, b) => b.results - a.results) };
}

function reproOfAction(history: History, action: Sha256): ActionReproducibility {
  const { index, ledger, keys } = history;
  const executions: Evidence[] = [];
  const results = new Set<string>();
  const challenges: ChallengeSeen[] = [];
  for (const seq of [...index.executionsOfAction(action)].reverse()) {
    const evidence = evidenceAt(history, seq);
    if (evidence?.record.kind !== "exec" || evidence.record.action !== action || evidence.signature !== "holds")
      continue;
    executions.push(evidence);
    results.add(evidence.record.out.map(({ p, d, m }) => `${p} ${d} ${m ?? ""}`).join("\n"));
    for (const at of index.challengesOf(seq)) {
      const record = ledger.record(at);
      const leaf = leafAt(ledger, at);
      if (record?.kind !== "challenge" || leaf === undefined || record.of !== seq) continue;
      if (!verifyChallenge(record, keys).ok) continue;
      challenges.push({ seq: at, leaf, of: seq, verdict: record.verdict, rnode: record.rnode });
    }
  }
  return { action, chore: executions[0]?.record.chore ?? "", executions, results: results.size, challenges };
}

/** `reproduced 3 times`, `not reproducible: 2 results`, `not challenged`: in a few words. */
export function reproWords({ executions, results, challenges }: ActionReproducibility): string {
  const differing = challenges.filter(({ verdict }) => verdict === "differ").length;
  if (results > 1) return `not reproducible: ${results} results of ${executions.length} executions`;
  if (differing > 0) return `not reproducible: ${differing} of ${challenges.length} challenges came out otherwise`;
  if (challenges.length > 0) return `${challenges.length} of ${challenges.length} challenges came out the same`;
  return executions.length > 1 ? `${executions.length} executions, one result` : "not challenged";
}
