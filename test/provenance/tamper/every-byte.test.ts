import { createPublicKey } from "node:crypto";
import { cpSync, type Dirent, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Sha256, sha256 } from "../../../src/base/index.ts";
import {
  type KeyHistory,
  keyFileProblems,
  lastSignedPath,
  leafHash,
  readKeyHistory,
  readLastSigned,
  readPinFile,
  TreeCheck,
  verifyLedger,
  verifyTiles,
} from "../../../src/provenance/index.ts";
import { checkTables } from "../../../src/provenance/ledger-database.ts";
import { MemoryLedger } from "../../support/memory-ledger.ts";
import { listAction } from "../../support/recorded-chore.ts";
import { files, newStateHome, open, verify } from "../state-home.ts";
import { copyOf, forget, type KeptLedger, keptLedger, pinFiles, putDatabase } from "./kept-ledger.ts";

interface Row {
  readonly seq: number;
  readonly bytes: unknown;
  readonly leaf: unknown;
}

/** All that begat ever reads of a ledger's file, the ways it reads it. */
interface Contents {
  readonly size: unknown;
  readonly rows: readonly Row[];
  /** The same rows, each looked up by its number. */
  readonly found: readonly unknown[];
  readonly manifests: readonly (readonly [hash: string, bytes: unknown])[];
  readonly checkpoints: readonly { readonly size: unknown; readonly root: unknown; readonly note: unknown }[];
  readonly newest: unknown;
  readonly lines: readonly unknown[];
  readonly subtrees: readonly unknown[];
  readonly controls: readonly unknown[];
}

function contentsOf(database: Database.Database, hashes: readonly string[], sizes: readonly number[]): Contents {
  const all = (sql: string, ...values: unknown[]) => database.prepare(sql).all(...values);
  const rows = all("SELECT seq, bytes, leaf FROM record WHERE seq >= 0 AND seq < 99 ORDER BY seq") as Row[];
  const one = database.prepare("SELECT seq, bytes, leaf FROM record WHERE seq = ?");
  const manifest = database.prepare("SELECT bytes FROM manifest WHERE hash = ?").pluck();
  const lines = database.prepare("SELECT line FROM cosignature WHERE size = ? ORDER BY line").pluck();
  return {
    size: database.prepare("SELECT max(seq) + 1 FROM record").pluck().get(),
    rows,
    found: Array.from({ length: 10 }, (_, seq) => one.get(seq)),
    manifests: hashes.map((hash) => [hash, manifest.get(Buffer.from(hash, "hex"))] as const),
    checkpoints: all("SELECT size, root, note FROM checkpoint ORDER BY size") as Contents["checkpoints"],
    newest: database.prepare("SELECT size, root, note FROM checkpoint ORDER BY size DESC LIMIT 1").get(),
    lines: sizes.map((size) => lines.all(size)),
    subtrees: all("SELECT level, n, hash FROM subtree ORDER BY level, n"),
    controls: database.prepare("SELECT seq FROM control ORDER BY seq").pluck().all(),
  };
}

/** SQLite reads a copy in memory; such a one has no write-ahead log, which two bytes of its header say. */
function opened(bytes: Buffer): Database.Database {
  const [write, read] = [bytes[18], bytes[19]];
  if (write === 2 && read === 2) bytes.fill(1, 18, 20);
  try {
    return new Database(bytes);
  } finally {
    if (write === 2 && read === 2) bytes.fill(2, 18, 20);
  }
}

let kept: KeptLedger;
let whole: Buffer;
let truth: Contents;
let hashes: string[];
let history: KeyHistory;
let scratch: string;
beforeEach(() => {
  scratch = newStateHome();
});
const sizes = [4, 5, 6, 7];

/** Equal in type and content; many thousand times, so nothing is copied for it. */
function equal(a: unknown, b: unknown): boolean {
  if (Buffer.isBuffer(a)) return Buffer.isBuffer(b) && a.equals(b);
  if (typeof a !== "object" || a === null) return a === b;
  if (typeof b !== "object" || b === null || Buffer.isBuffer(b)) return false;
  const [left, right] = [Object.entries(a), b as { readonly [name: string]: unknown }];
  return left.length === Object.keys(b).length && left.every(([name, value]) => equal(value, right[name]));
}

beforeAll(async () => {
  kept = await keptLedger();
  whole = readFileSync(join(kept.home, "ledger.db"));
  const database = opened(whole);
  hashes = database.prepare("SELECT lower(hex(hash)) FROM manifest").pluck().all() as string[];
  truth = contentsOf(database, hashes, sizes);
  database.close();
  history = readKeyHistory(ledgerOf(truth));
});

