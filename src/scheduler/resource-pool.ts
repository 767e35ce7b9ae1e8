/** What is left of what chores share: `cpu` (job slots), `memory` (bytes), and pools by any other name. */
export class ResourcePool {
  readonly #capacity: Map<string, number>;
  readonly #free: Map<string, number>;
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

  /** Takes the shares, or takes nothing and answers `false`. */
  take(wanted: Readonly<Record<string, number>>, exclusive: boolean): boolean {
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

  give(wanted: Readonly<Record<string, number>>): void {
    for (const [name, amount] of this.#shares(wanted)) this.#free.set(name, (this.#free.get(name) ?? 0) + amount);
    this.#exclusive = false;
    this.#running--;
  }
}
