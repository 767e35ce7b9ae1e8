import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, test } from "vitest";
import type { Sha256 } from "../../src/base/index.ts";
import { NodeFileTree } from "../../src/platform/index.ts";
import { type FileContents, FileTreeError, type ReplaceOptions } from "../../src/ports/index.ts";
import {
  checkpointOfNote,
  type Entry,
  lastSignedPath,
  readLastSigned,
  readPin,
  readPinFile,
  type SqliteLedger,
  secondPinPath,
  signingProblem,
} from "../../src/provenance/index.ts";
import { newStateHome, open, smallLedger, verify } from "./state-home.ts";

const ingest = (name: string): Entry => ({
  body: { kind: "ingest", name, uri: `url:${name}`, version: "1", files: [], by: "test" },
  manifests: [],
});
const begin = (build: string): Entry => ({
  body: {
    kind: "build.begin",
    build,
    goal: [],
    plan: { n: 0, root: "0".repeat(64) as Sha256 },
    vars: {},
    who: "test",
  },
  manifests: [],
});
const add = (ledger: SqliteLedger, ...entries: Entry[]) => Promise.all([ledger.append(entries), ledger.flush()]);
const files = new NodeFileTree();
const lastSigned = (home: string) => {
  const read = readLastSigned(files, home);
  return read.state === "present" ? read.head : undefined;
};

/** A disk that refuses what `refuses` says, before or after it was done. */
class FaultyFileTree extends NodeFileTree {
  readonly #refuses: (path: string) => "before" | "after" | undefined;

  constructor(refuses: (path: string) => "before" | "after" | undefined) {
    super();
    this.#refuses = refuses;
  }

  override replaceFile(path: string, bytes: FileContents, options?: ReplaceOptions): void {
    const when = this.#refuses(path);
    if (when !== "before") super.replaceFile(path, bytes, options);
    if (when !== undefined) throw new FileTreeError("FILE_IO", `cannot sync ${path}`);
  }
}

