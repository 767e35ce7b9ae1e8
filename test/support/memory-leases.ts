import type { Sha256 } from "../../src/base/index.ts";
import type { Lease, Leases } from "../../src/cache/index.ts";
import type { Clock } from "../../src/ports/index.ts";

interface Held {
  readonly begunMs: number;
  readonly hashes: Set<Sha256>;
}

/** Leases in memory, and what a collector would make of them. */
export class MemoryLeases implements Leases {
  readonly #clock: Clock;
  readonly #live = new Set<Held>();
  readonly #usedMs = new Map<Sha256, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(): Lease {
    const held: Held = { begunMs: this.#clock.nowMs(), hashes: new Set() };
    this.#live.add(held);
    return {
      hold: (hashes) => {
        for (const hash of hashes) held.hashes.add(hash);
      },
      release: () => void this.#live.delete(held),
    };
  }

  get count(): number {
    return this.#live.size;
  }

  use(hash: Sha256): void {
    this.#usedMs.set(hash, Math.max(this.#clock.nowMs(), ...Array.from(this.#live, (held) => held.begunMs)));
  }

  isProtected(hash: Sha256): boolean {
    const usedMs = this.#usedMs.get(hash) ?? Number.NEGATIVE_INFINITY;
    return Array.from(this.#live).some((held) => held.hashes.has(hash) || usedMs >= held.begunMs);
  }

  /** The holder's process dies. */
  die(): void {
    this.#live.clear();
  }
}
