import type { Sha256 } from "../base/index.ts";
import { type Clock, type FileTree, FileTreeError, type Random } from "../ports/index.ts";
import { isControlRecord, KeyHistory } from "./control/key-history.ts";
import { ensureSigner } from "./keys.ts";
import { readLastSigned } from "./ledger/last-signed.ts";
import { RecordStore } from "./ledger/record-store.ts";
import { isGivenUp, type Restores } from "./ledger/restored.ts";
import { TreeStore } from "./ledger/tree-store.ts";
import { LedgerError } from "./ledger.ts";
import {
  asLedgerError,
  checkTables,
  configure,
  isBusy,
  isUnmade,
  type LedgerDatabase,
  makeTables,
  openDatabase,
  upgradeTables,
} from "./ledger-database.ts";
import { otherPins, type Pin, type PinRead, pinProblem, readPin, writePin } from "./pin.ts";
import type { GenesisBody, RecordFrame } from "./record.ts";
import { encodeRecord, leafHash, NO_RECORD, parseRecord, RecordError, type RecordPlace } from "./record-codec.ts";
import { type GroupWindow, SqliteLedger } from "./sqlite-ledger.ts";

export interface OpenLedgerOptions {
  /** Absolute. The ledger is `ledger.db` in it, its keys are in `keys/`, its pin is `pin`. */
  readonly stateHome: string;
  /** Where a second pin is kept, in `pins/`; absent: nowhere. */
  readonly cacheHome?: string | undefined;
  readonly files: FileTree;
  readonly clock: Clock;
  readonly random: Random;
  /** What genesis calls the cluster and this machine; used once, when the ledger is made. */
  readonly cluster?: string;
  readonly rnode?: string;
  /** `false`: only if there is one (`LEDGER_ABSENT`). */
  readonly create?: boolean;
  /** Opens it although it is not what is remembered: for a root key to give that up (`restore`). Nothing else may be done. */
  readonly rolledBack?: boolean;
  readonly window?: GroupWindow;
}

/** Records looked at when a ledger is opened; `verifyLedger` looks at all. */
const HEAD_RECORDS = 4;

/**
 * Opens the ledger of a state home, or makes it with its keys. Only its head is checked here, so that opening stays within
 * milliseconds. A ledger that is not as it should be is refused and left as it is.
 *
 * @throws {LedgerError} @throws {KeyError}
 */
export async function openLedger(options: OpenLedgerOptions): Promise<SqliteLedger> {
  const { stateHome, files, clock, create = true } = options;
  const path = `${stateHome}/ledger.db`;
  // Before the ledger: it may grow in between, and a pin read afterwards would seem to be ahead of it.
  const pin = readPin(files, stateHome);
  const signed = readLastSigned(files, stateHome);
  const sizeBytes = files.stat(path)?.sizeBytes;
  const exists = sizeBytes !== undefined;
  const memory = pin.state === "present" ? pin.pin : signed.state === "present" ? signed.head : undefined;
  if (!exists && memory !== undefined) throw lost(path, stateHome, memory);
  if (!exists && !create) throw new LedgerError("LEDGER_ABSENT", `there is no ledger in ${stateHome}`);
  if (!exists) makeHome(files, stateHome);
  // SQLite takes a file of less than a header for an empty one, and would write over it.
  if (sizeBytes !== undefined && sizeBytes > 0 && sizeBytes < 100) {
    throw new LedgerError("LEDGER_UNREADABLE", `ledger ${path} has ${sizeBytes} bytes; a database has at least 100`);
  }
  const database = await openDatabase(path, !create);
  try {
    if (isUnmade(database)) {
      if (memory !== undefined) throw lost(path, stateHome, memory);
      if (!create) throw new LedgerError("LEDGER_ABSENT", `there is no ledger in ${stateHome}`);
      await whenFree(clock, () => makeLedger(database, options));
    }
    await whenFree(clock, () => upgradeTables(database, path, () => fillTree(database, path)));
    checkTables(database, path);
    await whenFree(clock, () => configure(database));
    const { identity, origin } = checkHead(database, path, pin, options);
    // From here on waiting is done without stopping the build.
    database.pragma("busy_timeout = 50");
    const window = options.window ?? { ms: 10, records: 256 };
    return new SqliteLedger({
      database,
      path,
      stateHome,
      cacheHome: options.cacheHome,
      identity,
      origin,
      files,
      clock,
      window,
    });
  } catch (error) {
    database.close();
    throw asLedgerError(error, path);
  }
}

