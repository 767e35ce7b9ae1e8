import { describe, expect, test } from "vitest";
import { type Sha256, sha256 } from "../../src/base/index.ts";
import {
  type ControlBody,
  currentLogKeys,
  type Decided,
  encodeRecord,
  type GenesisBody,
  type KeyHistory,
  leafHash,
  type PublicKeyEntry,
  parseRecord,
  provePossession,
  type RecordBody,
  readKeyHistory,
  type Signer,
  signControl,
  signerFromSeed,
} from "../../src/provenance/index.ts";
import { MemoryLedger } from "../support/memory-ledger.ts";

const signer = (n: number, role: PublicKeyEntry["role"], rnode?: string): Signer => {
  const made = signerFromSeed(Buffer.alloc(32, n), "rnode", rnode);
  return { ...made, entry: { ...made.entry, role } };
};
const root = signer(7, "root");
const admin = signer(8, "admin");
const log = signer(1, "log");
const frodo = signer(2, "rnode", "frodo");
const sam = signer(9, "rnode", "sam");
const newLog = signer(5, "log");
const witness = signer(3, "witness");

/** A ledger with a root key whose decisions are written down as they are made. */
class Council {
  readonly ledger = new MemoryLedger();
  #nonce = 0;

  constructor(keys: readonly PublicKeyEntry[] = [root.entry, log.entry, frodo.entry]) {
    const genesis: GenesisBody = { kind: "genesis", cluster: "shire", keys, policy: "test" };
    const first = encodeRecord(genesis, {
      log: this.ledger.origin,
      seq: 0,
      prev: parseRecord(this.ledger.rows[0]!.bytes).prev,
      atMs: 0,
    });
    this.ledger.rows[0] = first;
  }

  get history(): KeyHistory {
    return readKeyHistory(this.ledger);
  }

