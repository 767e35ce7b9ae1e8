/** Durations kept of one key: as many as make a 95th percentile mean something, few enough to follow a change. */
const KEPT = 20;
const MOST_KEYS = 100_000;

/** What chores took, by history key. */
export class Durations {
  /** Least recently recorded first. */
  readonly #byKey = new Map<string, number[]>();
  readonly #priorMs: number;

  constructor(priorMs: number) {
    this.#priorMs = priorMs;
  }

  record(key: string, durationMs: number): void {
    const known = this.#byKey.get(key) ?? [];
    this.#byKey.delete(key);
    this.#byKey.set(key, known);
    known.push(durationMs);
    if (known.length > KEPT) known.shift();
    if (this.#byKey.size > MOST_KEYS) this.#byKey.delete(this.#byKey.keys().next().value as string);
  }

  /** The median of what it took; else what the client expects; else the prior. */
  expectedMs(key: string, fromClientMs: number | undefined): number {
    return this.#quantileMs(key, 0.5) ?? fromClientMs ?? this.#priorMs;
  }

  /** The 95th percentile of what it took; the longest of fewer than 20; what the client expects if it never ran here. */
  p95Ms(key: string, fromClientMs: number | undefined): number | undefined {
    return this.#quantileMs(key, 0.95) ?? fromClientMs;
  }

  /** Nearest rank. */
  #quantileMs(key: string, share: number): number | undefined {
    const known = this.#byKey.get(key);
    if (known === undefined) return undefined;
    const sorted = known.length === 1 ? known : [...known].sort((a, b) => a - b);
    return sorted[Math.ceil(share * sorted.length) - 1];
  }
}
