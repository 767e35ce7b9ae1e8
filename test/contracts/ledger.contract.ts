import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Sha256, sha256 } from "../../src/base/index.ts";
import {
  type BuildEndBody,
  type Entry,
  type IngestBody,
  type Ledger,
  leafHash,
  parseRecord,
  signExecution,
  signerFromSeed,
} from "../../src/provenance/index.ts";
import { sketchChore } from "../support/recorded-chore.ts";

const ingest = (name: string, more: Partial<IngestBody> = {}): Entry => ({
  body: { kind: "ingest", name, uri: `url:${name}`, version: "1", files: [], by: "test", ...more },
  manifests: [],
});

const buildEnd = (artifacts: BuildEndBody["artifacts"]): Entry => ({
  body: {
    kind: "build.end",
    build: "b1",
    begin: 1,
    n: { exec: 0, hit: 0, fail: 0, skip: 0, settled: 0 },
    outcome: "ok",
    artifacts,
  },
  manifests: [],
});

/** What every Ledger promises. `make` gives a fresh one that has its genesis and nothing else. */
export function ledgerContract(name: string, make: () => Promise<{ ledger: Ledger; remove: () => void }>): void {
  describe(`${name} is a ledger`, () => {
    let ledger: Ledger;
    let remove: () => void;
    beforeEach(async () => {
      ({ ledger, remove } = await make());
    });
    afterEach(() => {
      ledger.close();
      remove();
    });

    test("begins with genesis, whose leaf hash is its identity", () => {
      expect(ledger.size()).toBe(1);
      const genesis = ledger.record(0);
      expect(genesis).toMatchObject({ kind: "genesis", seq: 0, prev: "0".repeat(64), log: ledger.origin, v: 1 });
      expect([...ledger.read(0, 9)][0]?.leaf).toBe(ledger.identity);
    });

    test("gives entries consecutive places, in order, and links each to the one before", async () => {
      const [first, second] = await Promise.all([
        ledger.append([ingest("a"), ingest("b")]),
        ledger.append([ingest("c")]),
        ledger.flush(),
      ]);
      expect([...first, ...second].map(({ seq }) => seq)).toEqual([1, 2, 3]);
      let prev = ledger.identity;
      for (const { seq, bytes, leaf } of ledger.read(1, ledger.size())) {
        expect(leafHash(bytes)).toBe(leaf);
        expect(parseRecord(bytes)).toMatchObject({ seq, prev, name: ["", "a", "b", "c"][seq] });
        prev = leaf;
      }
      expect(second[0]?.leaf).toBe(prev);
    });

    test("reads ranges, and nothing past the end", async () => {
      await ledger.append([ingest("a"), ingest("b"), ingest("c")]);
      expect([...ledger.read(1, 3)].map(({ seq }) => seq)).toEqual([1, 2]);
      expect([...ledger.read(3, 99)].map(({ seq }) => seq)).toEqual([3]);
      expect([...ledger.read(99, 199)]).toEqual([]);
      expect(ledger.record(4)).toBeUndefined();
    });

    test("keeps manifests with their record, once", async () => {
      const chore = sketchChore();
      const signer = signerFromSeed(Buffer.alloc(32, 2), "rnode");
      const body = signExecution(chore.facts, chore.listing, ledger.origin, signer);
      await ledger.append([{ body, manifests: chore.manifests }]);
      await ledger.append([{ body, manifests: chore.manifests }]);
      for (const { hash, bytes } of chore.manifests) expect(ledger.manifest(hash)).toEqual(Buffer.from(bytes));
      expect(ledger.manifest(sha256("nobody kept this"))).toBeUndefined();
      expect(ledger.record(1)).toMatchObject(body);
    });

    test("keeps long lists whole, outside the record", async () => {
      const artifacts = Array.from({ length: 5_000 }, (_, i) => ({ p: `out/${i}`, d: sha256(String(i)) }));
      await ledger.append([buildEnd(artifacts)]);
      const record = ledger.record(1);
      expect(record).toMatchObject({ kind: "build.end", artifacts, more: { n: 5_000 } });
      expect([...ledger.read(1, 2)][0]?.bytes.length).toBeLessThan(1_000);
    });

    test("keeps names and texts of any kind", async () => {
      const chore = sketchChore({ props: { "C++ FLAGS": "a\nb", é: "\u{1f600}", a: "" } });
      const signer = signerFromSeed(Buffer.alloc(32, 2), "rnode");
      const body = signExecution(chore.facts, chore.listing, ledger.origin, signer);
      await ledger.append([{ body, manifests: chore.manifests }, ingest("half \ud83d of a character")]);
      expect(ledger.record(1)).toMatchObject({ props: { "C++ FLAGS": "a\nb", é: "\u{1f600}", a: "" } });
      expect(ledger.record(2)).toMatchObject({ name: "half \ufffd of a character" });
    });

    test("refuses what is no record, and only that", async () => {
      const bad = { body: { kind: "ingest", name: 1 }, manifests: [] } as unknown as Entry;
      const [refused, kept] = await Promise.allSettled([
        ledger.append([ingest("a"), bad]),
        ledger.append([ingest("b")]),
        ledger.flush(),
      ]);
      expect(refused).toMatchObject({ status: "rejected", reason: { code: "RECORD_MALFORMED" } });
      expect(kept).toMatchObject({ status: "fulfilled", value: [{ seq: 1 }] });
      expect(ledger.record(1)).toMatchObject({ name: "b" });
    });

    test("refuses a record beyond 65,535 bytes", async () => {
      await expect(ledger.append([ingest("x".repeat(65_536))])).rejects.toMatchObject({ code: "RECORD_TOO_LARGE" });
      expect(ledger.size()).toBe(1);
    });

    test("takes nothing once it is closed", async () => {
      ledger.close();
      await expect(ledger.append([ingest("a")])).rejects.toMatchObject({ code: "LEDGER_CLOSED" });
    });

    test("answers an empty append with nothing", async () => {
      expect(await ledger.append([])).toEqual([]);
      expect(ledger.size()).toBe(1);
    });

    test("does not know a manifest by another's name", () => {
      expect(ledger.manifest("f".repeat(64) as Sha256)).toBeUndefined();
    });
  });
}
