/** With more names than this, looking for a similar one would take longer than it helps. */
const MOST_CANDIDATES = 20_000;

/** The one candidate nearest to `word`, if it is near enough to be what was meant. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const most = word.length <= 3 ? 1 : 2;
  let best: string | undefined;
  let bestDistance = most + 1;
  let looked = 0;
  for (const candidate of candidates) {
    if (++looked > MOST_CANDIDATES) break;
    if (candidate === word || Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const distance = editDistance(word, candidate, bestDistance);
    if (distance < bestDistance && distance < Math.max(word.length, candidate.length)) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  const name = nearest(word, candidates);
  return name === undefined ? undefined : `did you mean "${name}"?`;
}

/** Insertions, deletions, replacements and swaps of neighbours from `a` to `b`; gives up at `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  let twoBack: number[] = [];
  let oneBack = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    let least = i;
    for (let j = 1; j <= b.length; j++) {
      const same = a.charCodeAt(i - 1) === b.charCodeAt(j - 1);
      let d = Math.min(
        (oneBack[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (oneBack[j - 1] as number) + (same ? 0 : 1),
      );
      const swapped = a.charCodeAt(i - 1) === b.charCodeAt(j - 2) && a.charCodeAt(i - 2) === b.charCodeAt(j - 1);
      if (i > 1 && j > 1 && swapped) d = Math.min(d, (twoBack[j - 2] as number) + 1);
      row.push(d);
      if (d < least) least = d;
    }
    if (least >= limit) return limit;
    twoBack = oneBack;
    oneBack = row;
  }
  return oneBack[b.length] as number;
}
