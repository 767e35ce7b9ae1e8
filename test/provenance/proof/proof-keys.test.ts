import { describe, expect, test } from "vitest";
import {
  type ControlRecord,
  currentLogKeys,
  type Decided,
  type ExecutionRecord,
  encodeRecord,
  exportProof,
  type GenesisBody,
  KeyHistory,
  type KeyRole,
  keyRecords,
  NO_RECORD,
  nodeProofCrypto,
  type ProofVerdict,
  provePossession,
  regenerateStatement,
  type Signer,
  signCheckpoint,
  signControl,
  signExecution,
  signerFromSeed,
  verifyProof,
} from "../../../src/provenance/index.ts";
import { MemoryLedger } from "../../support/memory-ledger.ts";
import { listAction, sketchChore } from "../../support/recorded-chore.ts";

const key = (seed: number, role: string, rnode?: string): Signer => {
  const signer = signerFromSeed(Buffer.alloc(32, seed), role as KeyRole, rnode);
  return { ...signer, entry: { ...signer.entry, role: role as never } };
};
const root = key(9, "root");
const admin = key(8, "admin");
const log = key(1, "log");
const newLog = key(5, "log");
const frodo = key(2, "rnode", "frodo");
const sam = key(4, "rnode", "sam");

/** A ledger whose genesis has a root key, and whose checkpoints are signed by whoever may. */
class LivedLedger extends MemoryLedger {
  #nonce = 0;

  constructor() {
    super();
    const genesis: GenesisBody = {
      kind: "genesis",
      cluster: "shire",
      keys: [root.entry, log.entry, frodo.entry],
      policy: "test",
    };
    const first = encodeRecord(genesis, { log: this.origin, seq: 0, prev: NO_RECORD, atMs: 0 });
    this.rows[0] = first;
    Object.assign(this, { identity: first.leaf });
  }

  records(): ControlRecord[] {
    return this.controlSeqs().map((seq) => this.record(seq) as ControlRecord);
  }

  history(): KeyHistory {
    return new KeyHistory(this.record(0) as never, this.records());
  }

