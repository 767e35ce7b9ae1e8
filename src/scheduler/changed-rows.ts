/** So few rows are remembered whatever the size of the table. */
const FEWEST = 64;

/** Which rows of a table changed, unless they are so many that it is cheaper to take all of them for changed. */
export class ChangedRows {
  readonly #most: number;
  /** `undefined`: all. */
  #rows: Set<number> | undefined;

  /** At first all are. */
  constructor(rowCount: number) {
    this.#most = Math.max(FEWEST, rowCount >>> 4);
  }

  add(row: number): void {
    if (this.#rows === undefined) return;
    this.#rows.add(row);
    if (this.#rows.size > this.#most) this.#rows = undefined;
  }

  /** `undefined`: all, or too many. */
  get rows(): ReadonlySet<number> | undefined {
    return this.#rows;
  }

  /** From here on these changed, and what is added. */
  restart(rows: Iterable<number> = []): void {
    this.#rows = new Set(rows);
  }
}
