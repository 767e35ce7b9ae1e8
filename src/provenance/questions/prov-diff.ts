import { type Answer, type Evidence, type History, noAnswer } from "./evidence.ts";
import { type ArtifactQuery, newestMaking, type Origin, OriginFinder, unknownArtifact } from "./prov-show.ts";
import { type Change, executionChanges } from "./why.ts";

/** A place where the origins of two artifacts part: above it they differ only because they differ here. */
export interface Divergence {
  readonly left: Evidence;
  readonly right: Evidence;
  /** What differs there; `undefined`: the same was executed and came out otherwise. */
  readonly change: Change | undefined;
}

export interface DiffAnswer {
  /** Both are the same bytes. */
  readonly same: boolean;
  readonly left: Evidence;
  readonly right: Evidence;
  /** Nearest the artifacts first. */
  readonly divergences: readonly Divergence[];
}

/**
 * Where the origins of two artifacts first part. Pairs of executions are followed through inputs of the same path that both
 * sides made; what is equal by digest is not looked into.
 */
export function provDiff(history: History, left: ArtifactQuery, right: ArtifactQuery): Answer<DiffAnswer> {
  const [a, b] = [newestMaking(history, left), newestMaking(history, right)];
  if (a === undefined) return unknownArtifact(history, left);
  if (b === undefined) return unknownArtifact(history, right);
  for (const { evidence } of [a, b]) {
    if (evidence.listing === undefined) return noAnswer(`record ${evidence.seq} does not hold: ${evidence.because}`);
  }
  const same = a.output.d === b.output.d;
  const divergences: Divergence[] = [];
  const origins = new OriginFinder(history);
  const seen = new Set<string>();
  const waiting: (readonly [Evidence, Evidence])[] = same ? [] : [[a.evidence, b.evidence]];
  for (let at = 0; at < waiting.length; at++) {
    const [one, other] = waiting[at] as readonly [Evidence, Evidence];
    const changes = executionChanges(one, other).filter(({ field }) => field !== "output");
    if (changes.length === 0) divergences.push({ left: one, right: other, change: undefined });
    for (const change of changes) {
      const makers = change.field === "input" ? bothMade(origins, one, other, change) : undefined;
      if (makers === undefined) {
        divergences.push({ left: one, right: other, change });
        continue;
      }
      const key = makers.map(({ seq }) => seq).join(" ");
      if (seen.has(key)) continue;
      seen.add(key);
      waiting.push(makers);
    }
  }
  return { found: true, answer: { same, left: a.evidence, right: b.evidence, divergences } };
}

function bothMade(
  origins: OriginFinder,
  one: Evidence,
  other: Evidence,
  { name, from, to }: Change,
): readonly [Evidence, Evidence] | undefined {
  if (from === undefined || to === undefined) return undefined;
  const left = maker(origins.find(name, from as Evidence["leaf"], one.seq));
  const right = maker(origins.find(name, to as Evidence["leaf"], other.seq));
  return left === undefined || right === undefined ? undefined : [left, right];
}

function maker(origin: Origin): Evidence | undefined {
  const evidence = origin.kind === "execution" ? origin.making.evidence : undefined;
  return evidence?.listing === undefined ? undefined : evidence;
}
