import Database from "better-sqlite3";
import { beforeEach, describe, expect, test } from "vitest";
import { type Sha256, sha256 } from "../../src/base/index.ts";
import { KernelRandom } from "../../src/platform/index.ts";
import {
  type Decided,
  type ExecBody,
  findTaint,
  loadSigner,
  ProvenSignatures,
  readKeyHistory,
  type SqliteLedger,
  signControl,
  signExecution,
  signerFromSeed,
  type TrustVerdict,
  trustedExecution,
} from "../../src/provenance/index.ts";
import { leafHash } from "../../src/provenance/record-codec.ts";
import { failed, listAction, type SketchedChore, sketchChore } from "../support/recorded-chore.ts";
import { files, newStateHome, open, record } from "./state-home.ts";

/** Made from a source, and from what that made. */
const first = sketchChore({ chore: "cc(a.c)", inputs: { "a.c": "int a;\n" }, outputs: { "a.o": "object a\n" } });
const second = sketchChore({ chore: "ld(app)", inputs: { "a.o": "object a\n" }, outputs: { app: "program\n" } });

let home: string;
let ledger: SqliteLedger;
let seqs: number[];
let proven: ProvenSignatures;
beforeEach(async () => {
  proven = new ProvenSignatures();
  home = newStateHome();
  ledger = await open(home);
  seqs = await record(ledger, "b1", [first, second]);
  // What is genuine was asked for before, and is remembered.
  for (const [i, { facts }] of [first, second].entries()) asked(seqs[i] as number, facts.action);
});

/** What a build makes of an index that says `seq` is a result of `action`, whatever it has proven before. */
function asked(seq: number, action: Sha256, minimumLevel: "none" | "hermetic" = "none"): TrustVerdict {
  const keys = readKeyHistory(ledger);
  const made = [...ledger.read(0, ledger.size())].flatMap((row) => {
    const found = ledger.record(row.seq);
    return found?.kind === "exec" ? [found] : [];
  });
  const producers = (hash: Sha256) => made.filter(({ out }) => out.some(({ d }) => d === hash));
  const taint = findTaint({ ledger, history: keys, lister: listAction, members: () => undefined, producers });
  const policy = { minimumLevel, keys, lister: listAction, taint };
  const verdict = trustedExecution({ seq }, action, ledger, policy);
  for (let times = 0; times < 2; times++)
    expect(trustedExecution({ seq }, action, ledger, { ...policy, proven })).toEqual(verdict);
  return verdict;
}

async function append(body: ExecBody, chore: SketchedChore): Promise<number> {
  const [appended] = await ledger.append([{ body, manifests: chore.manifests }]);
  return appended!.seq;
}

async function decide(decided: Decided): Promise<void> {
  const place = {
    at: ledger.size(),
    before: readKeyHistory(ledger).lastControl,
    nonce: new KernelRandom().bytes(16),
  };
  const body = signControl(decided, place, ledger.origin, loadSigner(files, home, "root"));
  await ledger.append([{ body, manifests: [] }]);
}

const poisoned = sketchChore({ chore: "cc(a.c)", inputs: { "a.c": "int a;\n" }, outputs: { "a.o": "poison\n" } });
const signed = (chore: SketchedChore, signer = ledger.signer(), origin = ledger.origin): ExecBody =>
  signExecution({ ...chore.facts, build: "b2" }, chore.listing, origin, signer);

type Poison = readonly [what: string, put: () => Promise<TrustVerdict>, reason: string];

