interface Waiter {
  readonly wanted: Readonly<Record<string, number>>;
  readonly exclusive: boolean;
  readonly grant: (release: () => void) => void;
}

/** What is left of what chores share: `cpu` (job slots), `memory` (bytes), and pools by any other name. */
export class ResourcePool {
  readonly #capacity: Map<string, number>;
  readonly #free: Map<string, number>;
  readonly #waiters: Waiter[] = [];
  #exclusive = false;
  #running = 0;

  /** @param capacity Names it does not have are pools of one: `resources[ linker ]` runs one at a time. */
  constructor(capacity: Readonly<Record<string, number>>) {
    this.#capacity = new Map(Object.entries(capacity));
    this.#free = new Map(this.#capacity);
  }

  get running(): number {
    return this.#running;
  }

  #capacityOf(name: string): number {
    return this.#capacity.get(name) ?? 1;
  }

  /** What a request takes: one `cpu` unless it says more, and never more than there is, so that it can run alone. */
  #shares(wanted: Readonly<Record<string, number>>): [string, number][] {
    const shares = Object.entries(wanted).map(([name, amount]): [string, number] => [
      name,
      Math.min(amount, this.#capacityOf(name)),
    ]);
    if (wanted.cpu === undefined) shares.push(["cpu", 1]);
    return shares;
  }

  /**
   * Waits until the shares are free, takes them, and resolves to what gives them back. First come, first served, but
   * whoever fits goes before whoever does not; only behind an exclusive one everybody waits. When `signal` aborts it
   * resolves at once, with nothing taken.
   */
  turn(wanted: Readonly<Record<string, number>>, exclusive: boolean, signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) return Promise.resolve(() => {});
    return new Promise((resolve) => {
      const onAbort = (): void => {
        const at = this.#waiters.indexOf(waiter);
        if (at >= 0) this.#waiters.splice(at, 1);
        resolve(() => {});
      };
      const waiter: Waiter = {
        wanted,
        exclusive,
        grant: (release) => {
          signal.removeEventListener("abort", onAbort);
          resolve(release);
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiters.push(waiter);
      this.#serve();
    });
  }

  #serve(): void {
    for (let i = 0; i < this.#waiters.length; ) {
      const waiter = this.#waiters[i] as Waiter;
      if (this.#take(waiter.wanted, waiter.exclusive)) {
        this.#waiters.splice(i, 1);
        let given = false;
        waiter.grant(() => {
          if (given) return;
          given = true;
          this.#give(waiter.wanted);
          this.#serve();
        });
      } else if (waiter.exclusive) return;
      else i++;
    }
  }

  #take(wanted: Readonly<Record<string, number>>, exclusive: boolean): boolean {
    if (this.#exclusive || (exclusive && this.#running > 0)) return false;
    const shares = this.#shares(wanted);
    for (const [name, amount] of shares) {
      if ((this.#free.get(name) ?? this.#capacityOf(name)) < amount) return false;
    }
    for (const [name, amount] of shares)
      this.#free.set(name, (this.#free.get(name) ?? this.#capacityOf(name)) - amount);
    this.#exclusive = exclusive;
    this.#running++;
    return true;
  }

  #give(wanted: Readonly<Record<string, number>>): void {
    for (const [name, amount] of this.#shares(wanted)) this.#free.set(name, (this.#free.get(name) ?? 0) + amount);
    this.#exclusive = false;
    this.#running--;
  }
}
