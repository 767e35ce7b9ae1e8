import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Sha256, sha256 } from "../../src/base/index.ts";
import {
  type BuildEndBody,
  checkpointOfNote,
  cosign,
  type Entry,
  Frontier,
  type IngestBody,
  type Ledger,
  leafHash,
  noteVerifier,
  openNote,
  parseCheckpoint,
  parseNote,
  parseRecord,
  signExecution,
  signerFromSeed,
  verifyConsistency,
  verifyInclusion,
  vkeyOfEntry,
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

    test("gives the same manifests to whoever goes through the records", async () => {
      const bytes = Array.from({ length: 300 }, (_, i) => {
        return Buffer.from(`${i} ${"y".repeat(i % 50 === 49 ? 50_000 : i % 9)}`);
      });
      const kept = bytes.map((each) => ({ hash: sha256(each), bytes: each }));
      for (let i = 0; i < 300; i += 30) await ledger.append([{ ...ingest("a"), manifests: kept.slice(i, i + 30) }]);
      const manifest = ledger.manifestWalk();
      const gives = ({ hash }: { readonly hash: Sha256 }) => {
        const found = manifest(hash);
        return found !== undefined && sha256(found) === hash;
      };
      // In order, each with one from far before and one that is not there; then all backwards.
      const inOrder = kept.map(
        (each, i) => gives(each) && gives(kept[i >> 3]!) && !gives({ hash: sha256(`none ${i}`) }),
      );
      const backwards = [...kept].reverse().map(gives);
      expect([...inOrder, ...backwards].filter((isRight) => !isRight)).toEqual([]);
    });

    test("says of many manifests at once whether they are there", async () => {
      const manifests = Array.from({ length: 600 }, (_, i) => Buffer.from(`manifest ${i} ${"x".repeat(i % 7)}`)).map(
        (bytes) => ({ hash: sha256(bytes), bytes }),
      );
      await ledger.append([{ ...ingest("a"), manifests }]);
      const hashes = manifests.map(({ hash }) => hash);
      expect(ledger.hasManifests([])).toBe(true);
      expect(ledger.hasManifests([...hashes, ...hashes.slice(0, 9).reverse()])).toBe(true);
      for (const at of [0, 300, 600]) {
        expect(ledger.hasManifests([...hashes.slice(0, at), sha256("nobody kept this"), ...hashes.slice(at)])).toBe(
          false,
        );
      }
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

    const tree = async (count: number) => {
      const entries = Array.from({ length: count }, (_, i) => ingest(String(i)));
      await Promise.all([ledger.append(entries), ledger.flush()]);
      return [...ledger.read(0, ledger.size())].map(({ leaf }) => Buffer.from(leaf, "hex"));
    };
    const bytesOf = (root: string) => Buffer.from(root, "hex");

    test("has the root its leaves have, at every size", async () => {
      const leaves = await tree(600);
      const frontier = Frontier.empty();
      for (const [size, leaf] of leaves.entries()) {
        if (size % 37 === 0 || Math.abs((size % 256) - 1) < 2)
          expect(ledger.root(size)).toBe(Buffer.from(frontier.root()).toString("hex"));
        frontier.append(leaf);
      }
      expect(ledger.root()).toBe(Buffer.from(frontier.root()).toString("hex"));
      for (const wrong of [-1, 602, 0.5]) expect(() => ledger.root(wrong)).toThrow(RangeError);
    });

    test("proves that a record is in it, and that it only grew", async () => {
      const leaves = await tree(300);
      for (const size of [1, 2, 255, 256, 257, 301]) {
        const root = bytesOf(ledger.root(size));
        for (const index of [0, size >> 1, size - 1]) {
          const path = ledger.inclusion(index, size);
          expect(verifyInclusion({ leaf: leaves[index]!, index, size, path, root })).toBe(true);
        }
        const path = ledger.consistency(size, 301);
        const secondRoot = bytesOf(ledger.root());
        expect(verifyConsistency({ first: size, firstRoot: root, second: 301, secondRoot, path })).toBe(true);
      }
      expect(() => ledger.inclusion(300, 300)).toThrow(RangeError);
      expect(() => ledger.inclusion(0, 302)).toThrow(RangeError);
      expect(() => ledger.consistency(3, 302)).toThrow(RangeError);
    });

    test("signs the size it has, once, and keeps what it signed", async () => {
      const first = await ledger.checkpoint();
      expect(first).toMatchObject({ size: 1, root: ledger.identity });
      expect(await ledger.checkpoint()).toEqual(first);
      await Promise.all([ledger.append([buildEnd([])]), ledger.flush()]);
      const second = await ledger.checkpoint();
      expect(second).toMatchObject({ size: 2, root: ledger.root(2) });
      expect(ledger.checkpoints()).toEqual([first, second]);
      const genesis = ledger.record(0);
      const log = genesis?.kind === "genesis" ? genesis.keys.find(({ role }) => role === "log") : undefined;
      const verifier = noteVerifier(vkeyOfEntry(ledger.origin, log!));
      for (const { note, size, root } of [first, second]) {
        expect(parseCheckpoint(openNote(note, [verifier]).text)).toMatchObject({ origin: ledger.origin, size });
        expect(checkpointOfNote(note).root).toBe(root);
      }
    });

    test("takes witnesses' lines later", async () => {
      const { size, note } = await ledger.checkpoint();
      const keeper = signerFromSeed(Buffer.alloc(32, 3), "rnode");
      const publicKey = Buffer.from(keeper.entry.pub, "base64");
      const cosigner = { name: "w1", publicKey, sign: (bytes: Uint8Array) => keeper.sign(bytes) };
      const line = cosign(cosigner, parseNote(note).text, 1_767_225_604);
      ledger.cosign(size, [line]);
      ledger.cosign(size, [line]);
      const cosigned = ledger.checkpoints()[0]!.note;
      expect(parseNote(cosigned).signatures).toHaveLength(2);
      const witness = noteVerifier(vkeyOfEntry("w1", { ...keeper.entry, role: "witness" }));
      expect(openNote(cosigned, [witness]).verified).toHaveLength(1);
      expect((await ledger.checkpoint()).note).toBe(cosigned);
      expect(() => ledger.cosign(9, [line])).toThrow(/no checkpoint of 9/);
    });

    test("knows its control records without looking for them", async () => {
      const control: Entry = {
        body: {
          kind: "property",
          subject: "frodo",
          name: "arch",
          value: "amd64",
          by: "1".repeat(64) as Sha256,
          at: 2,
          before: 0,
          nonce: "2".repeat(32),
          bysig: Buffer.alloc(64).toString("base64"),
        },
        manifests: [],
      };
      await Promise.all([ledger.append([ingest("a"), control, ingest("b"), control]), ledger.flush()]);
      expect(ledger.controlSeqs()).toEqual([2, 4]);
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
