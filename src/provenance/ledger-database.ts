import type BetterSqlite from "better-sqlite3";
import { TREE_TABLES } from "./ledger/tree-tables.ts";
import { LedgerError, type LedgerErrorCode } from "./ledger.ts";

export type LedgerDatabase = BetterSqlite.Database;

/** "BGAT": tells a ledger from any other SQLite file. */
const APPLICATION_ID = 0x42474154;
/** 2 since the ledger has a tree; `upgradeTables` makes it of 1. */
const SCHEMA_VERSION = 2;

const TABLES = `
CREATE TABLE record (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL, leaf BLOB NOT NULL) STRICT;
CREATE TABLE manifest (hash BLOB PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
CREATE TRIGGER record_dense BEFORE INSERT ON record WHEN NEW.seq IS NOT (SELECT coalesce(max(seq) + 1, 0) FROM record)
BEGIN SELECT raise(ABORT, 'records follow each other'); END;
CREATE TRIGGER record_kept BEFORE DELETE ON record BEGIN SELECT raise(ABORT, 'records are never removed'); END;
CREATE TRIGGER record_fixed BEFORE UPDATE ON record BEGIN SELECT raise(ABORT, 'records are never changed'); END;
CREATE TRIGGER manifest_kept BEFORE DELETE ON manifest BEGIN SELECT raise(ABORT, 'manifests are never removed'); END;
CREATE TRIGGER manifest_fixed BEFORE UPDATE ON manifest BEGIN SELECT raise(ABORT, 'manifests are never changed'); END;
PRAGMA application_id = ${APPLICATION_ID};
`;

/** What SQLite keeps of the statements above: each table's and trigger's text, by its name. */
function objectsMadeBy(statements: string): ReadonlyMap<string, string> {
  const made = statements.matchAll(/^(CREATE (?:TABLE|TRIGGER) (\w+)[^;]*?(?:BEGIN [^;]*; END)?);$/gm);
  return new Map([...made].map(([, sql = "", name = ""]) => [name, sql]));
}

const FIRST_OBJECTS = objectsMadeBy(TABLES);
const OBJECTS = objectsMadeBy(TABLES + TREE_TABLES);

/** Where the override variable is named, so that whoever reads the message can do something about it. */
const ELSEWHERE = "set BEGAT_STATE_HOME to a directory begat may write to";

const CODES: readonly (readonly [prefix: string, code: LedgerErrorCode, text: string, hint?: string])[] = [
  ["SQLITE_NOTADB", "LEDGER_UNREADABLE", "is not a database"],
  ["SQLITE_CORRUPT", "LEDGER_UNREADABLE", "is damaged"],
  ["SQLITE_FULL", "LEDGER_FULL_DISK", "cannot grow: the disk is full"],
  // The shared-memory file of the write-ahead log is stretched before it is used, and says so in its own way.
  ["SQLITE_IOERR_SHMSIZE", "LEDGER_FULL_DISK", "cannot grow: the disk is full"],
  ["SQLITE_READONLY", "LEDGER_NOT_WRITABLE", "cannot be written", ELSEWHERE],
  ["SQLITE_CANTOPEN", "LEDGER_NOT_WRITABLE", "cannot be opened", ELSEWHERE],
  ["SQLITE_PERM", "LEDGER_NOT_WRITABLE", "cannot be opened", ELSEWHERE],
  ["SQLITE_BUSY", "LEDGER_BUSY", "is held by another process"],
  ["SQLITE_LOCKED", "LEDGER_BUSY", "is held by another process"],
  ["SQLITE_IOERR", "LEDGER_IO", "answers with an input/output error"],
];

const codeOfSqlite = (error: unknown): string | undefined => {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === "string" && code.startsWith("SQLITE_") ? code : undefined;
};

/** Another process is writing; the same call may succeed a moment later. */
export function isBusy(error: unknown): boolean {
  return codeOfSqlite(error)?.startsWith("SQLITE_BUSY") === true;
}

/** What SQLite said, in the ledger's words; anything that is not SQLite's comes back as it is. */
export function asLedgerError(error: unknown, path: string): unknown {
  const sqlite = codeOfSqlite(error);
  if (sqlite === undefined) return error;
  const known = CODES.find(([prefix]) => sqlite.startsWith(prefix));
  const [, code, text, hint] = known ?? ["", "LEDGER_UNREADABLE" as const, "cannot be read"];
  return new LedgerError(code, `ledger ${path} ${text}`, { cause: error, hint });
}