  sign(by: Signer, decided: Decided, place: { at?: number; before?: number } = {}): ControlBody {
    const nonce = Buffer.alloc(16, ++this.#nonce);
    const { at = this.ledger.size(), before = this.history.lastControl } = place;
    return signControl(decided, { at, before, nonce }, this.ledger.origin, by);
  }

  async put(body: RecordBody): Promise<number> {
    const [appended] = await this.ledger.append([{ body, manifests: [] }]);
    return appended!.seq;
  }

  async decide(by: Signer, decided: Decided, place?: { at?: number; before?: number }): Promise<number> {
    return this.put(this.sign(by, decided, place));
  }

  endorsement(key: Signer): Decided {
    return { kind: "key.endorse", subject: key.entry, pop: provePossession(key, this.ledger.origin) };
  }

  rotation(old: Signer, next: Signer, until: number): Decided {
    const pop = provePossession(next, this.ledger.origin);
    return { kind: "key.rotate", role: old.entry.role, old: old.key, new: next.entry, pop, until };
  }

  revocation(key: Signer, fromSeq: number): Decided {
    return { kind: "key.revoke", id: key.key, fromSeq, reason: "lost" };
  }

  async pass(n: number): Promise<void> {
    for (let i = 0; i < n; i++) {
      await this.put({ kind: "ingest", name: `${i}`, uri: "u", version: "1", files: [], by: "me" });
    }
  }

  why(key: Signer, seq: number, role: PublicKeyEntry["role"] = key.entry.role): string {
    const valid = this.history.validAt(key.key, seq, role);
    return valid.ok ? "ok" : valid.reason;
  }

  problems(): readonly string[] {
    return this.history.problems.map(({ seq, because }) => `${seq} ${because}`);
  }
}

describe("a key counts", () => {
  test("from genesis on when that lists it, in its own role", () => {
    const council = new Council();
    expect(council.why(frodo, 0)).toBe("ok");
    expect(council.why(frodo, 1_000)).toBe("ok");
    expect(council.why(sam, 1)).toBe("not-endorsed");
    for (const role of ["log", "root", "admin", "witness"] as const) {
      expect(council.why(frodo, 1, role)).toBe("wrong-role");
    }
    expect(council.why(log, 1, "rnode")).toBe("wrong-role");
  });

  test("after the record that endorses it, not before", async () => {
    const council = new Council();
    await council.pass(3);
    const seq = await council.decide(root, council.endorsement(sam));
    expect(council.problems()).toEqual([]);
    expect([seq - 1, seq, seq + 1].map((at) => council.why(sam, at))).toEqual([
      "endorsed-later",
      "endorsed-later",
      "ok",
    ]);
  });

  test("before the record it is revoked from, and is never endorsed again", async () => {
    const council = new Council();
    await council.pass(5);
    const seq = await council.decide(root, council.revocation(frodo, 3));
    expect([2, 3, seq].map((at) => council.why(frodo, at))).toEqual(["ok", "revoked", "revoked"]);
    const again = await council.decide(root, council.endorsement(frodo));
    expect(council.problems()).toEqual([
      `${again} key.endorse: key ${frodo.key.slice(0, 12)} was revoked and cannot come back`,
    ]);
    expect(council.why(frodo, again + 1)).toBe("revoked");
    // Saying it again, but later, gives nothing back.
    await council.decide(root, council.revocation(frodo, 9));
    expect(council.why(frodo, 4)).toBe("revoked");
  });
});

describe("who decides", () => {
  const usurpers: readonly (readonly [string, Signer])[] = [
    ["the log key", log],
    ["an rnode key", frodo],
    ["a key nobody knows", sam],
    ["a witness", witness],
  ];
  test.each(usurpers)("%s endorses, rotates, revokes and quarantines nothing", async (_, usurper) => {
    const council = new Council([root.entry, log.entry, frodo.entry, witness.entry]);
    await council.decide(usurper, council.endorsement(signer(20, "rnode")));
    await council.decide(usurper, council.rotation(log, newLog, 90));
    await council.decide(usurper, council.revocation(frodo, 0));
    await council.decide(usurper, { kind: "quarantine", target: { t: "rnode", is: "frodo" }, fromSeq: 0, reason: "?" });
    expect(council.history.problems).toHaveLength(4);
    for (const { because, counts } of council.history.problems) {
      expect(because).toContain("has no authority");
      expect(counts).toBe(false);
    }
    expect(council.history.keys()).toHaveLength(4);
    expect(council.why(frodo, 9)).toBe("ok");
    expect(council.history.quarantines).toEqual([]);
    expect(council.history.lastControl).toBe(0);
  });

  test("an admin that the root endorsed, but not about roots, admins or backups", async () => {
    const council = new Council();
    await council.decide(root, council.endorsement(admin));
    await council.decide(admin, council.endorsement(sam));
    expect(council.problems()).toEqual([]);
    expect(council.why(sam, 9)).toBe("ok");
    const lost = { size: 9, root: sha256("x") };
    const beyond: readonly Decided[] = [
      council.endorsement(signer(30, "root")),
      council.endorsement(signer(31, "admin")),
      council.revocation(root, 0),
      council.rotation(root, signer(32, "root"), 90),
      { kind: "restore", lost, size: 1, root: sha256("y"), reason: "?" },
    ];
    for (const decided of beyond) await council.decide(admin, decided);
    expect(council.problems().map((line) => line.replace(/.*only a root key /, ""))).toEqual([
      "decides about root keys",
      "decides about admin keys",
      "decides about root keys",
      "decides about root keys",
      "restores a backup",
    ]);
    expect(council.why(root, 99)).toBe("ok");
  });

  test("what a stolen admin key decided falls with it, from where it was stolen", async () => {
    const council = new Council();
    await council.decide(root, council.endorsement(admin));
    await council.decide(admin, council.endorsement(sam));
    const stolen = council.ledger.size();
    const thief = signer(40, "rnode", "thief");
    await council.decide(admin, council.endorsement(thief));
    await council.decide(root, council.revocation(admin, stolen));
    expect(council.why(sam, 99)).toBe("ok");
    expect(council.why(thief, 99)).toBe("not-endorsed");
    expect(council.history.problems).toMatchObject([{ seq: stolen, verdict: "not proven", counts: false }]);
  });

  test("another key's signature is none", async () => {
    const council = new Council();
    const body = { ...council.sign(frodo, council.endorsement(sam)), by: root.key } as ControlBody;
    await council.put(body);
    expect(council.problems()).toEqual([`1 key.endorse: the signature is not by key ${root.key.slice(0, 12)}`]);
    expect(council.why(sam, 9)).toBe("not-endorsed");
  });

  test.each(["subject", "pop", "at", "before", "nonce"])(
    "a decision with another %s is not what was signed",
    async (name) => {
      const council = new Council();
      await council.pass(2);
      const body = council.sign(root, council.endorsement(sam));
      const other = council.sign(root, council.endorsement(signer(50, "rnode"))) as unknown as {
        [name: string]: unknown;
      };
      const value = { at: 2, before: 1 }[name] ?? other[name];
      await council.put({ ...body, [name]: value } as ControlBody);
      expect(council.problems()[0]).toContain("the signature is not by key");
      expect(council.why(sam, 9)).toBe("not-endorsed");
    },
  );

  test("a decision about another ledger is none here", async () => {
    const [ours, theirs] = [new Council(), new Council()];
    const decided = { kind: "key.endorse" as const, subject: sam.entry, pop: provePossession(sam, "elsewhere/1") };
    const place = { at: 1, before: 0, nonce: Buffer.alloc(16) };
    await ours.put(signControl(decided, place, "elsewhere/1", root));
    await theirs.decide(root, decided);
    expect(ours.problems()[0]).toContain("the signature is not by key");
    expect(theirs.problems()[0]).toContain("did not prove that its holder agrees");
  });
});

describe("an endorsement", () => {
  const council = () => new Council();
  const cases: readonly (readonly [string, (c: Council) => Decided, string])[] = [
    [
      "without proof of possession",
      (c) => ({ ...c.endorsement(sam), pop: Buffer.alloc(64).toString("base64") }) as Decided,
      "did not prove",
    ],
    [
      "with the proof of another key",
      (c) => ({ ...c.endorsement(sam), pop: provePossession(frodo, c.ledger.origin) }) as Decided,
      "did not prove",
    ],
    [
      "with the proof for another role",
      (c) => ({ ...c.endorsement(sam), subject: { ...sam.entry, role: "log" } }) as Decided,
      "did not prove",
    ],
    [
      "under the id of another key",
      (c) => ({ ...c.endorsement(sam), subject: { ...sam.entry, id: sha256("x") } }) as Decided,
      "is not the id",
    ],
    ["of a key in a second role", (c) => c.endorsement(signer(2, "log")), "is endorsed already, as rnode key"],
    ["of a key once more", (c) => c.endorsement(frodo), "is endorsed already"],
  ];
  test.each(cases)("%s is none", async (_, decided, because) => {
    const c = council();
    await c.decide(root, decided(c));
    expect(c.problems()[0]).toContain(because);
    expect(c.history.keys()).toHaveLength(3);
  });
});

describe("a decision repeated", () => {
  test("counts once, wherever it comes again", async () => {
    const council = new Council();
    const body = council.sign(root, {
      kind: "quarantine",
      target: { t: "rnode", is: "frodo" },
      fromSeq: 0,
      reason: "?",
    });
    const of = await council.put(body);
    await council.decide(root, { kind: "release", of, reason: "good" });
    const copy = await council.put(body);
    expect(council.problems()).toEqual([`${copy} quarantine: was recorded before; it counts once`]);
    expect(council.history.quarantines).toEqual([]);
    expect(council.history.lastControl).toBe(of + 1);
  });
});

describe("the chain of decisions", () => {
  test("shows that one was left out", async () => {
    const council = new Council();
    await council.pass(2);
    await council.decide(root, council.revocation(frodo, 1));
    const later = council.sign(root, council.endorsement(sam));
    const without = new Council();
    await without.pass(3);
    await without.put(later);
    expect(without.history.problems).toMatchObject([
      { verdict: "tampered", because: "key.endorse: the control record 3 before it is missing", counts: false },
    ]);
    expect(without.why(sam, 9)).toBe("not-endorsed");
  });

  test("of two decisions made at once, what forbids counts and what allows must be signed again", async () => {
    const council = new Council();
    const [allow, forbid] = [
      council.sign(root, council.endorsement(sam)),
      council.sign(root, council.revocation(frodo, 2)),
    ];
    await council.decide(root, council.endorsement(signer(60, "rnode")));
    await council.put(allow);
    const seq = await council.put(forbid);
    expect(council.history.problems.map(({ because, counts }) => [because, counts])).toEqual([
      ["key.endorse: was signed without knowing of record 1", false],
      ["key.revoke: was signed without knowing of record 1", true],
    ]);
    expect([council.why(sam, 9), council.why(frodo, 9)]).toEqual(["not-endorsed", "revoked"]);
    expect(council.history.lastControl).toBe(seq);
    await council.decide(root, council.endorsement(sam));
    expect(council.why(sam, 9)).toBe("ok");
  });

  test("is not broken by what has no authority", async () => {
    const council = new Council();
    await council.decide(log, council.revocation(frodo, 0));
    await council.decide(root, council.endorsement(sam));
    expect(council.problems()).toHaveLength(1);
    expect(council.why(sam, 9)).toBe("ok");
  });

  test.each([
    [{ at: 9 }, "says it was signed at 9 records"],
    [{ at: 0 }, "says it was signed at 0 records"],
    [{ before: 2 }, "the control record 2 before it is missing"],
  ])("refuses a place that cannot be: %o", async (place, because) => {
    const council = new Council();
    await council.pass(3);
    await council.decide(root, council.endorsement(sam), place);
    expect(council.problems()[0]).toContain(because);
    expect(council.why(sam, 9)).toBe("not-endorsed");
  });
});

describe("a rotation", () => {
  const ids = (council: Council, size: number) => currentLogKeys(council.history, size).map(({ id }) => id);

  test("has both keys sign for a while, then the new one alone", async () => {
    const council = new Council();
    await council.pass(4);
    const seq = await council.decide(root, council.rotation(log, newLog, 9));
    expect(council.problems()).toEqual([]);
    expect([seq, seq + 1, 9, 10].map((size) => ids(council, size).length)).toEqual([1, 2, 2, 1]);
    expect(ids(council, seq)).toEqual([log.key]);
    expect(ids(council, seq + 1)).toEqual([log.key, newLog.key]);
    expect(ids(council, 10)).toEqual([newLog.key]);
    expect([8, 9].map((at) => council.why(log, at))).toEqual(["ok", "retired"]);
  });

  test("three times over is walked from genesis alone", async () => {
    const council = new Council();
    const keys = [log, signer(11, "log"), signer(12, "log"), signer(13, "log")];
    for (let i = 0; i < 3; i++) {
      await council.decide(root, council.rotation(keys[i]!, keys[i + 1]!, council.ledger.size() + 2));
      await council.pass(4);
    }
    expect(council.problems()).toEqual([]);
    expect(ids(council, council.ledger.size())).toEqual([keys[3]!.key]);
    expect(keys.map((key) => council.why(key, council.ledger.size()))).toEqual(["retired", "retired", "retired", "ok"]);
  });

  test("of a revoked log key leaves the new one alone", async () => {
    const council = new Council();
    const seq = await council.decide(root, council.rotation(log, newLog, 99));
    await council.decide(root, council.revocation(log, 0));
    expect(ids(council, seq + 2)).toEqual([newLog.key]);
  });

  const refused: readonly (readonly [string, (c: Council) => Decided, string])[] = [
    [
      "to a key of another role",
      (c) => ({ ...c.rotation(log, frodo, 9), new: sam.entry }) as Decided,
      "does not take over",
    ],
    ["to the key of another rnode", (c) => c.rotation(frodo, sam, 9), "of another rnode"],
    ["from a key nobody knows", (c) => c.rotation(newLog, signer(70, "log"), 9), "no endorsed log key"],
    ["that ends in the past", (c) => c.rotation(log, newLog, 0), "which is past"],
    [
      "without proof",
      (c) => ({ ...c.rotation(log, newLog, 9), pop: Buffer.alloc(64).toString("base64") }) as Decided,
      "did not prove",
    ],
  ];
  test.each(refused)("%s is none", async (_, decided, because) => {
    const council = new Council();
    await council.decide(root, decided(council));
    expect(council.problems()[0]).toContain(because);
    expect(ids(council, 9)).toEqual([log.key]);
  });

  test("happens once a key", async () => {
    const council = new Council();
    await council.decide(root, council.rotation(log, newLog, 9));
    await council.decide(root, council.rotation(log, signer(71, "log"), 9));
    expect(council.problems()[0]).toContain("has given way to another one already");
  });
});

test("a lost rnode key is replaced with the root key alone", async () => {
  const council = new Council();
  await council.decide(root, council.endorsement(signer(80, "rnode", "frodo")));
  expect(council.problems()).toEqual([]);
  expect(council.why(signer(80, "rnode"), 2)).toBe("ok");
});

test("a ledger without a root key works as before, and nobody decides anything in it", async () => {
  const council = new Council([log.entry, frodo.entry]);
  await council.decide(root, council.endorsement(sam));
  expect(council.problems()[0]).toContain("has no authority");
  expect(council.why(frodo, 9)).toBe("ok");
  expect(council.history.keys().some(({ entry }) => entry.role === "root")).toBe(false);
});

test("a control record that was changed decides nothing", async () => {
  const council = new Council();
  const seq = await council.decide(root, council.endorsement(sam));
  const bytes = Buffer.from(council.ledger.rows[seq]!.bytes.toString().replace('"sam"', '"tom"'));
  council.ledger.rows[seq] = { bytes, leaf: leafHash(bytes) as Sha256 };
  expect(council.problems()[0]).toContain("the signature is not by key");
});
