import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, test, vi } from "vitest";
import { type Sha256, sha256 } from "../../src/base/index.ts";
import { ExecutionGlance } from "../../src/provenance/execution-glance.ts";
import {
  type BuildEndBody,
  type Entry,
  encodeRecord,
  hitsManifest,
  leafHash,
  type PinRead,
  parseRecord,
  signExecution,
  signerFromSeed,
  verifyLedger,
} from "../../src/provenance/index.ts";
import { MemoryLedger } from "../support/memory-ledger.ts";
import { failed, listAction, type SketchedChore, sketchChore } from "../support/recorded-chore.ts";
import { newStateHome, smallLedger, verify } from "./state-home.ts";

const chores = ["a", "b"].map((name) => sketchChore({ chore: `cc(${name}.c)`, inputs: { [`${name}.c`]: name } }));

const begin = (build: string, n: number): Entry => ({
  body: { kind: "build.begin", build, goal: ["all"], plan: { n, root: sha256("plan") }, vars: {}, who: "me" },
  manifests: [],
});

const end = (build: string, at: number, n: Partial<BuildEndBody["n"]>): Entry => {
  const none = { exec: 0, hit: 0, fail: 0, skip: 0, settled: 0 };
  return {
    body: { kind: "build.end", build, begin: at, n: { ...none, ...n }, outcome: "ok", artifacts: [] },
    manifests: [],
  };
};

const executed = (ledger: MemoryLedger, chore: SketchedChore, build = "b1"): Entry => ({
  body: signExecution({ ...chore.facts, build }, chore.listing, ledger.origin, ledger.signer),
  manifests: chore.manifests,
});

const hits = (build: string, seqs: readonly (readonly [Sha256, number])[]): Entry => {
  const { n, manifest } = hitsManifest(seqs.map(([action, seq]) => ({ action, seq })));
  return { body: { kind: "hits", build, n, root: manifest.hash }, manifests: [manifest] };
};

/** Two builds: the first executes both chores, the second finds them. 7 records. */
async function wholeLedger(): Promise<MemoryLedger> {
  const ledger = new MemoryLedger();
  const [a, b] = chores as [SketchedChore, SketchedChore];
  await ledger.append([begin("b1", 2), executed(ledger, a), executed(ledger, b), end("b1", 1, { exec: 2 })]);
  const found: readonly (readonly [Sha256, number])[] = [
    [a.facts.action, 2],
    [b.facts.action, 3],
  ];
  await ledger.append([begin("b2", 3), hits("b2", found), end("b2", 5, { hit: 2, settled: 1 })]);
  return ledger;
}

const check = (ledger: MemoryLedger, pin?: PinRead, signatures = true) =>
  verifyLedger(ledger, { signatures, lister: listAction, ...(pin === undefined ? {} : { pin }) });

const pinOf = (ledger: MemoryLedger): PinRead => ({
  state: "present",
  pin: { ledger: ledger.identity, log: ledger.origin, size: ledger.size(), leaf: ledger.rows.at(-1)!.leaf },
});

/** Writes the links of all records after `seq` anew, as somebody would who has the file but no key. */
function relink(ledger: MemoryLedger, seq: number): void {
  for (let i = seq; i < ledger.rows.length; i++) {
    const record = JSON.parse(ledger.rows[i]!.bytes.toString()) as { prev: string };
    record.prev = ledger.rows[i - 1]!.leaf;
    const bytes = Buffer.from(JSON.stringify(record));
    ledger.rows[i] = { bytes, leaf: leafHash(bytes) };
  }
}

describe("a whole ledger", () => {
  test("holds, and is counted", async () => {
    const ledger = await wholeLedger();
    const progress: number[] = [];
    const verdict = await verifyLedger(ledger, {
      signatures: true,
      lister: listAction,
      pin: pinOf(ledger),
      onProgress: (done) => progress.push(done),
    });
    expect(verdict).toEqual({
      verdict: "holds",
      exitCode: 0,
      identity: ledger.identity,
      size: 8,
      head: ledger.rows[7]!.leaf,
      executions: 2,
      signatures: 2,
      builds: { finished: 2, unfinished: 0 },
      root: ledger.root(),
      checkpoints: 0,
      unsigned: false,
      witnessed: false,
      findings: [],
      notes: [],
    });
    expect(progress.at(-1)).toBe(8);
  });

  test("without a pin says what that leaves open", async () => {
    expect(await check(await wholeLedger())).toMatchObject({
      exitCode: 0,
      notes: ["there is no pin: records removed from the end would not show"],
    });
  });

  test("with a build that never ended still holds, with a note", async () => {
    const ledger = await wholeLedger();
    await ledger.append([begin("b3", 5)]);
    expect(await check(ledger, pinOf(ledger))).toMatchObject({
      exitCode: 0,
      builds: { finished: 2, unfinished: 1 },
      notes: ["build b3 (record 8) has no end: it is under way, or it was interrupted"],
    });
  });
});

