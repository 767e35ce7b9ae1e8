import { BegatError, type Sha256 } from "../base/index.ts";
import type { Clock } from "../ports/index.ts";
import type { Lease, Leases } from "./lease.ts";
import type { LeaseTable } from "./lease-table.ts";

/** How often a lease's holder writes down what it has used, milliseconds. A collector waits longer than this. */
export const USES_WRITTEN_EVERY_MS = 1000;

/**
 * Leases for builds of this process. While one is held, what the store has used is written to the index every second,
 * so that a collector in another process sees it.
 */
export class BuildLeases implements Leases {
  readonly #table: LeaseTable;
  readonly #clock: Clock;
  readonly #store: { flush(): void };

  constructor(table: LeaseTable, clock: Clock, store: { flush(): void }) {
    this.#table = table;
    this.#clock = clock;
    this.#store = store;
  }

  begin(): Lease {
    const id = this.#table.begin();
    const ended = new AbortController();
    void this.#keepWriting(ended.signal);
    return {
      hold: (hashes: readonly Sha256[]) => this.#table.hold(id, hashes),
      release: () => {
        if (ended.signal.aborted) return;
        ended.abort();
        this.#store.flush();
        this.#table.end(id);
      },
    };
  }

  async #keepWriting(ended: AbortSignal): Promise<void> {
    try {
      for (;;) {
        await this.#clock.sleep(USES_WRITTEN_EVERY_MS, ended);
        this.#store.flush();
      }
    } catch (cause) {
      if (!ended.aborted && !(cause instanceof BegatError)) throw cause;
    }
  }
}