describe("what may be signed after what", () => {
  const [a, b, c] = ["a", "b", "c"].map((digit) => digit.repeat(64) as Sha256) as [Sha256, Sha256, Sha256];
  const last = { ledger: a, size: 5, root: b };
  test.each([
    ["the same again", { ...last }, undefined],
    ["what begins with it", { ...last, size: 9, root: c }, undefined],
    ["another root of the size", { ...last, root: c }, /its root at 5 records/],
    ["a smaller size", { ...last, size: 4, root: c }, /it has 4 records, and 5 were signed/],
    ["another ledger", { ledger: b, size: 9, root: c }, /it is ledger bbbb/],
  ])("%s", (_, next, problem) => {
    const found = signingProblem(last, next, () => b);
    if (problem === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(problem);
  });

  test("a longer history that begins otherwise", () => {
    expect(signingProblem(last, { ...last, size: 9 }, () => c)).toMatch(/its root at 5 records is cccc/);
  });
});

describe("a ledger signs its size", () => {
  test("after a build, an ingest and when asked, never for each record", async () => {
    const home = newStateHome();
    const ledger = await open(home);
    await add(ledger, begin("b1"));
    expect(ledger.checkpoints()).toEqual([]);
    await add(ledger, ingest("a"));
    expect(ledger.checkpoints().map(({ size }) => size)).toEqual([3]);
    await add(ledger, begin("b2"));
    expect(ledger.checkpoints()).toHaveLength(1);
    await ledger.checkpoint();
    expect(ledger.checkpoints().map(({ size }) => size)).toEqual([3, 4]);
    expect(lastSigned(home)).toEqual({ ledger: ledger.identity, size: 4, root: ledger.root() });
    expect(readPin(files, home)).toMatchObject({ state: "present", pin: { size: 4, root: ledger.root(4) } });
    expect(ledger.sealProblem()).toBeUndefined();
  });

  test("and remembers it in the cache home too", async () => {
    const [home, cacheHome] = [newStateHome(), newStateHome()];
    const ledger = await open(home, { cacheHome });
    await add(ledger, ingest("a"));
    const read = readPinFile(files, secondPinPath(cacheHome, ledger.identity));
    expect(read).toMatchObject({ state: "present", pin: { size: 2, root: ledger.root(2) } });
    if (read.state === "present") expect(checkpointOfNote(read.pin.note!).size).toBe(2);
  });

  test("through several connections at once: sizes grow, one root each, and the last word is on the disk", async () => {
    const home = newStateHome();
    (await open(home)).close();
    const ledgers = await Promise.all(Array.from({ length: 4 }, () => open(home)));
    await Promise.all(
      ledgers.map(async (ledger, i) => {
        for (let round = 0; round < 6; round++) {
          await ledger.append([ingest(`${i}.${round}`)]);
          await ledger.checkpoint();
        }
      }),
    );
    const [ledger] = ledgers as [SqliteLedger];
    const signed = ledger.checkpoints();
    expect(signed.at(-1)?.size).toBe(25);
    for (const { size, root } of signed) expect(ledger.root(size)).toBe(root);
    expect(lastSigned(home)?.size).toBe(25);
    expect((await verify(home)).verdict).toBe("holds");
  });

  test.each(["before", "after"] as const)(
    "never when what it signs cannot be kept (%s it is in place)",
    async (when) => {
      const home = newStateHome();
      let broken = false;
      const faulty = new FaultyFileTree((path) => (broken && path.endsWith("/last-signed") ? when : undefined));
      const ledger = await open(home, { files: faulty });
      await add(ledger, ingest("a"));
      const [before] = ledger.checkpoints();
      broken = true;
      // The record is durable all the same: a build does not fail for its checkpoint.
      await add(ledger, ingest("b"));
      expect(ledger.sealProblem()).toMatchObject({ code: "LEDGER_IO" });
      expect(ledger.checkpoints()).toEqual([before]);
      // Nobody knows what such a disk kept: this process does not try again.
      broken = false;
      await expect(ledger.checkpoint()).rejects.toMatchObject({ code: "LEDGER_IO" });
      ledger.close();
      const again = await open(home);
      expect((await again.checkpoint()).size).toBe(3);
      expect((await verify(home)).verdict).toBe("holds");
    },
  );

  test("never when it does not know what was signed last", async () => {
    const home = newStateHome();
    await smallLedger(home);
    writeFileSync(lastSignedPath(home), "{}");
    const ledger = await open(home);
    await add(ledger, begin("b9"));
    await expect(ledger.checkpoint()).rejects.toThrow(/does not say what was signed last/);
    expect(readFileSync(lastSignedPath(home), "utf8")).toBe("{}");
    ledger.close();
    expect(await verify(home)).toMatchObject({ verdict: "could not check" });
  });

  test("again, the same, after it was interrupted between keeping and signing", async () => {
    const home = newStateHome();
    const ledger = await open(home);
    await add(ledger, begin("b1"));
    const head = { ledger: ledger.identity, size: 2, root: ledger.root(2) };
    writeFileSync(lastSignedPath(home), `{"ledger":"${head.ledger}","root":"${head.root}","size":2,"v":1}`);
    expect(await ledger.checkpoint()).toMatchObject({ size: 2, root: head.root });
  });
});

const databaseOf = (home: string) => join(home, "ledger.db");

describe("a ledger that is not what was signed", () => {
  test.each([
    ["the state home's pin", ["last-signed"]],
    ["what was signed last", ["pin"]],
  ])("is refused by %s alone", async (_, removed) => {
    const home = newStateHome();
    (await open(home)).close();
    copyFileSync(databaseOf(home), `${home}/old.db`);
    const ledger = await open(home);
    await add(ledger, ingest("a"));
    ledger.close();
    copyFileSync(`${home}/old.db`, databaseOf(home));
    for (const name of removed) rmSync(join(home, name));
    await expect(open(home)).rejects.toMatchObject({ code: "LEDGER_ROLLED_BACK" });
    expect(await verify(home)).toMatchObject({ exitCode: 4 });
  });

  test("is refused by the pin in the cache home alone", async () => {
    const [home, cacheHome] = [newStateHome(), newStateHome()];
    (await open(home)).close();
    copyFileSync(databaseOf(home), `${home}/old.db`);
    const ledger = await open(home, { cacheHome });
    await add(ledger, ingest("a"));
    ledger.close();
    copyFileSync(`${home}/old.db`, databaseOf(home));
    for (const name of ["pin", "last-signed"]) rmSync(join(home, name));
    await expect(open(home, { cacheHome })).rejects.toThrow(/it has 1 records, the pin remembers 2/);
    // Without that memory nothing can tell, and the old ledger is a whole one.
    (await open(home)).close();
  });

  test("is refused, or found out, when its signed root, a kept hash or the account of control records was changed", async () => {
    for (const [sql, opens] of [
      ["DROP TRIGGER checkpoint_fixed; UPDATE checkpoint SET root = zeroblob(32)", false],
      ["DROP TRIGGER checkpoint_fixed; UPDATE checkpoint SET note = replace(note, 'a', 'b')", true],
      ["INSERT INTO control (seq, kind) VALUES (1, 'quarantine')", true],
      ["INSERT INTO subtree (level, n, hash) VALUES (1, 0, zeroblob(32))", true],
    ] as const) {
      const home = newStateHome();
      await smallLedger(home);
      const database = new Database(databaseOf(home));
      const triggers = database.prepare("SELECT sql FROM sqlite_master WHERE name = 'checkpoint_fixed'").pluck().get();
      database.exec(sql);
      if (sql.startsWith("DROP")) database.exec(String(triggers));
      database.close();
      const opened = await open(home).then(
        (ledger) => ledger.close(),
        (error: unknown) => error,
      );
      expect(opened === undefined).toBe(opens);
      expect([sql, (await verify(home)).exitCode]).toEqual([sql, 3]);
    }
  });

  test("of the first version is brought to the second, once, with the tree it should have", async () => {
    const home = newStateHome();
    const ledger = await open(home);
    await add(ledger, ...Array.from({ length: 300 }, (_, i) => begin(`b${i}`)));
    const root = ledger.root();
    ledger.close();
    const database = new Database(databaseOf(home));
    for (const name of ["subtree", "checkpoint", "cosignature", "control"]) database.exec(`DROP TABLE ${name}`);
    database.pragma("user_version = 1");
    database.close();
    rmSync(lastSignedPath(home), { force: true });
    const opened = await Promise.all([open(home), open(home)]);
    for (const one of opened) expect(one.root()).toBe(root);
    expect(await verify(home)).toMatchObject({ verdict: "holds", root });
  });
});
