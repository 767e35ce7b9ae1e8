import type BetterSqlite from "better-sqlite3";
import type { Sha256 } from "../../base/index.ts";
import { keyOf } from "./index-filler.ts";
import { TRAIT } from "./index-schema.ts";
import type { ProvIndex } from "./prov-index.ts";

const numbers = (rows: unknown[]): readonly number[] =>
  (rows as unknown[]).filter((row) => Number.isSafeInteger(row)) as number[];

/** The tables of `prov.db`, asked. */
export class SqliteProvIndex implements ProvIndex {
  readonly size: number;
  readonly #database: BetterSqlite.Database;
  readonly #statements = new Map<string, BetterSqlite.Statement>();

  constructor(database: BetterSqlite.Database, size: number) {
    this.#database = database;
    this.size = size;
  }

  /** The index as it was when the ledger had `size` records. */
  at(size: number): SqliteProvIndex {
    return new SqliteProvIndex(this.#database, Math.min(size, this.size));
  }

  #all(sql: string, ...values: (number | string)[]): readonly number[] {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql).pluck();
      this.#statements.set(sql, statement);
    }
    return numbers(statement.all(...values));
  }

  #word(text: string): number {
    return this.#all("SELECT id FROM word WHERE text = ?", text)[0] ?? -1;
  }

  producers(hash: Sha256, before = this.size): readonly number[] {
    const sql = "SELECT seq FROM made WHERE artifact = ? AND seq < ? ORDER BY seq DESC";
    return this.#all(sql, keyOf(hash), before);
  }

  producersOfPath(path: string, limit: number, before = this.size): readonly number[] {
    const sql =
      "SELECT seq FROM makes JOIN of_chore USING (chore) WHERE path = ? AND seq < ? ORDER BY seq DESC LIMIT ?";
    return this.#all(sql, this.#word(path), before, limit);
  }

  executionsOf(chore: string, limit: number, before = this.size): readonly number[] {
    const sql = "SELECT seq FROM of_chore WHERE chore = ? AND seq < ? ORDER BY seq DESC LIMIT ?";
    return this.#all(sql, this.#word(chore), before, limit);
  }

  choresOf(dictum: string, limit: number): readonly string[] {
    const sql =
      "SELECT text FROM word WHERE text >= ? AND text < ? AND EXISTS (SELECT 1 FROM of_chore WHERE chore = word.id) ORDER BY text LIMIT ?";
    // ")" follows "(": every label of the dictum lies between.
    const rows = this.#database.prepare(sql).pluck().all(`${dictum}(`, `${dictum})`, limit);
    return rows.filter((row): row is string => typeof row === "string");
  }

  executionsOfAction(action: Sha256, before = this.size): readonly number[] {
    const sql = "SELECT seq FROM of_action WHERE action = ? AND seq < ? ORDER BY seq DESC";
    return this.#all(sql, keyOf(action), before);
  }

  executionsOfImage(image: string, before = this.size): readonly number[] {
    const sql = `SELECT seq FROM execution WHERE image = ? AND seq < ? AND traits & ${TRAIT.failed} = 0 ORDER BY seq DESC`;
    return this.#all(sql, this.#word(image), before);
  }

  executionsOfRnode(rnode: string, before = this.size): readonly number[] {
    const sql = "SELECT seq FROM execution WHERE rnode = ? AND seq < ? ORDER BY seq DESC";
    return this.#all(sql, this.#word(rnode), before);
  }

  executionsOfKey(key: Sha256, before = this.size): readonly number[] {
    const sql = "SELECT seq FROM execution WHERE key = ? AND seq < ? ORDER BY seq DESC";
    return this.#all(sql, keyOf(key), before);
  }

  consumers(artifact: number, from: number, before = this.size): readonly number[] {
    // Directories within directories up to what was an input root. UNION takes each once: a damaged table may hold a ring.
    const sql = `WITH RECURSIVE around(dir) AS
      (SELECT outside FROM holds WHERE inside = ? UNION SELECT outside FROM holds JOIN around ON inside = dir)
      SELECT DISTINCT seq FROM around JOIN of_root ON root = dir WHERE seq > ? AND seq < ? ORDER BY seq`;
    return this.#all(sql, artifact, from, before);
  }

  outputsOf(seq: number): readonly number[] {
    const sql = `SELECT artifact FROM output WHERE seq = ?
      UNION ALL SELECT inside.artifact FROM output JOIN tree_file AS inside ON tree = output.artifact WHERE seq = ?`;
    return this.#all(sql, seq, seq);
  }

  ingests(hash: Sha256, before = this.size): readonly number[] {
    const sql = "SELECT seq FROM ingested WHERE artifact = ? AND seq < ? ORDER BY seq DESC";
    return this.#all(sql, keyOf(hash), before);
  }

  challengesOf(seq: number, before = this.size): readonly number[] {
    return this.#all("SELECT seq FROM challenged WHERE travail = ? AND seq < ? ORDER BY seq", seq, before);
  }

  attestationsOf(statement: Sha256, before = this.size): readonly number[] {
    const sql = "SELECT seq FROM attested WHERE statement = ? AND seq < ? ORDER BY seq";
    return this.#all(sql, keyOf(statement), before);
  }

  keptBy(seq: number, before = this.size): readonly number[] {
    return this.#all("SELECT seq FROM kept WHERE travail = ? AND seq < ? ORDER BY seq DESC", seq, before);
  }

  build(name: string): { readonly begin: number; readonly end: number | undefined } | undefined {
    const [begin] = this.#all("SELECT seq FROM build WHERE name = ? AND ended = 0 ORDER BY seq", name);
    const [end] = this.#all("SELECT seq FROM build WHERE name = ? AND ended = 1 ORDER BY seq", name);
    return begin === undefined ? undefined : { begin, end };
  }

  counts(before = this.size): { readonly executions: number; readonly complete: number } {
    const failed = `traits & ${TRAIT.failed} = 0`;
    const [executions = 0] = this.#all(`SELECT count(*) FROM execution WHERE seq < ? AND ${failed}`, before);
    const complete = `traits & ${TRAIT.complete} > 0`;
    const [ofThem = 0] = this.#all(
      `SELECT count(*) FROM execution WHERE seq < ? AND ${failed} AND ${complete}`,
      before,
    );
    return { executions, complete: ofThem };
  }

  incomplete(before = this.size): Iterable<number> {
    const wanted = `traits & ${TRAIT.failed | TRAIT.complete} = 0`;
    return this.#all(`SELECT seq FROM execution WHERE seq < ? AND ${wanted} ORDER BY seq`, before);
  }

  makesProperties(seq: number): boolean {
    if (seq >= this.size) return false;
    const sql = `SELECT 1 FROM execution WHERE seq = ? AND traits & ${TRAIT.properties} > 0`;
    return this.#all(sql, seq).length > 0;
  }

  propertyMakers(before = this.size): readonly number[] {
    return this.#all(
      `SELECT seq FROM execution WHERE seq < ? AND traits & ${TRAIT.properties} > 0 ORDER BY seq`,
      before,
    );
  }

  executions(before = this.size): readonly number[] {
    return this.#all(`SELECT seq FROM execution WHERE seq < ? AND traits & ${TRAIT.failed} = 0 ORDER BY seq`, before);
  }

  artifactsBetween(from: number, to: number, limit: number): readonly number[] {
    const sql =
      "SELECT artifact FROM made WHERE artifact BETWEEN ? AND ? UNION SELECT inside FROM holds WHERE inside BETWEEN ? AND ? UNION SELECT artifact FROM ingested WHERE artifact BETWEEN ? AND ? LIMIT ?";
    return this.#all(sql, from, to, from, to, from, to, limit);
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }
}
