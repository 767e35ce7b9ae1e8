import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { beforeAll, describe, expect, test } from "vitest";
import type { Sha256 } from "../../../src/base/index.ts";
import {
  checkpointOfNote,
  compareCheckpoint,
  encodeRecord,
  ForkProofError,
  formatForkProof,
  judgeForkProof,
  type LedgerVerdict,
  leafHash,
  loadSigner,
  parseForkProof,
  parseRecord,
  type RecordBody,
  type Signer,
  secondPinPath,
  signCheckpoint,
  signExecution,
  signerFromSeed,
} from "../../../src/provenance/index.ts";
import { TreeStore } from "../../../src/provenance/ledger/tree-store.ts";
import { sketchChore } from "../../support/recorded-chore.ts";
import { files, open, verify } from "../state-home.ts";
import { copyOf, forget, ingest, type KeptLedger, keptLedger, verifiersOf } from "./kept-ledger.ts";

let kept: KeptLedger;
/** Bytes of its records, and its name. */
let genuine: Buffer[];
let log: string;
beforeAll(async () => {
  kept = await keptLedger();
  const database = new Database(join(kept.home, "ledger.db"), { readonly: true });
  genuine = database.prepare("SELECT bytes FROM record ORDER BY seq").pluck().all() as Buffer[];
  database.close();
  log = parseRecord(genuine[0]!).log;
});

interface Home {
  readonly home: string;
  readonly cacheHome: string;
}

/** Changes a ledger's file as whoever may write it can: its triggers are put back afterwards, to the letter. */
function rewrite({ home }: Home, change: (database: Database.Database) => void): void {
  const database = new Database(join(home, "ledger.db"));
  const triggers = database.prepare("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").all() as {
    name: string;
    sql: string;
  }[];
  for (const { name } of triggers) database.exec(`DROP TRIGGER ${name}`);
  change(database);
  for (const { sql } of triggers) database.exec(sql);
  database.close();
}

/** Puts `records` in place of all there are, each with the leaf hash it has. */
function putRecords(database: Database.Database, records: readonly Buffer[]): void {
  database.exec("DELETE FROM record");
  const insert = database.prepare("INSERT INTO record VALUES (?, ?, ?)");
  for (const [seq, bytes] of records.entries()) insert.run(seq, bytes, Buffer.from(leafHash(bytes), "hex"));
}

/** What was signed or accounted for beyond `size` records is taken away with them. */
const forgetBeyond = (database: Database.Database, size: number): void => {
  database.exec(`DELETE FROM checkpoint WHERE size > ${size}; DELETE FROM cosignature WHERE size > ${size}`);
  database.exec(`DELETE FROM control WHERE seq >= ${size}`);
};

/** The first `keep` records, and others linked to them. */
function rechained(keep: number, bodies: readonly RecordBody[]): Buffer[] {
  const records = genuine.slice(0, keep);
  for (const body of bodies) {
    const prev = leafHash(records[records.length - 1]!);
    records.push(encodeRecord(body, { log, seq: records.length, prev, atMs: 1_767_225_600_000 }).bytes);
  }
  return records;
}

/** Signs the size a ledger has, with a log key: what whoever stole it can do. */
function signWith(database: Database.Database, signer: Signer): void {
  const size = database.prepare("SELECT max(seq) + 1 FROM record").pluck().get() as number;
  const root = new TreeStore(database, "ledger.db").root(size);
  const { note } = signCheckpoint(log, size, root, [signer]);
  database
    .prepare("INSERT INTO checkpoint VALUES (?, ?, ?, '2026-01-01T00:00:00.000Z')")
    .run(size, Buffer.from(root, "hex"), note);
}

const evil = signerFromSeed(Buffer.alloc(32, 66), "rnode");
const stolen = (role: "log" | "rnode"): Signer => loadSigner(files, kept.home, role);

/** A whole build whose one execution `signer` signed. */
function forgedBuild(signer: Signer, at: number): RecordBody[] {
  const chore = sketchChore({ inputs: { "a.c": "int a;\n" }, env: {}, outputs: { "obj/a.o": "poison\n" } });
  const n = { exec: 1, hit: 0, fail: 0, skip: 0, settled: 0 };
  return [
    {
      kind: "build.begin",
      build: "b9",
      goal: ["all"],
      plan: { n: 1, root: "0".repeat(64) as Sha256 },
      vars: {},
      who: "x",
    },
    signExecution({ ...chore.facts, build: "b9" }, chore.listing, log, signer),
    { kind: "build.end", build: "b9", begin: at, n, outcome: "ok", artifacts: [] },
  ];
}

type Attack = readonly [what: string, change: (home: Home) => void];

const inDatabase = (what: string, change: (database: Database.Database) => void): Attack => [
  what,
  (home) => rewrite(home, change),
];

