import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type IngestBody, leafHash } from "../../src/provenance/index.ts";
import { newStateHome, open, smallLedger, verify } from "./state-home.ts";

const ingest = (name: string): { body: IngestBody; manifests: [] } => ({
  body: { kind: "ingest", name, uri: "url:x", version: "1", files: [], by: "test" },
  manifests: [],
});

const databaseOf = (home: string): string => join(home, "ledger.db");

/** Changes the file as somebody would who holds it. */
function tamper(home: string, sql: string): void {
  const database = new Database(databaseOf(home));
  database.exec(sql);
  database.close();
}

describe("opening", () => {
  test("makes a ledger, its keys and its pin; the second opening finds them", async () => {
    const home = join(newStateHome(), "deep", "er");
    const first = await open(home, { cluster: "shire", rnode: "frodo" });
    expect(first.record(0)).toMatchObject({
      kind: "genesis",
      cluster: "shire",
      keys: [{ role: "root" }, { role: "log" }, { role: "rnode", rnode: "frodo", id: first.signer().key }],
    });
    expect(first.origin).toMatch(/^local\.begat\.invalid\/ledger\/[0-9a-f]{16}$/);
    first.close();
    const second = await open(home);
    expect([second.identity, second.origin, second.size()]).toEqual([first.identity, first.origin, 1]);
    expect(statSync(home).mode & 0o777).toBe(0o700);
    second.close();
    expect(readdirSync(home).sort()).toEqual(["keys", "ledger.db", "pin"]);
  });

  test("keeps its word about the disk: write-ahead log, every commit synced", async () => {
    const home = newStateHome();
    (await open(home)).close();
    const database = new Database(databaseOf(home));
    expect(database.pragma("journal_mode", { simple: true })).toBe("wal");
    database.close();
  });

  test("where there is none, and none is to be made, says so and makes nothing", async () => {
    const home = newStateHome();
    await expect(open(home, { create: false })).rejects.toMatchObject({ code: "LEDGER_ABSENT" });
    await expect(open(join(home, "no"), { create: false })).rejects.toMatchObject({ code: "LEDGER_ABSENT" });
    expect(readdirSync(home)).toEqual([]);
  });

  test("finishes what a first opening left behind", async () => {
    const home = newStateHome();
    writeFileSync(databaseOf(home), "");
    const ledger = await open(home);
    expect(ledger.size()).toBe(1);
  });

  test("of many at once for the first time, all have the same ledger", async () => {
    const home = newStateHome();
    const ledgers = await Promise.all([1, 2, 3, 4].map(() => open(home)));
    expect(new Set(ledgers.map(({ identity }) => identity)).size).toBe(1);
    expect(new Set(ledgers.map((ledger) => ledger.signer().key)).size).toBe(1);
  });
});

const RECORD_KEPT = `CREATE TRIGGER record_kept BEFORE DELETE ON record BEGIN SELECT raise(ABORT, 'records are never removed'); END;`;