describe("tampering with records", () => {
  test("every byte of every record, flipped: tampered, with signatures looked at or not", async () => {
    const ledger = await wholeLedger();
    const pin = pinOf(ledger);
    const genuine = ledger.rows.map((row) => ({ ...row }));
    let cases = 0;
    for (let seq = 0; seq < genuine.length; seq++) {
      const { bytes, leaf } = genuine[seq]!;
      for (let at = 0; at < bytes.length; at++) {
        const flipped = Buffer.from(bytes);
        flipped[at] = flipped[at]! ^ (1 << (at % 8));
        ledger.rows[seq] = { bytes: flipped, leaf };
        const verdict = await check(ledger, pin, false);
        if (verdict.exitCode !== 3) expect.fail(`record ${seq}, byte ${at}: ${JSON.stringify(verdict)}`);
        cases++;
      }
      ledger.rows[seq] = { bytes, leaf };
    }
    expect(cases).toBeGreaterThan(4_000);
    expect(await check(ledger, pin)).toMatchObject({ exitCode: 0 });
  }, 60_000);

  test("a changed execution with all links written anew is found by its signature", async () => {
    const ledger = await wholeLedger();
    const text = ledger.rows[2]!.bytes.toString();
    const output = chores[0]!.facts.out[0]!.d;
    const bytes = Buffer.from(text.replace(output, sha256("poison")));
    ledger.rows[2] = { bytes, leaf: leafHash(bytes) };
    relink(ledger, 3);
    expect(await check(ledger)).toMatchObject({
      exitCode: 3,
      findings: [{ seq: 2, message: "the record does not imply the statement it names" }],
    });
  });

  test("an execution signed by a key nobody endorsed is not proven", async () => {
    const ledger = await wholeLedger();
    const evil = signerFromSeed(Buffer.alloc(32, 66), "rnode");
    const [a] = chores as [SketchedChore];
    const body = signExecution({ ...a.facts, build: "b3" }, a.listing, ledger.origin, evil);
    await ledger.append([begin("b3", 1), { body, manifests: [] }, end("b3", 8, { exec: 1 })]);
    for (const signatures of [true, false]) {
      expect(await check(ledger, undefined, signatures)).toMatchObject({ exitCode: 1, findings: [{ seq: 9 }] });
    }
  });

  test("a record taken out, put in twice, or swapped breaks the chain", async () => {
    const changes: readonly ((rows: MemoryLedger["rows"]) => void)[] = [
      (rows) => rows.splice(3, 1),
      (rows) => rows.splice(3, 0, rows[3]!),
      (rows) => rows.splice(3, 2, rows[4]!, rows[3]!),
      (rows) => rows.splice(0, 1),
      (rows) => rows.splice(0, rows.length),
    ];
    for (const change of changes) {
      const ledger = await wholeLedger();
      change(ledger.rows);
      expect(await check(ledger)).toMatchObject({ exitCode: 3 });
    }
  });

  test("records of another ledger are told by their name", async () => {
    const ledger = await wholeLedger();
    const prev = ledger.rows.at(-1)!.leaf;
    const body = parseRecord(ledger.rows[1]!.bytes);
    ledger.rows.push(encodeRecord(body, { log: "elsewhere/1", seq: 8, prev, atMs: 1 }));
    expect(await check(ledger)).toMatchObject({ exitCode: 3, findings: [{ seq: 8 }, { seq: 8 }] });
  });

  test("manifests that are missing or changed are missed", async () => {
    for (const signatures of [true, false]) {
      const missing = await wholeLedger();
      missing.manifests.delete(chores[0]!.facts.action);
      expect(await check(missing, undefined, signatures)).toMatchObject({ exitCode: 3, findings: [{ seq: 2 }] });
      const changed = await wholeLedger();
      changed.manifests.set(chores[0]!.facts.action, Buffer.from("other"));
      expect(await check(changed, undefined, signatures)).toMatchObject({ exitCode: 3, findings: [{ seq: 2 }] });
    }
  });

  test("hits that point elsewhere are found", async () => {
    const ledger = await wholeLedger();
    await ledger.append([begin("b3", 1), hits("b3", [[chores[0]!.facts.action, 3]]), end("b3", 8, { hit: 1 })]);
    expect(await check(ledger)).toMatchObject({ exitCode: 3, findings: [{ seq: 9 }] });
  });

  test("a kind or version of a later begat cannot be checked, and that is not called tampering", async () => {
    for (const [member, value] of [
      ["kind", "key.lend"],
      ["v", 2],
    ] as const) {
      const ledger = await wholeLedger();
      const record = { ...(JSON.parse(ledger.rows[7]!.bytes.toString()) as object), [member]: value };
      const bytes = Buffer.from(JSON.stringify(record));
      ledger.rows[7] = { bytes, leaf: leafHash(bytes) };
      expect(await check(ledger)).toMatchObject({ exitCode: 5, findings: [{ seq: 7 }] });
    }
  });
});

