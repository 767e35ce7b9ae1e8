/** Failed joins that one address may make within the window. A secret of 128 bits is not guessed; its checks cost. */
export const ATTEMPTS = 10;
export const ATTEMPT_WINDOW_MS = 60_000;
/** Addresses remembered; the oldest are forgotten first. */
const ADDRESSES = 10_000;

/** Counts what went wrong, by address. Joins that succeed cost nothing. */
export class AttemptLimit {
  readonly #failures = new Map<string, number[]>();

  /** Milliseconds to wait; 0 where another attempt may be made. */
  waitMs(address: string, nowMs: number): number {
    const recent = this.#recent(address, nowMs);
    const oldest = recent[recent.length - ATTEMPTS];
    return oldest === undefined ? 0 : oldest + ATTEMPT_WINDOW_MS - nowMs;
  }

  failed(address: string, nowMs: number): void {
    const recent = [...this.#recent(address, nowMs), nowMs];
    this.#failures.delete(address);
    this.#failures.set(address, recent);
    for (const old of this.#failures.keys()) {
      if (this.#failures.size <= ADDRESSES) break;
      this.#failures.delete(old);
    }
  }

  #recent(address: string, nowMs: number): number[] {
    // A clock set back must lock nobody out for longer than the window.
    return (this.#failures.get(address) ?? []).filter((at) => at <= nowMs && at > nowMs - ATTEMPT_WINDOW_MS);
  }
}