function lost(path: string, stateHome: string, memory: { readonly size: number }): LedgerError {
  const message = `ledger ${path} is gone; ${memory.size} records of it are remembered in ${stateHome}`;
  return new LedgerError("LEDGER_ROLLED_BACK", message, {
    hint: `if it was removed on purpose, remove pin, last-signed and keys in ${stateHome} too, and a new ledger is begun`,
  });
}

function makeHome(files: FileTree, stateHome: string): void {
  try {
    files.makeDirectory(stateHome, 0o700);
  } catch (cause) {
    if (!(cause instanceof FileTreeError)) throw cause;
    const code = cause.code === "FILE_SYSTEM_FULL" ? "LEDGER_FULL_DISK" : "LEDGER_NOT_WRITABLE";
    throw new LedgerError(code, `cannot make the state home ${stateHome}`, {
      cause,
      hint: "set BEGAT_STATE_HOME to a directory begat may write to",
    });
  }
}

/** Switching to the write-ahead log does not wait for others by itself, whatever time-out is set. */
async function whenFree(clock: Clock, attempt: () => void): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      attempt();
      return;
    } catch (error) {
      if (!isBusy(error) || tries === 200) throw error;
      await clock.sleep(25);
    }
  }
}

/** Tables and genesis in one transaction: whatever interrupts it, there is a whole ledger or none. */
function makeLedger(database: LedgerDatabase, options: OpenLedgerOptions): void {
  const { stateHome, files, clock, random, cluster = "local", rnode = "local" } = options;
  configure(database);
  database.exec("BEGIN IMMEDIATE");
  try {
    // Another process may have been quicker.
    if (!isUnmade(database)) {
      database.exec("ROLLBACK");
      return;
    }
    const root = ensureSigner(files, random, stateHome, "root");
    const log = ensureSigner(files, random, stateHome, "log");
    const own = ensureSigner(files, random, stateHome, "rnode", rnode);
    const origin = `local.begat.invalid/ledger/${Buffer.from(random.bytes(8)).toString("hex")}`;
    const genesis: GenesisBody = {
      kind: "genesis",
      cluster,
      keys: [root.entry, log.entry, own.entry],
      policy: "one machine; keys made at first use",
    };
    const { bytes, leaf } = encodeRecord(genesis, { log: origin, seq: 0, prev: NO_RECORD, atMs: clock.nowMs() });
    makeTables(database);
    database.prepare("INSERT INTO record (seq, bytes, leaf) VALUES (0, ?, ?)").run(bytes, Buffer.from(leaf, "hex"));
    database.exec("COMMIT");
    // Durable, because that also syncs the directory in which the ledger's own name stands: a pin must not outlive it.
    writePin(files, stateHome, { ledger: leaf, log: origin, size: 1, root: leaf }, true);
  } catch (error) {
    if (database.inTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

interface Row {
  readonly seq: number;
  readonly bytes: Buffer;
  readonly leaf: Buffer;
}

/** What the second version of the file keeps and the first did not; no control records were known then. */
function fillTree(database: LedgerDatabase, path: string): void {
  const size = database.prepare("SELECT max(seq) + 1 FROM record").pluck().get() as number | null;
  new TreeStore(database, path).complete(0, size ?? 0);
}

/** Genesis, the newest records, and whatever is remembered outside the ledger. */
function checkHead(
  database: LedgerDatabase,
  path: string,
  pin: PinRead,
  options: OpenLedgerOptions,
): { identity: Sha256; origin: string } {
  const tampered = (what: string) => new LedgerError("LEDGER_TAMPERED", `ledger ${path}: ${what}`);
  const first = database.prepare("SELECT seq, bytes, leaf FROM record WHERE seq = 0").get() as Row | undefined;
  if (first === undefined) throw tampered("record 0 is missing");
  const genesis = parsed(first, tampered);
  const pins = remembered(options, pin, first);
  const signed = database.prepare("SELECT size, root FROM checkpoint ORDER BY size DESC LIMIT 1").get();
  // The newest records last: whatever is remembered may speak of records appended a moment ago.
  const newest = database.prepare("SELECT seq, bytes, leaf FROM record ORDER BY seq DESC LIMIT ?").all(HEAD_RECORDS);
  const rows = (newest as Row[]).reverse();
  if (genesis.kind !== "genesis") throw tampered(`record 0 is of kind ${genesis.kind}, not genesis`);
  let before: Row | undefined;
  for (const row of rows) {
    const place = { log: genesis.log, seq: row.seq, prev: before?.leaf.toString("hex") as Sha256 | undefined };
    const record = parsed(row, tampered, place);
    if (record.seq !== row.seq || record.log !== genesis.log) throw tampered(`record ${row.seq} is from elsewhere`);
    const follows = before !== undefined && before.seq + 1 === row.seq;
    if (before !== undefined && (!follows || record.prev !== before.leaf.toString("hex"))) {
      throw tampered(`record ${row.seq} does not follow record ${before.seq}`);
    }
    before = row;
  }
  const identity = first.leaf.toString("hex") as Sha256;
  const leafOf = database.prepare("SELECT leaf FROM record WHERE seq = ?").pluck();
  const tree = new TreeStore(database, path);
  const size = (rows[rows.length - 1] as Row).seq + 1;
  const roots = new Map<number, Sha256>();
  const root = (at: number): Sha256 => {
    const known = roots.get(at) ?? tree.root(at);
    roots.set(at, known);
    return known;
  };
  const leaf = (seq: number) => (leafOf.get(seq) as Buffer | undefined)?.toString("hex") as Sha256 | undefined;
  // First: a ledger put back as it once was knows of no size beyond its end, so that one that does was cut.
  if (signed !== undefined) {
    const { size: at, root: bytes } = signed as { readonly size: number; readonly root: Buffer };
    if (at > size) throw tampered(`it has ${size} records, and a checkpoint of ${at}`);
    if (root(at) !== bytes.toString("hex")) throw tampered(`its root at ${at} records is not the one that was signed`);
  }
  for (const { pin, where } of pins) {
    const problem = pinProblem(pin, { identity, size }, { leaf, root });
    if (problem === undefined) continue;
    if (pin.ledger === identity && (options.rolledBack === true || isGivenUp(pin, restoresOf(database, path, genesis))))
      continue;
    throw new LedgerError("LEDGER_ROLLED_BACK", `ledger ${path} was rolled back or replaced: ${problem} (${where})`, {
      hint:
        pin.ledger === identity ? "if a backup was put back on purpose: begat ledger restore --reason TEXT" : undefined,
    });
  }
  return { identity, origin: genesis.log };
}

/** What root keys gave up; looked at only where something is contradicted. */
function restoresOf(database: LedgerDatabase, path: string, genesis: GenesisBody & RecordFrame): Restores {
  const records = new RecordStore(database, path, genesis.log);
  const controls = records.controls().flatMap((seq) => {
    const record = records.record(seq);
    return record !== undefined && isControlRecord(record) ? [record] : [];
  });
  return new KeyHistory(genesis, controls).restores;
}

/** Every memory of the ledger that begins with `first`, and where it is kept. A broken one is for `verifyLedger` to report. */
function remembered(
  options: OpenLedgerOptions,
  pin: PinRead,
  first: Row,
): { readonly pin: Pin; readonly where: string }[] {
  const { files, stateHome, cacheHome } = options;
  const identity = first.leaf.toString("hex") as Sha256;
  const pins = pin.state === "present" ? [{ pin: pin.pin, where: `${stateHome}/pin` }] : [];
  for (const { path, read } of otherPins(files, stateHome, cacheHome, identity)) {
    if (read.state === "present") pins.push({ pin: read.pin, where: path });
  }
  const signed = readLastSigned(files, stateHome);
  if (signed.state === "present") pins.push({ pin: { log: "", ...signed.head }, where: `${stateHome}/last-signed` });
  return pins;
}

function parsed(
  row: Row,
  tampered: (what: string) => LedgerError,
  place?: RecordPlace,
): ReturnType<typeof parseRecord> {
  if (!Buffer.isBuffer(row.bytes) || !Buffer.isBuffer(row.leaf))
    throw tampered(`record ${row.seq} is not made of bytes`);
  if (leafHash(row.bytes) !== row.leaf.toString("hex"))
    throw tampered(`record ${row.seq} does not match its leaf hash`);
  try {
    return parseRecord(row.bytes, place);
  } catch (cause) {
    if (cause instanceof RecordError && cause.code.startsWith("RECORD_UNKNOWN")) {
      throw new LedgerError("LEDGER_FOREIGN", `the ledger was continued by a later begat (record ${row.seq})`, {
        cause,
      });
    }
    throw new LedgerError("LEDGER_TAMPERED", tampered(`record ${row.seq} cannot be read`).message, { cause });
  }
}