describe("an execution that is not parsed", () => {
  /** A build with an execution of every sort there is something to say of. */
  async function faultyLedger(): Promise<MemoryLedger> {
    const ledger = new MemoryLedger();
    const evil = signerFromSeed(Buffer.alloc(32, 66), "rnode");
    const [a, b] = chores as [SketchedChore, SketchedChore];
    const from = { log: "farm/1", build: "b9", chore: "c", dictum: "d", attempt: 1 };
    const sorts: readonly (readonly [changed: object, signer?: typeof evil])[] = [
      [{}],
      [{ cacheable: false }],
      [{ from }],
      [{ from: { ...from, cached: true } }],
      [{ used: { n: 1, root: sha256("no such list"), key: sha256("key") } }],
      [{ action: sha256("no such action") }],
      [{ build: "no such build" }],
      [{}, evil],
    ];
    await ledger.append([begin("b1", 9)]);
    for (const [changed, signer = ledger.signer] of sorts) {
      for (const { facts, listing, manifests } of [a, failed(b)]) {
        await ledger.append([
          { body: signExecution({ ...facts, ...changed }, listing, ledger.origin, signer), manifests },
        ]);
      }
    }
    // One that may be used again, one that may not, one that failed.
    const { action } = a.facts;
    await ledger.append([hits("b1", [[action, 2]]), hits("b1", [[action, 4]]), hits("b1", [[b.facts.action, 3]])]);
    await ledger.append([end("b1", 1, { exec: 7, hit: 3 })]);
    const frame = { log: "elsewhere/1", seq: 99, prev: sha256("another"), atMs: 1 };
    ledger.rows.push(encodeRecord(parseRecord(ledger.rows[2]!.bytes), frame));
    return ledger;
  }

  test("is judged as if it were", async () => {
    const ledger = await faultyLedger();
    const looks = vi.spyOn(ExecutionGlance.prototype, "looksAt");
    const seen = await check(ledger, undefined, false);
    // All but the failure that says whether it may be used again: failures have no such member.
    expect(looks.mock.results.filter(({ value }) => value === true)).toHaveLength(16);
    looks.mockReturnValue(false);
    const parsed = await check(ledger, undefined, false);
    looks.mockRestore();
    expect(seen).toEqual(parsed);
    expect(new Set(seen.findings.map(({ seq }) => seq))).toEqual(
      new Set([10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22]),
    );
  });
});

describe("the end of the ledger", () => {
  test("every shortened ledger is found with the pin, and none without", async () => {
    for (let length = 1; length < 8; length++) {
      const ledger = await wholeLedger();
      const pin = pinOf(ledger);
      ledger.rows.length = length;
      expect(await check(ledger, pin)).toMatchObject({ exitCode: 4, verdict: "rolled back" });
      expect((await check(ledger)).exitCode).toBe(0);
    }
  });

  test("a rewritten end of the same length is found with the pin", async () => {
    const ledger = await wholeLedger();
    const pin = pinOf(ledger);
    ledger.rows.length = 7;
    await ledger.append([end("b2", 5, { hit: 2, skip: 1 })]);
    expect(await check(ledger, pin)).toMatchObject({ exitCode: 4 });
  });

  test("a pin of another ledger, and one that is no pin", async () => {
    const ledger = await wholeLedger();
    const pin = pinOf(new MemoryLedger(undefined, "other/1"));
    expect(await check(ledger, pin)).toMatchObject({ exitCode: 4 });
    expect(await check(ledger, { state: "malformed", problem: "pin is not a pin" })).toMatchObject({ exitCode: 5 });
  });

  test("a ledger that went on since the pin holds", async () => {
    const ledger = await wholeLedger();
    const pin = pinOf(ledger);
    await ledger.append([begin("b3", 0), end("b3", 8, {})]);
    expect(await check(ledger, pin)).toMatchObject({ exitCode: 0, size: 10 });
  });
});