describe("refused, and left as it is", () => {
  const cases: readonly (readonly [what: string, change: (home: string) => void, code: string])[] = [
    [
      "a text file",
      (home) => writeFileSync(databaseOf(home), "no database at all, but long enough to be one".repeat(40)),
      "LEDGER_UNREADABLE",
    ],
    ["a few bytes", (home) => writeFileSync(databaseOf(home), "x"), "LEDGER_UNREADABLE"],
    ["an empty file in place of a ledger", (home) => writeFileSync(databaseOf(home), ""), "LEDGER_ROLLED_BACK"],
    ["no file in place of a ledger", (home) => unlinkSync(databaseOf(home)), "LEDGER_ROLLED_BACK"],
    [
      "half of the file",
      (home) => truncateSync(databaseOf(home), statSync(databaseOf(home)).size / 2),
      "LEDGER_UNREADABLE",
    ],
    ["its first page only", (home) => truncateSync(databaseOf(home), 4096), "LEDGER_UNREADABLE"],
    ["a lost trigger", (home) => tamper(home, "DROP TRIGGER record_kept"), "LEDGER_TAMPERED"],
    ["a lost table", (home) => tamper(home, "DROP TRIGGER manifest_kept; DROP TABLE manifest"), "LEDGER_TAMPERED"],
    ["a later version", (home) => tamper(home, "PRAGMA user_version = 3"), "LEDGER_FOREIGN"],
    ["another program's database", (home) => tamper(home, "PRAGMA application_id = 7"), "LEDGER_FOREIGN"],
    [
      "a changed head",
      (home) =>
        tamper(
          home,
          "DROP TRIGGER record_fixed; UPDATE record SET bytes = cast(replace(bytes, 'b2', 'b3') AS BLOB) WHERE seq = 8",
        ),
      "LEDGER_TAMPERED",
    ],
  ];
  test.each(cases)("%s", async (_, change, code) => {
    const home = newStateHome();
    await smallLedger(home);
    change(home);
    const before = existsSync(databaseOf(home)) ? readFileSync(databaseOf(home)) : undefined;
    await expect(open(home)).rejects.toMatchObject({ code });
    await expect(open(home, { create: false })).rejects.toMatchObject({ code });
    const after = existsSync(databaseOf(home)) ? readFileSync(databaseOf(home)) : undefined;
    expect(after).toEqual(before);
  });

  test("a ledger that a later begat went on with, which is no tampering", async () => {
    const home = newStateHome();
    await smallLedger(home);
    const ledger = await open(home);
    const [last] = [...ledger.read(8, 9)];
    ledger.close();
    const { origin: log } = ledger;
    const record = { kind: "key.lend", log, prev: last!.leaf, seq: 9, time: "2026-01-01T00:00:00.000Z", v: 1 };
    const bytes = Buffer.from(JSON.stringify(record));
    const leaf = leafHash(bytes);
    tamper(home, `INSERT INTO record VALUES (9, x'${bytes.toString("hex")}', x'${leaf}')`);
    await expect(open(home)).rejects.toMatchObject({ code: "LEDGER_FOREIGN" });
    expect(await verify(home)).toMatchObject({ exitCode: 5 });
  });

  test("a directory", async () => {
    const home = newStateHome();
    mkdirSync(databaseOf(home));
    // SQLite opens one on some file systems, to find nothing in it.
    const code = expect.stringMatching(/^LEDGER_(NOT_WRITABLE|UNREADABLE)$/);
    await expect(open(home)).rejects.toMatchObject({ code });
  });

  test("a state home that is a file, with the way out", async () => {
    const home = newStateHome();
    writeFileSync(join(home, "f"), "");
    await expect(open(join(home, "f"))).rejects.toMatchObject({
      code: "LEDGER_NOT_WRITABLE",
      hint: "set BEGAT_STATE_HOME to a directory begat may write to",
    });
  });

  test("when another ledger stands in its place", async () => {
    const [home, other] = [newStateHome(), newStateHome()];
    await smallLedger(home);
    await smallLedger(other);
    writeFileSync(databaseOf(home), readFileSync(databaseOf(other)));
    await expect(open(home)).rejects.toMatchObject({ code: "LEDGER_ROLLED_BACK" });
  });

  test("when records that were signed for were taken out: tampered, since an earlier copy knows of no later size", async () => {
    const home = newStateHome();
    await smallLedger(home);
    const ledger = await open(home);
    await ledger.append([ingest("a"), ingest("b")]);
    const { size } = await ledger.checkpoint();
    ledger.close();
    tamper(home, `DROP TRIGGER record_kept; DELETE FROM record WHERE seq >= ${size - 1}; ${RECORD_KEPT}`);
    await expect(open(home)).rejects.toMatchObject({ code: "LEDGER_TAMPERED" });
    expect(await verify(home)).toMatchObject({ exitCode: 3, verdict: "tampered" });
  });

  test("when an earlier copy was put back", async () => {
    const home = newStateHome();
    await smallLedger(home);
    const copy = readFileSync(databaseOf(home));
    const ledger = await open(home);
    await ledger.append([ingest("a")]);
    ledger.close();
    writeFileSync(databaseOf(home), copy);
    await expect(open(home)).rejects.toMatchObject({ code: "LEDGER_ROLLED_BACK" });
    expect(await verify(home)).toMatchObject({ exitCode: 4, verdict: "rolled back" });
  });
});

test("SQL that would change records is refused by the file itself", async () => {
  const home = newStateHome();
  await smallLedger(home);
  for (const sql of [
    "DELETE FROM record WHERE seq = 8",
    "UPDATE record SET bytes = x'00'",
    "INSERT INTO record VALUES (99, x'00', x'00')",
    "INSERT OR REPLACE INTO record VALUES (8, x'00', x'00')",
    "DELETE FROM manifest",
    "UPDATE manifest SET bytes = x'00'",
  ]) {
    expect(() => tamper(home, sql), sql).toThrow(/records|manifests/);
  }
  expect(await verify(home)).toMatchObject({ exitCode: 0 });
});

