import type BetterSqlite from "better-sqlite3";

/** Values a statement takes at once; SQLite allows 32,766. */
const MOST_VALUES = 512;

/** Rows into one table, many a statement: the call costs more than the row. */
export class BulkInsert {
  readonly #many: BetterSqlite.Statement;
  readonly #one: BetterSqlite.Statement;
  readonly #columns: number;
  readonly #held: (number | string)[];
  #next = 0;

  constructor(database: BetterSqlite.Database, table: string, columns: number) {
    const row = `(${Array.from({ length: columns }, () => "?").join(",")})`;
    const rows = Math.floor(MOST_VALUES / columns);
    const insert = (count: number) =>
      database.prepare(`INSERT OR IGNORE INTO ${table} VALUES ${Array.from({ length: count }, () => row).join(",")}`);
    this.#columns = columns;
    this.#held = new Array<number | string>(rows * columns).fill(0);
    this.#one = insert(1);
    this.#many = insert(rows);
  }

  add(...values: readonly (number | string)[]): void {
    for (const value of values) this.#held[this.#next++] = value;
    if (this.#next === this.#held.length) this.#write();
  }

  addPair(first: number, second: number): void {
    this.#held[this.#next++] = first;
    this.#held[this.#next++] = second;
    if (this.#next === this.#held.length) this.#write();
  }

  #write(): void {
    this.#many.run(this.#held);
    this.#next = 0;
  }

  flush(): void {
    for (let at = 0; at < this.#next; at += this.#columns) this.#one.run(this.#held.slice(at, at + this.#columns));
    this.#next = 0;
  }
}