/**
 * Opens the file; nothing is read or made yet. The driver is loaded here and nowhere else: a build that finds nothing to
 * do never pays for it.
 */
export async function openDatabase(path: string, mustExist: boolean): Promise<LedgerDatabase> {
  const { default: Database } = await import("better-sqlite3");
  try {
    return new Database(path, { fileMustExist: mustExist, timeout: 5_000 });
  } catch (error) {
    // The driver reports a missing directory as a TypeError of its own.
    const plain = error instanceof TypeError ? Object.assign(error, { code: "SQLITE_CANTOPEN" }) : error;
    throw asLedgerError(plain, path);
  }
}

/** Whether nothing has been made in this file yet: new, or its first opening was cut short. */
export function isUnmade(database: LedgerDatabase): boolean {
  return database.pragma("application_id", { simple: true }) === 0 && objectsOf(database).length === 0;
}

function objectsOf(database: LedgerDatabase): readonly { readonly name: string; readonly sql: string }[] {
  const objects = "SELECT name, sql FROM sqlite_master WHERE name NOT GLOB 'sqlite_*' ORDER BY name";
  return database.prepare(objects).all() as { name: string; sql: string }[];
}

/** Write-ahead log, and a sync at every commit: what was acknowledged is on the disk. */
export function configure(database: LedgerDatabase): void {
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = FULL");
}

/** Makes tables and marks; inside a transaction of the caller. */
export function makeTables(database: LedgerDatabase): void {
  database.exec(TABLES);
  addTreeTables(database);
}

function addTreeTables(database: LedgerDatabase): void {
  database.exec(TREE_TABLES);
  database.pragma(`user_version = ${SCHEMA_VERSION}`);
}

/**
 * Brings a ledger of version 1 to version 2, in one transaction: whatever interrupts it, the ledger is of one version or of
 * the other. One of any other version is left as it is.
 *
 * @param fill Fills the new tables from the records there are.
 */
export function upgradeTables(database: LedgerDatabase, path: string, fill: () => void): void {
  const version = () => database.pragma("user_version", { simple: true });
  if (database.pragma("application_id", { simple: true }) !== APPLICATION_ID || version() !== 1) return;
  database.exec("BEGIN IMMEDIATE");
  try {
    // Another process may have been quicker.
    if (version() === 1) {
      checkObjects(database, path, FIRST_OBJECTS);
      addTreeTables(database);
      fill();
    }
    database.exec("COMMIT");
  } catch (error) {
    if (database.inTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

/**
 * @throws {LedgerError} `LEDGER_FOREIGN` for another program's database or a later begat's ledger, `LEDGER_TAMPERED` when a
 *   table or one of the triggers that keep records is gone, another one, or one too many.
 */
export function checkTables(database: LedgerDatabase, path: string): void {
  const application = database.pragma("application_id", { simple: true });
  if (application !== APPLICATION_ID) {
    throw new LedgerError("LEDGER_FOREIGN", `${path} is a database of another program, not a ledger`);
  }
  const version = database.pragma("user_version", { simple: true });
  if (version !== SCHEMA_VERSION) {
    throw new LedgerError(
      "LEDGER_FOREIGN",
      `ledger ${path} is of version ${version}; this begat reads ${SCHEMA_VERSION}`,
    );
  }
  checkObjects(database, path, OBJECTS);
}

/** The tables and triggers must be those that begat makes, to the letter: a trigger that does something else keeps nothing. */
function checkObjects(database: LedgerDatabase, path: string, needed: ReadonlyMap<string, string>): void {
  const found = new Map(objectsOf(database).map(({ name, sql }) => [name, sql]));
  const tampered = (what: string, names: readonly string[]) => {
    if (names.length > 0) throw new LedgerError("LEDGER_TAMPERED", `ledger ${path} ${what} ${names.join(", ")}`);
  };
  tampered(
    "has lost",
    [...needed.keys()].filter((name) => !found.has(name)),
  );
  tampered(
    "has another",
    [...needed.keys()].filter((name) => found.get(name) !== needed.get(name)),
  );
  tampered(
    "was given",
    [...found.keys()].filter((name) => !needed.has(name)),
  );
}