describe("the books of a build", () => {
  const [a, b] = chores as [SketchedChore, SketchedChore];
  type Case = readonly [what: string, entries: (ledger: MemoryLedger) => readonly Entry[], problem: RegExp | undefined];
  const cases: readonly Case[] = [
    [
      "an execution that was never appended",
      (l) => [begin("x", 2), executed(l, a, "x"), end("x", 1, { exec: 2 })],
      /2 chores were executed; 1 have/,
    ],
    [
      "a chore without a disposition",
      (l) => [begin("x", 3), executed(l, a, "x"), end("x", 1, { exec: 1 })],
      /planned 3 chores and accounts for 1/,
    ],
    ["an end without a beginning", () => [end("x", 1, {})], /ends without having begun/],
    ["two ends", () => [begin("x", 0), end("x", 1, {}), end("x", 1, {})], /ends without having begun/],
    ["two beginnings", () => [begin("x", 0), begin("x", 0)], /begins a second time/],
    ["an execution outside of any build", (l) => [executed(l, a, "x")], /not under way/],
    ["hits that are not listed", () => [begin("x", 1), end("x", 1, { hit: 1 })], /1 chores were hits; 0 are listed/],
    ["an end that names another beginning", () => [begin("x", 0), end("x", 0, {})], /began at record 1/],
    [
      "a chore tried again after a failure counts once, as it ended",
      (l) => [
        begin("x", 2),
        {
          body: signExecution({ ...failed(a).facts, build: "x" }, a.listing, l.origin, l.signer),
          manifests: a.manifests,
        },
        executed(l, { ...a, facts: { ...a.facts, attempt: 2 } }, "x"),
        {
          body: signExecution({ ...failed(b).facts, build: "x" }, b.listing, l.origin, l.signer),
          manifests: b.manifests,
        },
        end("x", 1, { exec: 1, fail: 1 }),
      ],
      undefined,
    ],
    [
      "two builds at once",
      (l) => [
        begin("x", 1),
        begin("y", 1),
        executed(l, a, "y"),
        executed(l, b, "x"),
        end("x", 1, { exec: 1 }),
        end("y", 2, { exec: 1 }),
      ],
      undefined,
    ],
  ];
  test.each(cases)("%s", async (_, entries, problem) => {
    const ledger = new MemoryLedger();
    await ledger.append(entries(ledger));
    const verdict = await check(ledger);
    expect(verdict.exitCode).toBe(problem === undefined ? 0 : 1);
    if (problem !== undefined) expect(verdict.findings[0]?.message).toMatch(problem);
  });
});

describe("in its file", () => {
  test("a real ledger holds; with a record rewritten behind its triggers it does not", async () => {
    const home = newStateHome();
    await smallLedger(home);
    expect(await verify(home)).toMatchObject({ exitCode: 0, size: 9, executions: 4, signatures: 4, notes: [] });
    const database = new Database(join(home, "ledger.db"));
    const [{ sql } = { sql: "" }] = database
      .prepare("SELECT sql FROM sqlite_master WHERE name = 'record_fixed'")
      .all() as { sql: string }[];
    database.exec("DROP TRIGGER record_fixed; UPDATE record SET bytes = x'7b7d' WHERE seq = 3");
    database.exec(sql);
    database.close();
    expect(await verify(home)).toMatchObject({ exitCode: 3, verdict: "tampered" });
  });

  test("a pin that is no pin: could not check, and opening goes on", async () => {
    const home = newStateHome();
    await smallLedger(home);
    writeFileSync(join(home, "pin"), "{}");
    expect(await verify(home)).toMatchObject({ exitCode: 5 });
    rmSync(join(home, "pin"));
    expect(await verify(home)).toMatchObject({ exitCode: 0 });
  });

  test("the pin follows the ledger", async () => {
    const home = newStateHome();
    await smallLedger(home);
    const pin = JSON.parse(readFileSync(join(home, "pin"), "utf8")) as { size: number };
    expect(pin.size).toBe(9);
  });

  test("no ledger, nothing to check", async () => {
    expect(await verify(newStateHome())).toMatchObject({ exitCode: 5, verdict: "could not check" });
  });
});