test("whatever happens to the file, it is refused or every record is still what it was", async () => {
  const home = newStateHome();
  await smallLedger(home);
  const whole = readFileSync(databaseOf(home));
  const pin = readFileSync(join(home, "pin"));
  const ledger = await open(home);
  const truth = [...ledger.read(0, 99)].map(({ bytes, leaf }) => `${leaf} ${bytes}`);
  ledger.close();
  const damage = fc.oneof(
    fc.record({ at: fc.nat(whole.length - 1), flip: fc.integer({ min: 1, max: 255 }) }),
    fc.record({ length: fc.nat(whole.length - 1) }),
  );
  await fc.assert(
    fc.asyncProperty(damage, async (how) => {
      for (const side of ["-wal", "-shm"]) rmSync(databaseOf(home) + side, { force: true });
      const bytes = "length" in how ? whole.subarray(0, how.length) : Buffer.from(whole);
      if ("at" in how) bytes[how.at] = bytes[how.at]! ^ how.flip;
      writeFileSync(databaseOf(home), bytes);
      writeFileSync(join(home, "pin"), pin);
      const verdict = await verify(home);
      if (verdict.exitCode !== 0) {
        expect([3, 4, 5]).toContain(verdict.exitCode);
        return;
      }
      // Bytes that no page uses, or a counter in the header.
      const again = await open(home, { create: false });
      expect([...again.read(0, 99)].map(({ bytes: b, leaf }) => `${leaf} ${b}`)).toEqual(truth);
      again.close();
    }),
    // Pages as large as in life; each byte of a file of small ones is flipped in tamper/every-byte.test.ts.
    { numRuns: 150 },
  );
}, 60_000);

describe("disks that will not", () => {
  const mount = `${newStateHome()}-mount`;
  let mounted = false;
  beforeAll(() => {
    mkdirSync(mount, { recursive: true });
    mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=256k,mode=0755", "tmpfs", mount]).status === 0;
  });
  afterAll(() => {
    if (mounted) spawnSync("umount", [mount]);
    rmSync(mount, { recursive: true, force: true });
  });

  test("a full disk: the append fails whole, nothing of it is kept, and what was acknowledged is there", async (context) => {
    if (!mounted) return context.skip("a small file system can only be mounted by root");
    const home = join(mount, "full");
    const ledger = await open(home);
    const acknowledged: number[] = [];
    let refusal: unknown;
    for (let i = 0; i < 200 && refusal === undefined; i++) {
      try {
        const group = [ingest(`a${i}-${"x".repeat(4_000)}`), ingest(`b${i}`)];
        for (const { seq } of await ledger.append(group)) acknowledged.push(seq);
      } catch (error) {
        refusal = error;
      }
    }
    expect(refusal).toMatchObject({ code: "LEDGER_FULL_DISK" });
    await expect(ledger.append([ingest("more")])).rejects.toMatchObject({ code: "LEDGER_CLOSED" });
    expect(ledger.size()).toBe(acknowledged.length + 1);
    ledger.close();
    spawnSync("mount", ["-o", "remount,size=4m", mount]);
    expect(await verify(home)).toMatchObject({ exitCode: 0, size: acknowledged.length + 1 });
    const later = await open(home);
    await later.append([ingest("there is room now")]);
    expect(later.size()).toBe(acknowledged.length + 2);
    // What is open for writing keeps a file system from being made read-only.
    later.close();
  });

  test("a read-only file system: refused with the directory and the variable", async (context) => {
    if (!mounted) return context.skip("a file system can only be made read-only by root");
    const home = join(mount, "fixed");
    await smallLedger(home);
    expect(spawnSync("mount", ["-o", "remount,ro", mount]).status).toBe(0);
    try {
      const why = {
        code: "LEDGER_NOT_WRITABLE",
        message: expect.stringContaining(home),
        hint: expect.stringContaining("BEGAT_STATE_HOME"),
      };
      await expect(open(home)).rejects.toMatchObject(why);
      await expect(open(join(mount, "other"))).rejects.toMatchObject({
        ...why,
        message: expect.stringContaining(mount),
      });
    } finally {
      spawnSync("mount", ["-o", "remount,rw", mount]);
    }
    expect(await verify(home)).toMatchObject({ exitCode: 0 });
  });
});
