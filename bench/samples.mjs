// Numbers measured again and again, and what is said about them.

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** @returns {{ median: number, min: number, max: number, n: number } | undefined} `undefined` for no numbers. */
export function summarise(numbers) {
  if (numbers === undefined || numbers.length === 0) return undefined;
  return { median: median(numbers), min: Math.min(...numbers), max: Math.max(...numbers), n: numbers.length };
}

/**
 * The median of the rounds' ratios: two numbers of one round were taken next to each other, so a machine that is busy
 * with something else for a while is so for both. Of numbers that were not taken in rounds, the ratio of the medians.
 */
export function ratioOf(numbers, others) {
  if (numbers.length !== others.length) return median(numbers) / median(others);
  return median(numbers.map((n, round) => n / others[round]));
}

/**
 * Takes turns, A B A B, so that a machine that grows slower or quicker meanwhile is so for both.
 *
 * @param {(() => number)[]} takers Each runs once a round and gives its number; an absent one is passed over.
 * @returns {(number[] | undefined)[]}
 */
export function takeTurns(rounds, takers) {
  const samples = takers.map((taker) => (taker === undefined ? undefined : []));
  for (let round = 0; round < rounds; round++) {
    for (const [i, taker] of takers.entries()) if (taker !== undefined) samples[i].push(taker());
  }
  return samples;
}

const UNITS = {
  ms: (n) =>
    n >= 10_000
      ? `${(n / 1000).toFixed(1)} s`
      : n >= 1000
        ? `${(n / 1000).toFixed(2)} s`
        : n >= 10
          ? `${n.toFixed(0)} ms`
          : n >= 0.1
            ? `${n.toFixed(2)} ms`
            : `${n.toFixed(4)} ms`,
  rate: (n) => `${Math.round(n).toLocaleString("en")}/s`,
  KiB: (n) => `${n.toFixed(1)} KiB`,
  MB: (n) => `${n.toFixed(0)} MB`,
  chores: (n) => `${n} ran`,
  share: (n) => n.toFixed(2),
};

/** `142 ms`. */
export const quantity = (n, unit) => UNITS[unit](n);

/** `142 ms [138 ms..160 ms]`; the spread only where there is one. */
export function spread(summary, unit) {
  if (summary === undefined) return "-";
  const text = quantity(summary.median, unit);
  if (summary.n === 1) return text;
  return `${text} [${quantity(summary.min, unit)}..${quantity(summary.max, unit)}]`;
}
