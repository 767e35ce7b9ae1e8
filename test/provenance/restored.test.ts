import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { KernelRandom } from "../../src/platform/index.ts";
import {
  contradictions,
  type Decided,
  importPin,
  laterKeyPath,
  loadSigner,
  makeLaterSigner,
  memories,
  provePossession,
  readKeyHistory,
  replacePin,
  type Signer,
  type SqliteLedger,
  signControl,
} from "../../src/provenance/index.ts";
import { files, newStateHome, open, verify } from "./state-home.ts";
import { ingest } from "./tamper/kept-ledger.ts";

const random = new KernelRandom();
let home: string;
let cacheHome: string;

/** A ledger whose backup of 2 records was put back when it had 4: both pins and what was signed last remember those. */
beforeEach(async () => {
  [home, cacheHome] = [newStateHome(), newStateHome()];
  const early = await open(home, { cacheHome });
  await early.append([ingest("one")]);
  await early.checkpoint();
  early.close();
  copyFileSync(join(home, "ledger.db"), join(home, "backup.db"));
  const later = await open(home, { cacheHome });
  await later.append([ingest("two"), ingest("three")]);
  await later.checkpoint();
  later.close();
  copyFileSync(join(home, "backup.db"), join(home, "ledger.db"));
});

const openAnyway = () => open(home, { cacheHome, rolledBack: true });
const lostOf = (ledger: SqliteLedger) =>
  contradictions(memories(files, { stateHome: home, cacheHome }, ledger), ledger);

async function decide(ledger: SqliteLedger, by: Signer, decided: Decided): Promise<void> {
  const place = { at: ledger.size(), before: readKeyHistory(ledger).lastControl, nonce: random.bytes(16) };
  const body = signControl(decided, place, ledger.origin, by);
  await Promise.all([ledger.append([{ body, manifests: [] }]), ledger.flush()]);
}

async function giveUp(ledger: SqliteLedger, by: Signer): Promise<void> {
  const { root, size } = lostOf(ledger)[0]!.pin;
  const there = { size: ledger.size(), root: ledger.root(), reason: "disk died" };
  await decide(ledger, by, { kind: "restore", lost: { size, root: root! }, ...there });
}

async function replaceLogKey(ledger: SqliteLedger): Promise<Signer> {
  const old = ledger.signer("log");
  const next = makeLaterSigner(files, random, home, "log");
  const pop = provePossession(next, ledger.origin);
  const rotation = { role: "log" as const, old: old.key, new: next.entry, pop, until: ledger.size() };
  await decide(ledger, loadSigner(files, home, "root"), { kind: "key.rotate", ...rotation });
  return next;
}

describe("a backup put back", () => {
  test("is refused, with the way out", async () => {
    await expect(open(home, { cacheHome })).rejects.toMatchObject({
      code: "LEDGER_ROLLED_BACK",
      hint: expect.stringContaining("begat ledger restore"),
    });
    expect((await verify(home, true, cacheHome)).exitCode).toBe(4);
  });

  test("is gone on with once the root key gave up what was lost and another log key signs", async () => {
    const ledger = await openAnyway();
    expect(lostOf(ledger).map(({ path, pin }) => [path.startsWith(home), pin.size])).toEqual([
      [true, 4],
      [false, 4],
      [true, 4],
    ]);
    await giveUp(ledger, loadSigner(files, home, "root"));
    // The key that signed what was given up signs no second history.
    await expect(ledger.checkpoint()).rejects.toMatchObject({ code: "LEDGER_ROLLED_BACK" });
    const next = await replaceLogKey(ledger);
    expect(files.lstat(laterKeyPath(home, "log", next.key))?.kind).toBe("file");
    const { size, root, note } = await ledger.checkpoint();
    expect(size).toBe(4);
    for (const { path } of lostOf(ledger)) {
      replacePin(files, path, { ledger: ledger.identity, log: ledger.origin, size, root, note });
    }
    ledger.close();
    const verdict = await verify(home, true, cacheHome);
    expect([verdict.exitCode, verdict.findings]).toEqual([0, []]);
    expect(verdict.notes).toContain("record 2 gave up an earlier history of 4 records: disk died");
    // From here on it is remembered like any: another roll-back is one.
    const again = await open(home, { cacheHome });
    await again.append([ingest("four")]);
    await again.checkpoint();
    again.close();
    expect((await verify(home, true, cacheHome)).exitCode).toBe(0);
    copyFileSync(join(home, "backup.db"), join(home, "ledger.db"));
    await expect(open(home, { cacheHome })).rejects.toMatchObject({ code: "LEDGER_ROLLED_BACK" });
  });

  test.each(["log", "rnode"] as const)("is not excused by the %s key", async (role) => {
    const ledger = await openAnyway();
    await giveUp(ledger, loadSigner(files, home, role));
    ledger.close();
    await expect(open(home, { cacheHome })).rejects.toMatchObject({ code: "LEDGER_ROLLED_BACK" });
    expect((await verify(home, true, cacheHome)).exitCode).toBe(4);
  });

  test("is not excused for a state that the decision does not name", async () => {
    const ledger = await openAnyway();
    importPin(files, home, { ledger: ledger.identity, log: ledger.origin, size: 3, root: ledger.root(1) });
    await giveUp(ledger, loadSigner(files, home, "root"));
    ledger.close();
    await expect(open(home, { cacheHome })).rejects.toMatchObject({ code: "LEDGER_ROLLED_BACK" });
  });

  test("of another history than the decision says is tampered", async () => {
    const ledger = await openAnyway();
    const { root, size } = lostOf(ledger)[0]!.pin;
    const elsewhere = { size: 1, root: ledger.root(2), reason: "?" };
    const lost = { size, root: root! };
    await decide(ledger, loadSigner(files, home, "root"), { kind: "restore", lost, ...elsewhere });
    await replaceLogKey(ledger);
    await ledger.checkpoint();
    ledger.close();
    expect(await verify(home, true, cacheHome)).toMatchObject({ exitCode: 3, findings: [{ seq: 2 }] });
  });
});
