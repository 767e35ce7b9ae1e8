import type BetterSqlite from "better-sqlite3";
import type { Sha256 } from "../../base/index.ts";
import type { FileTree, Random } from "../../ports/index.ts";
import { IndexFiller, type ReferenceReader } from "./index-filler.ts";
import { PROV_APPLICATION_ID, PROV_INDEX_VERSION, TABLES } from "./index-schema.ts";
import type { IndexSource } from "./index-source.ts";
import { SqliteProvIndex } from "./sqlite-prov-index.ts";

export interface ProvIndexOptions {
  /** Absolute path of `prov.db`; its directory is made. `":memory:"` for one that is gone afterwards. */
  readonly path: string;
  readonly source: IndexSource;
  readonly references: ReferenceReader;
  readonly files: FileTree;
  readonly random: Random;
  /** Told once, when the index is made anew although there was one, or takes a while. */
  readonly onNotice?: (text: string) => void;
  /** Make it anew whatever stands there. */
  readonly anew?: boolean;
}

export interface OpenedProvIndex {
  readonly index: SqliteProvIndex;
  /** Records that were read into it now. */
  readonly added: number;
  readonly anew: boolean;
}

interface Position {
  readonly ledger: Buffer;
  readonly size: number;
  readonly head: Buffer;
  readonly manifests: number;
  readonly last_manifest: Buffer | null;
}

/** So many records are worth saying something about before reading them. */
const MANY = 200_000;

/**
 * Opens the index of exactly this ledger at exactly its size: extends one that is behind, makes anew one that is absent,
 * damaged, of another ledger or history. Never fails for what the file holds.
 */
export async function openProvIndex(options: ProvIndexOptions): Promise<OpenedProvIndex> {
  const { default: Database } = await import("better-sqlite3");
  const { path, source, onNotice } = options;
  if (path === ":memory:") {
    const database = new Database(path);
    fillAnew(database, options);
    return { index: new SqliteProvIndex(database, source.size), added: source.size, anew: true };
  }
  options.files.makeDirectory(path.slice(0, path.lastIndexOf("/")));
  const exists = options.files.lstat(path) !== undefined;
  if (exists && options.anew !== true) {
    const opened = tryExisting(() => new Database(path, { timeout: 5_000 }), options);
    if (opened !== undefined) return opened;
    onNotice?.(`rebuilding the index ${path}: it is damaged, or not of this ledger`);
  } else if (source.size > MANY) {
    onNotice?.(`making the index ${path} of ${source.size} records`);
  }
  const draft = `${path}.${Buffer.from(options.random.bytes(6)).toString("hex")}`;
  try {
    const database = new Database(draft);
    try {
      fillAnew(database, options);
    } finally {
      database.close();
    }
    for (const suffix of ["-wal", "-shm", "-journal"]) options.files.remove(path + suffix);
    options.files.rename(draft, path);
  } finally {
    for (const suffix of ["", "-journal"]) options.files.remove(draft + suffix);
  }
  return {
    index: new SqliteProvIndex(tuned(new Database(path, { timeout: 5_000 })), source.size),
    added: source.size,
    anew: true,
  };
}

function tuned(database: BetterSqlite.Database): BetterSqlite.Database {
  database.pragma("mmap_size = 4294967296");
  database.pragma("cell_size_check = ON");
  return database;
}

/** `undefined` where it cannot be used and must be made anew. */
function tryExisting(open: () => BetterSqlite.Database, options: ProvIndexOptions): OpenedProvIndex | undefined {
  const { source } = options;
  let database: BetterSqlite.Database | undefined;
  try {
    database = tuned(open());
    const position = positionOf(database, source);
    if (position === undefined) throw new Error("not of this ledger");
    const behind = source.size - position.size;
    if (behind > 0) extend(database, options, position);
    return { index: new SqliteProvIndex(database, source.size), added: behind, anew: false };
  } catch (error) {
    database?.close();
    if (isBusy(error)) throw error;
    return undefined;
  }
}

const isBusy = (error: unknown): boolean => /^SQLITE_(BUSY|LOCKED)/.test(String((error as { code?: unknown })?.code));

/** Where the index stands, if that is a point in this ledger's history. */
function positionOf(database: BetterSqlite.Database, source: IndexSource): Position | undefined {
  if (database.pragma("application_id", { simple: true }) !== PROV_APPLICATION_ID) return undefined;
  if (database.pragma("user_version", { simple: true }) !== PROV_INDEX_VERSION) return undefined;
  const rows = database.prepare("SELECT * FROM position").all() as Position[];
  const position = rows[0];
  if (position === undefined || rows.length !== 1) return undefined;
  const { ledger, size, head, manifests, last_manifest } = position;
  // The leaf hash of a record commits to all records before it, as a root does.
  const same = ledger.toString("hex") === source.identity && size <= source.size;
  if (!same || source.leaf(size - 1) !== head.toString("hex")) return undefined;
  const mark = manifests === 0 ? undefined : source.manifestAt(manifests);
  if (manifests > 0 && (last_manifest === null || mark === undefined || !mark.equals(last_manifest))) return undefined;
  return position;
}

function fillAnew(database: BetterSqlite.Database, options: ProvIndexOptions): void {
  // Nobody else sees the file before it is whole, so there is nothing to come back to.
  database.pragma("journal_mode = OFF");
  database.pragma("synchronous = OFF");
  database.pragma("locking_mode = EXCLUSIVE");
  database.pragma("cache_size = -262144");
  database.pragma("temp_store = MEMORY");
  database.exec("BEGIN");
  database.exec(TABLES);
  setPosition(database, options.source, new IndexFiller(database, options.source, options.references).fill(0, 0));
  database.exec("COMMIT");
}

function extend(database: BetterSqlite.Database, options: ProvIndexOptions, position: Position): void {
  database.pragma("synchronous = NORMAL");
  database.exec("BEGIN IMMEDIATE");
  try {
    // Another process may have been quicker.
    const now = positionOf(database, options.source) ?? position;
    if (now.size < options.source.size) {
      const filler = new IndexFiller(database, options.source, options.references);
      setPosition(database, options.source, filler.fill(now.size, now.manifests));
    }
    database.exec("COMMIT");
  } catch (error) {
    if (database.inTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

function setPosition(database: BetterSqlite.Database, source: IndexSource, lastPlace: number): void {
  const head = source.leaf(source.size - 1) as Sha256;
  const mark = lastPlace === 0 ? undefined : source.manifestAt(lastPlace);
  database.exec("DELETE FROM position");
  database
    .prepare("INSERT INTO position VALUES (?, ?, ?, ?, ?)")
    .run(Buffer.from(source.identity, "hex"), source.size, Buffer.from(head, "hex"), lastPlace, mark ?? null);
}