  async decide(decided: Decided, by: Signer): Promise<number> {
    this.#nonce++;
    const place = { at: this.size(), before: this.history().lastControl, nonce: Buffer.alloc(16, this.#nonce) };
    const [added] = await this.append([{ body: signControl(decided, place, this.origin, by), manifests: [] }]);
    return added!.seq;
  }

  endorse(subject: Signer, by: Signer = root): Promise<number> {
    const pop = provePossession(subject, this.origin);
    return this.decide({ kind: "key.endorse", subject: subject.entry, pop }, by);
  }

  rotate(old: Signer, to: Signer, until: number): Promise<number> {
    const pop = provePossession(to, this.origin);
    return this.decide({ kind: "key.rotate", role: "log", old: old.key, new: to.entry, pop, until }, root);
  }

  async execute(by: Signer): Promise<number> {
    const chore = sketchChore();
    const body = signExecution(chore.facts, chore.listing, this.origin, by);
    const [added] = await this.append([{ body, manifests: chore.manifests }]);
    return added!.seq;
  }

  override async checkpoint() {
    const known = currentLogKeys(this.history(), this.size());
    const signers = [log, newLog].filter(({ key }) => known.some(({ id }) => id === key));
    return signCheckpoint(this.origin, this.size(), this.root(), signers);
  }

  async prove(seq: number, signer: Signer, at: Signer = log): Promise<Uint8Array> {
    const record = this.record(seq) as ExecutionRecord;
    const idle = new Set(this.history().problems.map((problem) => problem.seq));
    const { proof } = await exportProof({
      ledger: this,
      record,
      statement: regenerateStatement(record, this, listAction),
      listing: listAction(record.action, (hash) => this.manifest(hash)),
      artifact: { path: record.out[0]!.p, sha256: record.out[0]!.d },
      rnodeKey: signer.entry,
      log: at,
      control: keyRecords(
        this.records().filter((one) => !idle.has(one.seq)),
        [signer.key, log.key, newLog.key],
      ),
      agreeing: [],
      attested: [],
    });
    return proof;
  }
}

const ask = (proof: Uint8Array): Promise<ProofVerdict> =>
  verifyProof({ proof, crypto: nodeProofCrypto, trustBundleKeys: true });

const without = (proof: Uint8Array, kind: string): Buffer => {
  const value = JSON.parse(Buffer.from(proof).toString());
  value.control = value.control.filter((entry: { record: { kind: string } }) => entry.record.kind !== kind);
  if (value.control.length === 0) delete value.control;
  return Buffer.from(JSON.stringify(value));
};

describe("keys in a proof", () => {
  test("endorsed later count, and say who endorsed them", async () => {
    const ledger = new LivedLedger();
    await ledger.endorse(sam);
    const proof = await ledger.prove(await ledger.execute(sam), sam);
    expect(await ask(proof)).toMatchObject({ verdict: "holds", shown: { signer: [sam.key, root.key] } });
    expect(await ask(without(proof, "key.endorse"))).toMatchObject({ verdict: "tampered" });
  });

  test("do not count before they were endorsed", async () => {
    const ledger = new LivedLedger();
    const seq = await ledger.execute(sam);
    await ledger.endorse(sam);
    expect(await ask(await ledger.prove(seq, sam))).toMatchObject({ verdict: "tampered" });
  });

  test("may be endorsed by an admin whom the root endorsed, but no root or admin by an admin", async () => {
    const ledger = new LivedLedger();
    await ledger.endorse(admin);
    await ledger.endorse(sam, admin);
    const proof = await ledger.prove(await ledger.execute(sam), sam);
    expect(await ask(proof)).toMatchObject({ verdict: "holds", shown: { signer: [sam.key, admin.key, root.key] } });
  });

  test("endorsed by a log key, or by nobody with authority, count for nothing", async () => {
    for (const by of [log, frodo, sam]) {
      const ledger = new LivedLedger();
      const endorsed = await ledger.endorse(sam, by);
      const record = await ledger.prove(await ledger.execute(sam), sam);
      expect((await ask(record)).verdict).toBe("tampered");
      // Not even where whoever writes the proof puts the endorsement in.
      const value = JSON.parse(Buffer.from(record).toString());
      const path = ledger.inclusion(endorsed, ledger.size()).map((hash) => Buffer.from(hash).toString("base64"));
      value.control = [{ path, record: JSON.parse(ledger.rows[endorsed]!.bytes.toString()) }];
      const verdict = await ask(Buffer.from(JSON.stringify(sorted(value))));
      expect(verdict).toMatchObject({ verdict: "tampered" });
      expect(verdict.problems[0]).toContain("no authority");
    }
  });

  test("revoked from a record on count before it and not from there on", async () => {
    for (const [from, verdict] of [
      [1, "tampered"],
      [2, "tampered"],
      [3, "holds"],
    ] as const) {
      const ledger = new LivedLedger();
      await ledger.endorse(sam);
      const seq = await ledger.execute(sam);
      await ledger.decide({ kind: "key.revoke", id: sam.key, fromSeq: from, reason: "lost" }, root);
      expect(await ask(await ledger.prove(seq, sam)), `from ${from}`).toMatchObject({ verdict });
    }
  });

  test("revoked of an admin take what it endorsed since with it", async () => {
    const ledger = new LivedLedger();
    const since = await ledger.endorse(admin);
    await ledger.endorse(sam, admin);
    const seq = await ledger.execute(sam);
    const before = await ledger.prove(seq, sam);
    await ledger.decide({ kind: "key.revoke", id: admin.key, fromSeq: since + 1, reason: "stolen" }, root);
    expect(await ask(before)).toMatchObject({ verdict: "holds" });
    expect(await ask(await ledger.prove(seq, sam))).toMatchObject({ verdict: "tampered" });
  });

  test("of the ledger may change: while both count both sign, then the new one alone", async () => {
    const ledger = new LivedLedger();
    const seq = await ledger.execute(frodo);
    await ledger.rotate(log, newLog, 5);
    const both = await ledger.prove(seq, frodo);
    expect(await ask(both)).toMatchObject({ verdict: "holds", shown: { log: { length: 2 } } });
    expect(await ask(without(both, "key.rotate"))).toMatchObject({ verdict: "tampered" });
    while (ledger.size() < 7) await ledger.execute(frodo);
    const later = await ledger.prove(seq, frodo, newLog);
    expect(await ask(later)).toMatchObject({ verdict: "holds", shown: { log: { length: 1 } } });
  });

  test("and all that says why they count are covered: no byte can be another", async () => {
    const ledger = new LivedLedger();
    await ledger.endorse(sam);
    const seq = await ledger.execute(sam);
    await ledger.rotate(log, newLog, 50);
    const proof = await ledger.prove(seq, sam);
    for (let at = 0; at < proof.length; at++) {
      const other = Buffer.from(proof);
      other[at] = other[at]! ^ 1;
      if ((await ask(other)).verdict === "holds") expect.unreachable(`byte ${at} makes no difference`);
    }
  }, 60_000);
});

/** Members in the order of canonical JSON, one level deep: the rest came from there. */
const sorted = (value: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