function* moved(): IterableIterator<Attack> {
  for (let seq = 0; seq < genuine.length; seq++) {
    yield inDatabase(`record ${seq} taken out`, (database) => database.exec(`DELETE FROM record WHERE seq = ${seq}`));
    const others: readonly (readonly [string, Buffer[]])[] = [
      ["taken out, the others moved up", genuine.filter((_, i) => i !== seq)],
      ["put in twice", genuine.toSpliced(seq, 0, genuine[seq]!)],
      ["swapped with the next", genuine.toSpliced(seq, 2, genuine[seq + 1] ?? genuine[0]!, genuine[seq]!)],
      ["after one of another ledger", genuine.toSpliced(seq, 0, foreign(seq))],
      ["in place of another", genuine.with(seq, foreign(seq))],
    ];
    for (const [what, records] of others) {
      yield inDatabase(`record ${seq} ${what}`, (database) => putRecords(database, records));
    }
  }
}

/** What another ledger has at a place, linked as if it stood here. */
function foreign(seq: number): Buffer {
  const prev = seq === 0 ? ("0".repeat(64) as Sha256) : leafHash(genuine[seq - 1]!);
  return encodeRecord(ingest("elsewhere").body, { log: "elsewhere.test/1", seq, prev, atMs: 1 }).bytes;
}

function* rechainings(): IterableIterator<Attack> {
  for (let keep = 1; keep <= genuine.length; keep++) {
    const forged: readonly (readonly [string, RecordBody[]])[] = [
      ["without a key", [ingest("forged").body, ingest("more").body]],
      ["with the rnode key", forgedBuild(stolen("rnode"), keep)],
      ["with another rnode key", forgedBuild(evil, keep)],
    ];
    for (const [what, bodies] of forged) {
      const records = rechained(keep, bodies);
      yield inDatabase(`rewritten from ${keep} ${what}`, (database) => putRecords(database, records));
      yield inDatabase(`rewritten from ${keep} ${what}, checkpoints cut`, (database) => {
        putRecords(database, records);
        forgetBeyond(database, keep);
      });
      yield inDatabase(`rewritten from ${keep} ${what}, signed with that key`, (database) => {
        putRecords(database, records);
        forgetBeyond(database, keep);
        signWith(database, what === "with the rnode key" ? stolen("rnode") : evil);
      });
      yield inDatabase(`rewritten from ${keep} ${what}, signed with the stolen log key`, (database) => {
        putRecords(database, records);
        forgetBeyond(database, keep);
        signWith(database, stolen("log"));
      });
    }
    yield inDatabase(`cut to ${keep}`, (database) => {
      putRecords(database, genuine.slice(0, keep));
      forgetBeyond(database, keep);
    });
    yield inDatabase(`cut to ${keep}, checkpoints left`, (database) => putRecords(database, genuine.slice(0, keep)));
  }
}

/** A verdict that stands out: it does not hold, or it says that there are records nobody signed for. */
const tells = ({ exitCode, notes }: LedgerVerdict): boolean =>
  exitCode !== 0 || notes.some((note) => note.includes("not signed for"));

interface Seen {
  readonly what: string;
  readonly alone: LedgerVerdict;
  readonly withPins: LedgerVerdict;
}

async function campaign(attacks: Iterable<Attack>): Promise<Seen[]> {
  const seen: Seen[] = [];
  for (const [what, change] of attacks) {
    const home = copyOf(kept);
    change(home);
    const withPins = await verify(home.home, true, home.cacheHome);
    forget(home);
    seen.push({ what, withPins, alone: await verify(home.home, true, home.cacheHome) });
    rmSync(join(home.home, ".."), { recursive: true, force: true });
  }
  return seen;
}

describe("a ledger whose file was rewritten by its rules", () => {
  test("records taken out, doubled, swapped or put in: tampered, with nothing remembered", async () => {
    const seen = await campaign(moved());
    expect(seen.filter(({ alone, withPins }) => !tells(alone) || !tells(withPins))).toEqual([]);
    expect(seen.length).toBe(6 * genuine.length);
  }, 300_000);

  test("rewritten from each record with each key, or cut: undetected is what no ledger can tell alone, and by a pin nothing", async () => {
    const seen = await campaign(rechainings());
    const untouched = `cut to ${genuine.length}`;
    // All that a verifier without memory can be told: an earlier state that was signed for, and whatever the log key signs,
    // as long as the executions in it are signed by a key that counts. Genesis vouches for itself: its hash is the identity.
    const expected = seen
      .map(({ what }) => what)
      .filter((what) => {
        const cut = /^cut to (\d+)(, checkpoints left)?$/.exec(what);
        if (cut?.[1] !== undefined) {
          const size = Number(cut[1]);
          return size === genuine.length || (cut[2] === undefined && (size === 1 || kept.snapshots.has(size)));
        }
        return what.endsWith("signed with the stolen log key") && !what.includes("another rnode key");
      });
    expect(seen.filter(({ alone }) => !tells(alone)).map(({ what }) => what)).toEqual(expected);
    // With pins: nothing but what goes on from what is remembered, signed with the key that signs for the ledger.
    const continued = (what: string) => what.startsWith(`rewritten from ${genuine.length} `) && expected.includes(what);
    const passed = seen.filter(({ withPins }) => !tells(withPins)).map(({ what }) => what);
    expect(passed.filter((what) => !what.startsWith(untouched) && !continued(what))).toEqual([]);
    for (const { what, withPins } of seen) {
      if (/^(cut|rewritten)/.test(what) && expected.includes(what) && !passed.includes(what)) {
        expect([what, withPins.verdict, withPins.exitCode]).toEqual([what, "rolled back", 4]);
      }
    }
    expect(seen.length).toBe(14 * genuine.length);
  }, 300_000);
});