/** What a changed file holds; a text where SQLite, or begat's look at its tables, refuses it. */
function read(bytes: Buffer): Contents | string {
  let database: Database.Database | undefined;
  try {
    database = opened(bytes);
    checkTables(database, "ledger.db");
    return contentsOf(database, hashes, sizes);
  } catch (error) {
    return (error as Error).message;
  } finally {
    database?.close();
  }
}

const hexOf = (bytes: unknown): Sha256 => (bytes as Buffer).toString("hex") as Sha256;

function ledgerOf(contents: Contents): MemoryLedger {
  const genesis = JSON.parse(String(truth.rows[0]!.bytes)) as { log: string };
  const ledger = new MemoryLedger(undefined, genesis.log);
  (ledger as { identity: Sha256 }).identity = hexOf(contents.rows[0]!.leaf);
  const rows = contents.rows.map(({ bytes, leaf }) => ({ bytes: bytes as Buffer, leaf: hexOf(leaf) }));
  ledger.rows.splice(0, 1, ...rows);
  for (const [hash, bytes] of contents.manifests) {
    if (bytes !== undefined) ledger.manifests.set(hash as Sha256, bytes as Buffer);
  }
  ledger.controlSeqs = () => contents.controls as number[];
  ledger.signed.push(...checkpointsOf(contents));
  return ledger;
}

const checkpointsOf = (contents: Contents) =>
  contents.checkpoints.map(({ size, root, note }, i) => ({
    size: size as number,
    root: hexOf(root),
    note: `${note as string}${(contents.lines[i] as string[]).join("")}`,
  }));

const signedPart = ({ checkpoints, newest, lines }: Contents) => ({ checkpoints, newest, lines });

/** Where the records are what they were: the part of the verdict that is about what was signed, of the sizes that changed. */
function judgeCheckpoints(contents: Contents): { readonly exitCode: number; readonly witnessed: boolean } {
  const genuine = checkpointsOf(truth);
  const checkpoints = checkpointsOf(contents).filter((checkpoint, i) => !equal(checkpoint, genuine[i]));
  const check = new TreeCheck({ checkpoints, pins: [], lastSigned: { state: "absent" } });
  for (const { leaf } of contents.rows) check.enter(hexOf(leaf));
  let exitCode = 0;
  check.checkpoints(history.log, history, () => {
    exitCode = 3;
  });
  return { exitCode, witnessed: check.witnessed() };
}

/** The verdict on contents without the file around them; what begat reads is all that it depends on. */
async function judge(contents: Contents): Promise<{ readonly exitCode: number; readonly witnessed: boolean }> {
  const { manifests } = contents;
  if (equal({ ...truth, ...signedPart(contents) }, contents)) return judgeCheckpoints(contents);
  const memory = { pins: [], lastSigned: { state: "absent" as const } };
  const signatures = !equal(manifests, truth.manifests);
  return verifyLedger(ledgerOf(contents), { signatures, lister: listAction, memory });
}

/** Whether both have the same rows, and every column of them the same type and, of bytes, length: some bytes differ, no more. */
function sameShape(a: unknown, b: unknown): boolean {
  if (Buffer.isBuffer(a)) return Buffer.isBuffer(b) && a.length === b.length;
  if (typeof a === "string") return typeof b === "string";
  if (typeof a !== "object" || a === null) return a === b;
  if (typeof b !== "object" || b === null || Buffer.isBuffer(b)) return false;
  const [left, right] = [Object.entries(a), b as { readonly [name: string]: unknown }];
  return left.length === Object.keys(b).length && left.every(([name, value]) => sameShape(value, right[name]));
}

/**
 * The one thing that is wrong, where a record or manifest no longer fits the hash it is kept under: the verdict on one such
 * byte of it is the verdict on each. `undefined` where something else was changed.
 */
function brokenHash(contents: Contents): string | undefined {
  for (const { seq, bytes, leaf } of contents.rows) {
    if (leafHash(bytes as Buffer) !== (leaf as Buffer).toString("hex")) return `record ${seq}`;
  }
  for (const [hash, bytes] of contents.manifests) if (sha256(bytes as Buffer) !== hash) return `manifest ${hash}`;
  return undefined;
}

