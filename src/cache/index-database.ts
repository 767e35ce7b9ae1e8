import Database from "better-sqlite3";
import { codeOf, type Sha256 } from "../base/index.ts";
import type { FileTree } from "../ports/index.ts";
import { IndexError, indexFailure } from "./index-error.ts";
import { INDEX_SCHEMA, INDEX_VERSION } from "./index-schema.ts";

type Statement = Database.Statement<unknown[], unknown>;

/** How long to wait for another process's transaction, milliseconds. */
const BUSY_MS = 5000;

/**
 * `index.db`: opened, made, and made anew when it is damaged. Everything in it is derived, so a file that cannot be
 * read is set aside as `index.db.bad-<n>`, and the work goes on with an empty one.
 */
export class IndexDatabase {
  readonly path: string;
  readonly #fs: FileTree;
  readonly #onNotice: (text: string) => void;
  readonly #statements = new Map<string, Statement>();
  #db: Database.Database;
  #inode: number | undefined;

  /** @param path Absolute; its directory exists. */
  constructor(path: string, fs: FileTree, onNotice: (text: string) => void) {
    this.path = path;
    this.#fs = fs;
    this.#onNotice = onNotice;
    this.#db = this.#open();
  }

  statement(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql) as Statement;
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /**
   * Answers `action()`, or `empty` when the index turns out to be damaged; it is then empty and usable again.
   *
   * @throws {IndexError}
   */
  read<T>(action: () => T, empty: T): T {
    try {
      return action();
    } catch (cause) {
      return this.#recover(cause, empty);
    }
  }

  /** As `read`, in one transaction that takes the write lock first: reading first would be refused under load. */
  write<T>(action: () => T, empty: T): T {
    try {
      this.statement("BEGIN IMMEDIATE").run();
      try {
        const answer = action();
        this.statement("COMMIT").run();
        return answer;
      } catch (cause) {
        if (this.#db.inTransaction) this.statement("ROLLBACK").run();
        throw cause;
      }
    } catch (cause) {
      return this.#recover(cause, empty);
    }
  }

  /** Whether SQLite finds its own structures in order; reads the whole file. */
  isSound(): boolean {
    return this.read(() => this.#db.pragma("quick_check(1)", { simple: true }) === "ok", false);
  }

  close(): void {
    this.#statements.clear();
    this.#db.close();
  }

  #recover<T>(cause: unknown, empty: T): T {
    const failure = indexFailure(cause, this.path);
    if (!(failure instanceof IndexError) || failure.code !== "INDEX_CORRUPT") throw failure;
    this.close();
    this.#setAside(failure.message);
    this.#db = this.#open();
    return empty;
  }

  #open(): Database.Database {
    for (let attempt = 1; ; attempt++) {
      let db: Database.Database | undefined;
      try {
        db = new Database(this.path, { timeout: BUSY_MS });
        this.#inode = this.#fs.stat(this.path)?.inode;
        prepare(db, this.path);
        return db;
      } catch (cause) {
        db?.close();
        const failure = indexFailure(cause, this.path);
        if (attempt === 3 || codeOf(failure) !== "INDEX_CORRUPT") throw failure;
        this.#setAside((failure as IndexError).message);
      }
    }
  }

  /** Unless another process has done it meanwhile: then there is another file at the path. */
  #setAside(why: string): void {
    if (this.#fs.stat(this.path)?.inode !== this.#inode) return;
    let bad = "";
    for (let n = 1; bad === ""; n++) {
      const candidate = `${this.path}.bad-${n}`;
      if (this.#fs.lstat(candidate) === undefined) bad = candidate;
    }
    // The log first: beside another database it would be replayed into that.
    for (const suffix of ["-wal", "-shm"]) this.#fs.remove(this.path + suffix);
    this.#fs.rename(this.path, bad);
    this.#onNotice(`${why}; it was moved to ${bad} and is being made anew`);
  }
}

/** How many other openers to wait out, one after another. */
const MOST_WAITS = 100;

/**
 * SQLite answers BUSY to this pragma at once, whatever the time-out, when another process opens the same new file: it
 * needs the file alone. So the file is waited for by way of a transaction, which does wait, and then tried again.
 */
function enterWriteAheadLog(db: Database.Database): void {
  for (let waits = 0; ; waits++) {
    try {
      db.pragma("journal_mode = WAL");
      return;
    } catch (cause) {
      if (waits === MOST_WAITS || codeOf(indexFailure(cause, "")) !== "INDEX_BUSY") throw cause;
      db.exec("BEGIN EXCLUSIVE");
      db.exec("ROLLBACK");
    }
  }
}

function prepare(db: Database.Database, path: string): void {
  enterWriteAheadLog(db);
  db.pragma("synchronous = NORMAL");
  if (version(db) === INDEX_VERSION) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    const found = version(db);
    const isEmpty = db.prepare("SELECT count(*) AS n FROM sqlite_master").pluck().get() === 0;
    if (found === 0 && isEmpty) db.exec(INDEX_SCHEMA);
    else if (found !== INDEX_VERSION) {
      throw new IndexError("INDEX_CORRUPT", `the index ${path} has version ${found}, not ${INDEX_VERSION}`);
    }
    db.exec("COMMIT");
  } catch (cause) {
    if (db.inTransaction) db.exec("ROLLBACK");
    throw cause;
  }
}

function version(db: Database.Database): number {
  return db.pragma("user_version", { simple: true }) as number;
}

/** 32 bytes as stored. */
export function packHash(hash: Sha256): Buffer {
  return Buffer.from(hash, "hex");
}

/** @throws {IndexError} `INDEX_CORRUPT` for anything but 32 bytes. */
export function unpackHash(stored: unknown): Sha256 {
  if (!(stored instanceof Buffer) || stored.length !== 32) throw damaged("a hash of another length than 32 bytes");
  return stored.toString("hex") as Sha256;
}

/** What is thrown where a row cannot be as begat wrote it. */
export function damaged(what: string): IndexError {
  return new IndexError("INDEX_CORRUPT", `the index holds ${what}`);
}