describe("a directory that is rolled back", () => {
  const parts = {
    database: ({ home }: Home) => [join(home, "ledger.db")],
    pin: ({ home }: Home) => [join(home, "pin")],
    "last-signed": ({ home }: Home) => [join(home, "last-signed")],
    "second pin": ({ cacheHome }: Home) => [secondPinPath(cacheHome, kept.identity)],
    "pins from elsewhere": ({ home }: Home) => [join(home, "pins")],
  };
  const names = Object.keys(parts) as (keyof typeof parts)[];

  test("whole or in part, to each size that was signed: found out by whatever was not", async () => {
    for (const [size, snapshot] of kept.snapshots) {
      if (size === genuine.length) continue;
      const old: Home = { home: join(snapshot, "state"), cacheHome: join(snapshot, "cache") };
      for (let mask = 0; mask < 2 ** names.length; mask++) {
        const rolled = names.filter((_, i) => (mask & (2 ** i)) > 0);
        const home = copyOf(kept);
        for (const name of rolled) {
          for (const [i, path] of parts[name](home).entries()) {
            rmSync(path, { recursive: true, force: true });
            const from = parts[name](old)[i]!;
            if (files.lstat(from) !== undefined) cpSync(from, path, { recursive: true });
          }
        }
        const { exitCode } = await verify(home.home, false, home.cacheHome);
        // What remembers less is still true of the ledger; the other way round it is not. A pin from elsewhere that is no
        // older than the snapshot contradicts nothing either.
        const remembering = names.filter((name) => !rolled.includes(name) && name !== "database");
        const newer = remembering.filter((name) => name !== "pins from elsewhere" || size < 5);
        const found = rolled.includes("database") && newer.length > 0;
        expect([size, rolled, exitCode]).toEqual([size, rolled, found ? 4 : 0]);
        rmSync(join(home.home, ".."), { recursive: true, force: true });
      }
    }
  }, 300_000);
});

describe("two histories signed with one key", () => {
  test("are told apart by either, and anybody can see it from the proof alone", async () => {
    const [ours, theirs] = [copyOf(kept), copyOf(kept)];
    const notes: string[] = [];
    for (const [home, names] of [
      [ours, ["ours"]],
      [theirs, ["theirs", "more"]],
    ] as const) {
      const ledger = await open(home.home, { cacheHome: home.cacheHome });
      for (const name of names) {
        await ledger.append([ingest(name)]);
        notes.push((await ledger.checkpoint()).note);
      }
      ledger.close();
    }
    const [own, , longer] = notes as [string, string, string];
    const ledger = await open(theirs.home, { cacheHome: theirs.cacheHome });
    const found = compareCheckpoint(ledger, own, verifiersOf(ledger), await ledger.checkpoint());
    expect(found).toMatchObject({ relation: "forked", size: 8, own: ledger.root(8) });
    const proof = found.relation === "forked" ? found.proof : undefined;
    const text = formatForkProof(proof!);
    // A third party has the file and nothing else.
    expect(judgeForkProof(parseForkProof(text))).toMatchObject({ ledger: kept.identity, log, sizes: [8, 9] });
    expect(compareCheckpoint(ledger, longer, verifiersOf(ledger), undefined)).toMatchObject({ relation: "agrees" });

    for (let at = 0; at < text.length; at++) {
      const other = `${text.slice(0, at)}${text[at] === "A" ? "B" : "A"}${text.slice(at + 1)}`;
      expect(forked(other), `character ${at}`).toBe(false);
    }
    const { size, root } = checkpointOfNote(own);
    const honest = { ...proof!, one: longer, other: longer, root: Buffer.from(ledger.root(9), "hex"), path: [] };
    expect([size, root === found.root]).toEqual([8, true]);
    expect(judgeForkProof(honest)).toMatchObject({ because: expect.stringContaining("no fork") });
  }, 300_000);
});

function forked(text: string): boolean {
  try {
    return !("because" in judgeForkProof(parseForkProof(text)));
  } catch (error) {
    if (!(error instanceof ForkProofError)) throw error;
    return false;
  }
}