describe("ledger.db, with nothing remembered of it anywhere", () => {
  test("each byte flipped: refused, found out, or not a word of what begat reads is another", async () => {
    const home = copyOf(kept);
    forget(home);
    const counts = { refused: 0, same: 0, found: 0, unwitnessed: 0, foundInFile: 0 };
    const judged = new Set<string>();
    const bytes = Buffer.from(whole);
    for (let at = 0; at < bytes.length; at++) {
      const before = bytes[at]!;
      bytes[at] = before ^ (1 << (at % 8));
      const contents = read(bytes);
      if (typeof contents === "string") counts.refused++;
      else if (equal(contents, truth)) counts.same++;
      else if (sameShape(contents, truth) && equal(contents.rows, contents.found.slice(0, contents.rows.length))) {
        const broken = brokenHash(contents);
        const known = broken !== undefined && judged.has(broken);
        const { exitCode, witnessed } = known ? { exitCode: 3, witnessed: true } : await judge(contents);
        if (broken !== undefined) judged.add(broken);
        // A witness's line may always be taken away; then the ledger says that it has none.
        const lessSaid = !witnessed && equal({ ...contents, lines: truth.lines }, truth);
        if (exitCode === 0) expect(lessSaid, `byte ${at}`).toBe(true);
        counts[exitCode === 0 ? "unwitnessed" : "found"]++;
      } else {
        putDatabase(home.home, bytes);
        expect((await verify(home.home, false)).exitCode, `byte ${at}`).not.toBe(0);
        counts.foundInFile++;
      }
      bytes[at] = before;
    }
    expect(Object.values(counts).reduce((sum, count) => sum + count)).toBe(whole.length);
    expect(judged.size).toBe(truth.rows.length + hashes.length);
    for (const [kind, count] of Object.entries(counts)) expect([kind, count > 10]).toEqual([kind, true]);
  }, 300_000);

  test("cut off at each byte: refused, or found out", async () => {
    const home = copyOf(kept);
    forget(home);
    let looked = 0;
    for (let length = 0; length < whole.length; length++) {
      // Less than a header is none at all: that is not left to SQLite.
      const contents = length < 100 ? undefined : read(Buffer.from(whole.subarray(0, length)));
      if (typeof contents === "string") continue;
      // What SQLite makes of the last page without its end is a page with zeros there.
      if (contents !== undefined && equal(contents, truth)) continue;
      if (contents === undefined && length % 16 > 0) continue;
      putDatabase(home.home, whole.subarray(0, length));
      expect((await verify(home.home, false)).exitCode, `${length} bytes`).not.toBe(0);
      looked++;
    }
    expect(looked).toBeGreaterThan(6);
  }, 300_000);
});

describe("what is remembered of it", () => {
  /** What the whole ledger's verdict takes from one of its pins, with other bytes in its place. */
  function verdictWith(path: string, bytes: Buffer): readonly string[] {
    const [place, home] = [join(scratch, "pin"), scratch];
    const isHead = path === lastSignedPath(kept.home);
    writeFileSync(isHead ? lastSignedPath(home) : place, bytes);
    const check = new TreeCheck({
      checkpoints: [],
      pins: isHead ? [] : [{ path, read: readPinFile(files, place), imported: false }],
      lastSigned: isHead ? readLastSigned(files, home) : { state: "absent" },
    });
    for (const { leaf } of truth.rows) check.enter(hexOf(leaf));
    const verdicts: string[] = [];
    const ledger = { identity: kept.identity, origin: history.log, size: truth.rows.length };
    check.memory(ledger, history, (verdict) => verdicts.push(verdict));
    return verdicts;
  }

  function* changed(good: Buffer): IterableIterator<readonly [string, Buffer]> {
    for (let at = 0; at < good.length; at++) {
      const other = Buffer.from(good);
      other[at] = good[at]! ^ (1 << (at % 7));
      yield [`byte ${at} flipped`, other];
    }
    for (let length = 0; length < good.length; length += length < 8 || length > good.length - 8 ? 1 : 16) {
      yield [`cut to ${length}`, good.subarray(0, length)];
    }
    yield ["a line end added", Buffer.concat([good, Buffer.from("\n")])];
  }

  test("each byte of each pin flipped, and each cut: no longer a pin, or one that the ledger contradicts", () => {
    let cases = 0;
    for (const path of pinFiles(kept)) {
      const good = readFileSync(path);
      expect(verdictWith(path, good)).toEqual([]);
      for (const [what, bytes] of changed(good)) {
        expect(verdictWith(path, bytes), `${path}: ${what}`).not.toEqual([]);
        cases++;
      }
    }
    expect(cases).toBeGreaterThan(1_500);
  }, 300_000);

  test("one pin in place of another, and one that is gone", async () => {
    for (const path of pinFiles(kept)) {
      const { home, cacheHome } = copyOf(kept);
      const moved = path.replace(kept.home, home).replace(kept.cacheHome, cacheHome);
      writeFileSync(moved, '{"v":2}');
      expect((await verify(home, false, cacheHome)).exitCode, path).toBe(5);
      // What remembers less says less; the ledger is what it was.
      rmSync(moved);
      expect((await verify(home, false, cacheHome)).exitCode, path).toBe(0);
    }
  });
});

