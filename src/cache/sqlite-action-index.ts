import { parseIsolationLevel, type Sha256 } from "../base/index.ts";
import type { ActionIndex, IndexedExecution, RecordedOutput } from "./action-index.ts";
import { damaged, type IndexDatabase, packHash, unpackHash } from "./index-database.ts";

interface Row {
  readonly seq: number;
  readonly action: Buffer;
  readonly chore: string;
  readonly level: string;
  readonly key: Buffer;
  readonly outputs: string;
  readonly properties: string;
  readonly duration_ms: number;
  readonly finished_ms: number;
}

const BY_ACTION =
  "SELECT * FROM executions WHERE action = ? AND seq NOT IN (SELECT seq FROM quarantined) ORDER BY seq DESC";
const QUARANTINED =
  "SELECT seq FROM executions WHERE action = ? AND seq IN (SELECT seq FROM quarantined) ORDER BY seq DESC LIMIT 1";
const BY_CHORE = "SELECT * FROM executions WHERE chore = ? ORDER BY seq DESC LIMIT ?";
const BY_HASH = "SELECT * FROM executions WHERE seq IN (SELECT seq FROM outputs WHERE hash = ?) ORDER BY seq DESC";
const BY_PATH =
  "SELECT * FROM executions WHERE seq IN (SELECT DISTINCT seq FROM outputs WHERE path = ? ORDER BY seq DESC LIMIT ?) " +
  "ORDER BY seq DESC";
const DURATION = "SELECT duration_ms FROM executions WHERE chore = ? ORDER BY seq DESC LIMIT 1";
const INSERT = "INSERT OR REPLACE INTO executions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
const INSERT_OUTPUT = "INSERT OR IGNORE INTO outputs VALUES (?, ?, ?)";
const MOVE = "INSERT OR REPLACE INTO position VALUES (0, ?, ?)";

/** The action cache in `index.db`. A damaged index answers nothing and is made anew: see `IndexDatabase`. */
export class SqliteActionIndex implements ActionIndex {
  readonly #db: IndexDatabase;
  /** Known to hold nothing: a first build asks twice for every chore. What others add meanwhile is seen next time. */
  #isEmpty: boolean | undefined;

  constructor(db: IndexDatabase) {
    this.#db = db;
  }

  position(): { readonly ledger: Sha256; readonly size: number } | undefined {
    return this.#db.read(() => {
      const row = this.#db.statement("SELECT ledger, size FROM position").get();
      if (row === undefined) return undefined;
      const { ledger, size } = row as { ledger: Buffer; size: number };
      return { ledger: unpackHash(ledger), size };
    }, undefined);
  }

  /** When the index turns out to be damaged nothing is added, so that its position tells what it lacks: everything. */
  add(executions: readonly IndexedExecution[], position: { readonly ledger: Sha256; readonly size: number }): void {
    this.#isEmpty = undefined;
    this.#db.write(() => {
      const insert = this.#db.statement(INSERT);
      const insertOutput = this.#db.statement(INSERT_OUTPUT);
      for (const one of executions) {
        insert.run(
          one.seq,
          packHash(one.action),
          one.chore,
          one.level,
          packHash(one.key),
          JSON.stringify(one.outputs),
          JSON.stringify(one.properties),
          one.durationMs,
          one.finishedAtMs,
        );
        for (const output of one.outputs) insertOutput.run(packHash(output.digest.hash), one.seq, output.path);
      }
      this.#db.statement(MOVE).run(packHash(position.ledger), position.size);
    }, undefined);
  }

  find(action: Sha256): IndexedExecution[] {
    return this.#select(BY_ACTION, packHash(action));
  }

  quarantine(seq: number): void {
    this.#db.write(() => {
      this.#db.statement("INSERT OR IGNORE INTO quarantined VALUES (?)").run(seq);
    }, undefined);
  }

  quarantined(action: Sha256): number | undefined {
    return this.#db.read(() => {
      const row = this.#db.statement(QUARANTINED).get(packHash(action)) as { seq: number } | undefined;
      return row?.seq;
    }, undefined);
  }

  history(chore: string, limit: number): IndexedExecution[] {
    return this.#select(BY_CHORE, chore, limit);
  }

  producers(hash: Sha256): IndexedExecution[] {
    return this.#select(BY_HASH, packHash(hash));
  }

  producersOfPath(path: string, limit: number): IndexedExecution[] {
    return this.#select(BY_PATH, path, limit);
  }

  durationsMs(chores: readonly string[]): Map<string, number> {
    return this.#db.read(() => {
      const statement = this.#db.statement(DURATION);
      const durations = new Map<string, number>();
      for (const chore of chores) {
        const row = statement.get(chore) as { duration_ms: number } | undefined;
        if (row !== undefined) durations.set(chore, row.duration_ms);
      }
      return durations;
    }, new Map());
  }

  clear(): void {
    this.#db.write(() => {
      for (const table of ["position", "executions", "quarantined", "outputs"])
        this.#db.statement(`DELETE FROM ${table}`).run();
    }, undefined);
  }

  /** How many executions it knows. */
  count(): number {
    return this.#db.read(() => {
      const row = this.#db.statement("SELECT count(*) AS n FROM executions").get() as { n: number };
      return row.n;
    }, 0);
  }

  #select(sql: string, ...values: readonly unknown[]): IndexedExecution[] {
    return this.#db.read(() => {
      this.#isEmpty ??= this.#db.statement("SELECT 1 FROM executions LIMIT 1").get() === undefined;
      return this.#isEmpty ? [] : (this.#db.statement(sql).all(...values) as Row[]).map(execution);
    }, []);
  }
}

function execution(row: Row): IndexedExecution {
  const level = parseIsolationLevel(row.level);
  if (level === undefined) throw damaged(`the unknown level ${JSON.stringify(row.level)}`);
  return {
    seq: row.seq,
    action: unpackHash(row.action),
    chore: row.chore,
    level,
    key: unpackHash(row.key),
    outputs: json(row.outputs) as RecordedOutput[],
    properties: json(row.properties) as Record<string, string>,
    durationMs: row.duration_ms,
    finishedAtMs: row.finished_ms,
  };
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw damaged("text that is no JSON");
  }
}
