/**
 * The word of `known` that `word` most likely was meant to be, or `undefined` where none is near: at most one slip of
 * the finger in a short word, two in a longer one. The first of several equally near.
 */
export function didYouMean(word: string, known: readonly string[]): string | undefined {
  const most = word.length <= 3 ? 1 : 2;
  let best: string | undefined;
  let bestSlips = most + 1;
  for (const candidate of known) {
    if (candidate === word || Math.abs(candidate.length - word.length) >= bestSlips) continue;
    const slips = slipsBetween(word, candidate);
    // Two slips in `gc` would turn it into anything.
    if (slips < bestSlips && slips < Math.min(word.length, candidate.length)) {
      best = candidate;
      bestSlips = slips;
    }
  }
  return best;
}

/** Optimal string alignment: letters added, left out, replaced, or two neighbours swapped. */
function slipsBetween(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(replaced, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