describe("its tiles, with nothing beside them", () => {
  const none = () => [];

  test("hold, whoever has nothing else", () => {
    expect(verifyTiles(files, kept.tiles, none)).toMatchObject({
      exitCode: 0,
      identity: kept.identity,
      size: 7,
      executions: 1,
      checkpoints: 1,
      witnessed: true,
      findings: [],
    });
  });

  test("with a byte of any file flipped, a file cut or gone: found out, or less is said", () => {
    const copy = join(scratch, "tiles");
    cpSync(kept.tiles, copy, { recursive: true });
    const names = (readdirSync(copy, { recursive: true, withFileTypes: true }) as Dirent[]).filter((e) => e.isFile());
    expect(names).toHaveLength(3);
    let unwitnessed = 0;
    for (const { parentPath, name } of names) {
      const path = join(parentPath, name);
      const good = readFileSync(path);
      const starts = parentPath.includes("/entries/") ? entryStarts(good) : undefined;
      for (let at = 0; at < good.length; at++) {
        // Every byte of an entry goes into one hash: that one is found shows that each is. Its length is looked at whole.
        if (starts !== undefined && at % 128 > 0 && !starts.has(at) && !starts.has(at - 1)) continue;
        // So it is with the hashes of a tile, each compared whole.
        if (parentPath.endsWith("000.p") && starts === undefined && at % 16 > 0) continue;
        const other = Buffer.from(good);
        other[at] = good[at]! ^ (1 << (at % 7));
        writeFileSync(path, other);
        const verdict = verifyTiles(files, copy, none);
        if (verdict.exitCode === 0 && !verdict.witnessed) unwitnessed++;
        else expect([3, 5], `${path}, byte ${at}`).toContain(verdict.exitCode);
      }
      writeFileSync(path, good.subarray(0, good.length - 1));
      expect(verifyTiles(files, copy, none).exitCode).not.toBe(0);
      rmSync(path);
      expect(verifyTiles(files, copy, none).exitCode).toBe(5);
      writeFileSync(path, good);
    }
    // A witness's line with another name or key is one of somebody nobody knows.
    expect([unwitnessed > 0, unwitnessed < 40]).toEqual([true, true]);
    expect(verifyTiles(files, copy, none).exitCode).toBe(0);
  }, 300_000);

  test("that are not what this machine remembers: rolled back or forked", () => {
    const pin = { ledger: kept.identity, log: history.log, size: 6, root: sha256("another history") };
    const remembered = () => [{ path: "pin", read: { state: "present" as const, pin }, imported: false }];
    expect(verifyTiles(files, kept.tiles, remembered)).toMatchObject({ exitCode: 4 });
  });
});

/** Where the entries of a bundle begin. */
function entryStarts(bundle: Buffer): Set<number> {
  const starts = new Set<number>();
  for (let at = 0; at < bundle.length; at += 2 + bundle.readUInt16BE(at)) starts.add(at);
  return starts;
}

describe("the keys of this machine", () => {
  test("each byte of each key file flipped: the file is found out, or it is the same key", async () => {
    const { home } = copyOf(kept);
    const ledger = await open(home);
    const history = readKeyHistory(ledger);
    expect(keyFileProblems(files, home, history)).toEqual([]);
    let [found, same] = [0, 0];
    for (const name of ["log.key", "log.pub", "rnode.key", "rnode.pub", "root.key", "root.pub"]) {
      const path = join(home, "keys", name);
      const good = readFileSync(path);
      const key = keyIn(good);
      for (let at = 0; at < good.length; at++) {
        const other = Buffer.from(good);
        other[at] = good[at]! ^ (1 << (at % 7));
        writeFileSync(path, other);
        if (keyFileProblems(files, home, history).length > 0) found++;
        // Line ends and what stands around the text: the format lets several spellings be one key.
        else if (keyIn(other) === key) same++;
        else expect.fail(`${name}, byte ${at}`);
      }
      writeFileSync(path, good);
    }
    expect([found > 500, same < found / 5]).toEqual([true, true]);
  }, 300_000);
});

/** The public key that a file comes to. */
function keyIn(pem: Buffer): string {
  return createPublicKey(pem).export({ format: "der", type: "spki" }).toString("hex");
}