const POISONS: readonly Poison[] = [
  ["a mapping to another action's result", async () => asked(seqs[1]!, first.facts.action), "not-in-ledger"],
  ["a mapping to no record", async () => asked(99, first.facts.action), "not-in-ledger"],
  ["a mapping to a record of another kind", async () => asked(0, first.facts.action), "not-in-ledger"],
  [
    "a failure",
    async () => {
      const { facts, listing } = failed(first);
      const body = signExecution({ ...facts, build: "b2" }, listing, ledger.origin, ledger.signer());
      const [appended] = await ledger.append([{ body, manifests: first.manifests }]);
      return asked(appended!.seq, first.facts.action);
    },
    "not-in-ledger",
  ],
  [
    "other outputs under a genuine signature",
    async () => {
      const body = { ...signed(first), out: poisoned.facts.out };
      return asked(await append(body, first), first.facts.action);
    },
    "bad-signature",
  ],
  [
    "no signature at all",
    async () => {
      const body = { ...signed(poisoned), sig: Buffer.alloc(64).toString("base64") };
      return asked(await append(body, poisoned), first.facts.action);
    },
    "bad-signature",
  ],
  [
    "a signature of a key nobody endorsed",
    async () => {
      const body = signed(poisoned, signerFromSeed(Buffer.alloc(32, 66), "rnode"));
      return asked(await append(body, poisoned), first.facts.action);
    },
    "unendorsed-key",
  ],
  [
    "a signature of the log key",
    async () => asked(await append(signed(poisoned, loadSigner(files, home, "log")), poisoned), first.facts.action),
    "unendorsed-key",
  ],
  [
    "a signature made for another ledger",
    async () => asked(await append(signed(poisoned, ledger.signer(), "other.test/1"), poisoned), first.facts.action),
    "bad-signature",
  ],
  [
    "a genuine record under another build",
    async () => asked(await append({ ...signed(first), build: "b3" }, first), first.facts.action),
    "bad-signature",
  ],
  [
    "a result that was not for using again",
    async () => {
      const volatile = sketchChore({ ...SKETCH, cacheable: false });
      return asked(await append(signed(volatile), volatile), volatile.facts.action);
    },
    "not-cacheable",
  ],
  [
    "a result of less isolation than is asked for",
    async () => asked(seqs[0]!, first.facts.action, "hermetic"),
    "level-too-low",
  ],
  [
    "a result of a key that was revoked from before",
    async () => {
      const id = ledger.signer().key;
      await decide({ kind: "key.revoke", id, fromSeq: 1, reason: "stolen" });
      return asked(seqs[0]!, first.facts.action);
    },
    "quarantined",
  ],
  [
    "a result that was quarantined",
    async () => {
      const [at] = seqs as [number];
      await decide({ kind: "quarantine", target: { t: "records" }, fromSeq: at, toSeq: at, reason: "wrong" });
      return asked(at, first.facts.action);
    },
    "quarantined",
  ],
  [
    "a result whose input a quarantined execution made",
    async () => {
      const [at, after] = seqs as [number, number];
      await decide({ kind: "quarantine", target: { t: "records" }, fromSeq: at, toSeq: at, reason: "wrong" });
      return asked(after, second.facts.action);
    },
    "quarantined",
  ],
  [
    "a result made from a source that is quarantined, two steps away",
    async () => {
      const target = { t: "digest" as const, is: sha256("int a;\n") };
      await decide({ kind: "quarantine", target, fromSeq: 0, reason: "backdoor" });
      return asked(seqs[1]!, second.facts.action);
    },
    "quarantined",
  ],
];

const SKETCH = { chore: "when()", inputs: {}, outputs: { when: "now\n" } };

describe("a poisoned cache", () => {
  test.each(POISONS)("offers %s: refused", async (_, put, reason) => {
    expect(await put()).toMatchObject({ trusted: false, reason });
    // What is genuine and undecided stays good, and its outputs are those of the record.
    if (reason === "quarantined") return;
    expect(asked(seqs[0]!, first.facts.action)).toMatchObject({ trusted: true, record: { out: first.facts.out } });
    expect(asked(seqs[1]!, second.facts.action)).toMatchObject({ trusted: true });
  });

  test("that comes to stand where a genuine result was proven: refused", async () => {
    const at = await append(signed(first), first);
    expect(asked(at, first.facts.action)).toMatchObject({ trusted: true });
    const [row] = [...ledger.read(at, at + 1)];
    const bytes = Buffer.from(row!.bytes.toString().replaceAll(first.facts.out[0]!.d, poisoned.facts.out[0]!.d));
    const database = new Database(ledger.path);
    database.exec("DROP TRIGGER record_fixed");
    const leaf = Buffer.from(leafHash(bytes), "hex");
    database.prepare("UPDATE record SET bytes = ?, leaf = ? WHERE seq = ?").run(bytes, leaf, at);
    database.close();
    expect(ledger.record(at)).toMatchObject({ out: [{ d: poisoned.facts.out[0]?.d }] });
    expect(asked(at, first.facts.action)).toMatchObject({ trusted: false, reason: "bad-signature" });
  });

  test("is not asked for twice: what was proven is not proven again", () => {
    const keys = readKeyHistory(ledger);
    let listed = 0;
    const lister: typeof listAction = (...of) => {
      listed++;
      return listAction(...of);
    };
    const policy = { minimumLevel: "none" as const, keys, lister, proven };
    expect(trustedExecution({ seq: seqs[0]! }, first.facts.action, ledger, policy).trusted).toBe(true);
    expect(listed).toBe(0);
  });
});

test("no more listings are remembered than there is room for", () => {
  const listing = { inputs: Array(60_000).fill({ path: "a", digest: sha256("a"), executable: false }) };
  const [a, b, c] = ["a", "b", "c"].map((text) => sha256(text)) as [Sha256, Sha256, Sha256];
  const large = new ProvenSignatures();
  large.set(a, listing as never);
  large.set(b, listing as never);
  large.set(c, { inputs: Array(100_000).fill(listing.inputs[0]) } as never);
  expect([a, b, c].map((leaf) => large.get(leaf) !== undefined)).toEqual([false, true, false]);
});
